//! Clients that send requests all the time and account for every one of them: each was answered, once and whole, or was
//! never taken.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Origin;
use super::client::Connection;
use super::frames::{
    ACK, DATA, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PING, REFUSED_STREAM, RST_STREAM, SETTINGS,
};
use super::message::Ended;
use super::wait::until;

/// Whoever sends its next request this soon after the one before must be served: a gateway that ends waits longer than
/// this for what is on its way.
const SOON: Duration = Duration::from_millis(500);
/// Kinds of clients: on a kept connection, on a connection for each request, over HTTP/2.
const KINDS: [&str; 3] = ["kept", "new", "stream"];
/// Streams that are open at a time on one connection.
const STREAMS: usize = 4;
/// Streams after which a connection is left.
const STREAMS_MAX: u32 = 2_000;

/// What was sent, and what became of it.
pub struct Load {
    places: Vec<SocketAddr>,
    sent: AtomicUsize,
    done: AtomicUsize,
    stop: AtomicBool,
    answered: Mutex<Vec<String>>,
    untaken: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
}

impl Load {
    /// Clients try these places in turn, and stay where somebody listens.
    pub fn new(places: &[SocketAddr]) -> Self {
        Load {
            places: places.to_vec(),
            sent: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            answered: Mutex::default(),
            untaken: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    /// Runs `act` while clients of each kind send, then checks their accounts against what the origins saw.
    #[track_caller]
    pub fn during(&self, origins: &[&Origin], act: impl FnOnce(&Self)) {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| self.keep());
                scope.spawn(|| self.multiplex());
            }
            scope.spawn(|| self.connect_each());
            // Ends the clients, too, when `act` panics.
            let _stop = Stop(self);
            self.goes_on_for(200);
            act(self);
            self.goes_on_for(200);
        });
        self.check(origins);
    }

    /// Waits until so many more requests are answered.
    #[track_caller]
    pub fn goes_on_for(&self, count: usize) {
        let wanted = self.done.load(Ordering::Relaxed) + count;
        until("the load to go on", || {
            (self.done.load(Ordering::Relaxed) >= wanted || !self.wrong.lock().unwrap().is_empty()).then_some(())
        });
    }

    fn check(&self, origins: &[&Origin]) {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let is_ours = |target: &str| KINDS.iter().any(|kind| target.starts_with(&format!("/{kind}/")));
        for request in origins.iter().flat_map(|origin| origin.seen()).filter(|seen| is_ours(&seen.target)) {
            *seen.entry(request.target).or_default() += 1;
        }
        let mut wrong = self.wrong.lock().unwrap().clone();
        for id in self.answered.lock().unwrap().iter() {
            match seen.remove(id) {
                Some(1) => {}
                times => wrong.push(format!("{id} was answered; the origin saw it {times:?} times")),
            }
        }
        for id in self.untaken.lock().unwrap().iter().filter(|id| seen.contains_key(*id)) {
            wrong.push(format!("{id} was not answered, and the origin saw it"));
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), self.sent.load(Ordering::Relaxed), wrong.join("\n"));
        assert!(seen.is_empty(), "nobody sent {seen:?}");
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.wrong.lock().unwrap().is_empty()
    }

    fn id(&self, kind: &str) -> String {
        format!("/{kind}/{}", self.sent.fetch_add(1, Ordering::Relaxed))
    }

    fn answered(&self, id: String) {
        self.answered.lock().unwrap().push(id);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn untaken(&self, id: String) {
        self.untaken.lock().unwrap().push(id);
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    fn connect(&self) -> Connection {
        self.places.iter().find_map(|place| Connection::try_open(*place)).expect("somebody listens")
    }

    /// Requests with and without bodies on a connection that is kept as long as it is good.
    fn keep(&self) {
        let mut kept: Option<(Connection, Instant)> = None;
        while self.goes_on() {
            let id = self.id("kept");
            let is_late = kept.as_ref().is_some_and(|(_, last)| last.elapsed() > SOON);
            let is_used = kept.is_some();
            let (mut connection, _) = kept.take().unwrap_or_else(|| (self.connect(), Instant::now()));
            let sent = Instant::now();
            let method = if id.ends_with(['0', '5']) { "POST" } else { "GET" };
            let body = if method == "POST" { "x".repeat(3_000) } else { String::new() };
            let length = body.len();
            connection.send(format!("{method} {id} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
            let answer = connection.answer();
            match answer.status {
                200 if answer.ended == Ended::Whole && answer.body == b"hello\n" => {
                    if answer.header("connection") != "close" {
                        kept = Some((connection, sent));
                    }
                    self.answered(id);
                }
                0 if is_used && is_late && connection.rest().is_empty() => self.untaken(id),
                status => self.wrong(format!("{id}: {status} {:?} {}", answer.ended, answer.text())),
            }
        }
    }

    /// Each request on a connection of its own.
    fn connect_each(&self) {
        while self.goes_on() {
            let id = self.id("new");
            let mut connection = self.connect();
            let answer = connection.send(format!("GET {id} HTTP/1.1\r\nHost: a\r\n\r\n")).answer();
            match (answer.status, answer.ended) {
                (200, Ended::Whole) => self.answered(id),
                (status, ended) => self.wrong(format!("{id}: {status} {ended:?} {}", answer.text())),
            }
        }
    }

    /// Several requests at a time over HTTP/2, and none after a GOAWAY.
    fn multiplex(&self) {
        while self.goes_on() {
            let frames = self.places.iter().find_map(|place| Frames::try_open(*place, &[]));
            let mut frames = frames.expect("somebody listens");
            let mut next = 1;
            let mut is_told = false;
            while self.goes_on() && !is_told && next < STREAMS_MAX {
                let mut open = HashMap::new();
                for _ in 0..STREAMS {
                    let id = self.id("stream");
                    frames.get(next, &id);
                    open.insert(next, id);
                    next += 2;
                }
                while !open.is_empty() {
                    match frames.next() {
                        Some(frame) => is_told |= self.take(&frame, &mut open, &mut frames),
                        None => open.drain().for_each(|(_, id)| self.wrong(format!("{id}: the connection ended"))),
                    }
                }
            }
        }
    }

    /// Takes in a frame; whether it says that the connection ends.
    fn take(&self, frame: &Frame, open: &mut HashMap<u32, String>, frames: &mut Frames) -> bool {
        match frame.kind {
            PING | SETTINGS if frame.flags & ACK == 0 => {
                let payload: &[u8] = if frame.kind == PING { &frame.payload } else { &[] };
                frames.frame(frame.kind, ACK, 0, payload);
            }
            // `:status: 200` of the static table.
            HEADERS if frame.payload.first() != Some(&0x88) => {
                let id = open.remove(&frame.stream);
                self.wrong(format!("{id:?}: another status: {:?}", frame.payload));
            }
            DATA if frame.flags & END_STREAM != 0 => match open.remove(&frame.stream) {
                Some(id) if frame.payload == b"hello\n" => self.answered(id),
                id => self.wrong(format!("{id:?}: {:?}", frame.payload)),
            },
            RST_STREAM => match open.remove(&frame.stream) {
                Some(id) if frame.code() == REFUSED_STREAM => self.untaken(id),
                id => self.wrong(format!("{id:?}: reset with {}", frame.code())),
            },
            GOAWAY => {
                let last = frame.last_stream();
                for (_, id) in open.extract_if(|stream, _| *stream > last) {
                    self.untaken(id);
                }
                return true;
            }
            _ => {}
        }
        false
    }
}

struct Stop<'a>(&'a Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}
