//! The load: connections with requests on their way, driven by one thread.
//!
//! Requests are written from templates; answers are only looked at as far as it takes to know where they end and whether
//! they are a 200.

pub mod bodies;
mod http1;
mod http2;
pub mod paced;
mod request;
mod wire;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::poll::Poll;
use crate::stop;

use http1::Http1;
use http2::Http2;
pub use request::{Order, Requests};
use wire::Wire;
pub use wire::tls_client;

/// How long one answer may take before the run counts as broken.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long [`hammer`] waits for a refusal: limits are by the minute, and begin anew with it.
const HAMMER_MAX: Duration = Duration::from_secs(50);

/// Its connections.
const HAMMER_CONNECTIONS: usize = 32;

/// The longest wait between two looks at the clock.
const LOOK: Duration = Duration::from_millis(100);

/// Bytes read at once.
const BUFFER: usize = 256 * 1024;

/// What is spoken to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 in the clear.
    Http1,
    /// HTTP/1.1 over TLS 1.3.
    Http1Tls,
    /// HTTP/2 over TLS 1.3.
    Http2,
}

/// Whom to drive, and how.
pub struct Drive<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// What is spoken.
    pub protocol: Protocol,
    /// What is asked.
    pub requests: &'a Requests,
    /// In which order.
    pub order: Order,
    /// Connections.
    pub connections: usize,
    /// Requests on their way on each of them at any time.
    pub streams: usize,
    /// Whether each request has a connection of its own.
    pub fresh: bool,
    /// Load before the measured time.
    pub warm: Duration,
    /// The measured time.
    pub time: Duration,
    /// Answers after which it ends early.
    pub most: usize,
}

/// What one round gave.
pub struct Outcome {
    /// Answers in the measured time.
    pub answers: usize,
    /// Of these, other than 200, and the status of the last.
    pub refused: (usize, u16),
    /// The measured time.
    pub time: Duration,
    /// How long each took, in nanoseconds, sorted.
    pub latencies: Vec<u32>,
}

impl Outcome {
    fn new(time: Duration) -> Self {
        Outcome { answers: 0, refused: (0, 0), time, latencies: Vec::new() }
    }

    fn add(&mut self, done: &Done, now: Instant) {
        self.answers += 1;
        if done.status != 200 {
            self.refused = (self.refused.0 + 1, done.status);
        }
        self.latencies.push(u32::try_from((now - done.since).as_nanos()).unwrap_or(u32::MAX));
    }

    fn finish(mut self) -> Result<Self, Failure> {
        self.latencies.sort_unstable();
        match self.refused {
            (0, _) => Ok(self),
            (count, status) => Err(Failure::Refused { count, status }),
        }
    }

    /// The latency that a share of `part` stays below, in milliseconds.
    pub fn percentile(&self, part: f64) -> f64 {
        let at = ((self.latencies.len() as f64 * part) as usize).min(self.latencies.len().saturating_sub(1));
        f64::from(self.latencies.get(at).copied().unwrap_or(0)) / 1e6
    }

    /// Answers a second.
    pub fn per_second(&self) -> f64 {
        self.answers as f64 / self.time.as_secs_f64()
    }
}

/// An answer that is whole.
struct Done {
    status: u16,
    /// From when its time counts.
    since: Instant,
}

/// A connection that carries requests.
trait Carrier {
    /// Adds a request, whose time counts from `since`.
    fn ask(&mut self, requests: &Requests, index: usize, since: Instant) -> Result<(), Failure>;
    /// Sends what was added.
    fn flush(&mut self) -> Result<(), Failure>;
    /// Takes what has come.
    fn receive(&mut self, buffer: &mut [u8], done: &mut Vec<Done>) -> Result<(), Failure>;
    /// Its socket.
    fn socket(&self) -> &TcpStream;
}

impl Drive<'_> {
    fn open(&self, tls: &Arc<rustls::ClientConfig>, from: Ipv4Addr) -> Result<Box<dyn Carrier>, Failure> {
        Ok(match self.protocol {
            Protocol::Http1 => Box::new(Http1::new(Wire::plain(self.to, from)?)),
            Protocol::Http1Tls => Box::new(Http1::new(Wire::tls(self.to, from, tls)?)),
            Protocol::Http2 => Box::new(Http2::new(Wire::tls(self.to, from, tls)?)?),
        })
    }

    /// Drives for one round, and calls `begin` and `end` around the measured time.
    pub fn run(&self, begin: impl FnOnce(), end: impl FnOnce()) -> Result<Outcome, Failure> {
        let tls = tls_client(self.protocol == Protocol::Http2)?;
        let mut poll = Poll::new().map_err(Failure::io("epoll"))?;
        let mut order = self.order.start(self.requests.len());
        let mut fresh = Fresh::default();
        let mut carriers = Vec::new();
        for token in 0..self.connections {
            let mut carrier = self.open(&tls, Ipv4Addr::LOCALHOST)?;
            poll.watch(carrier.socket(), token).map_err(Failure::io("epoll"))?;
            for _ in 0..self.streams {
                carrier.ask(self.requests, order.next(), Instant::now())?;
            }
            carrier.flush()?;
            carriers.push(carrier);
        }
        let mut turn = |poll: &mut Poll, time: Duration| -> Result<Outcome, Failure> {
            let mut ready = Vec::new();
            let mut done = Vec::new();
            let mut buffer = vec![0; BUFFER];
            let mut outcome = Outcome::new(time);
            let started = Instant::now();
            let mut last = started;
            loop {
                stop::check()?;
                ready.clear();
                poll.wait(LOOK, &mut ready).map_err(Failure::io("epoll"))?;
                let now = Instant::now();
                if now - started >= time || outcome.answers >= self.most {
                    outcome.time = now - started;
                    return Ok(outcome);
                }
                if now - last > ANSWER_MAX {
                    return Err(Failure::Stalled(ANSWER_MAX));
                }
                for &token in &ready {
                    carriers[token].receive(&mut buffer, &mut done)?;
                    if done.is_empty() {
                        continue;
                    }
                    let now = Instant::now();
                    last = now;
                    if self.fresh {
                        carriers[token] = self.open(&tls, fresh.address())?;
                        poll.watch(carriers[token].socket(), token).map_err(Failure::io("epoll"))?;
                    }
                    for done in done.drain(..) {
                        outcome.add(&done, now);
                        carriers[token].ask(self.requests, order.next(), now)?;
                    }
                    carriers[token].flush()?;
                }
            }
        };
        turn(&mut poll, self.warm)?;
        begin();
        let outcome = turn(&mut poll, self.time)?;
        end();
        outcome.finish()
    }
}

/// Addresses to come from: so many connections a second would use up the ports of one.
#[derive(Default)]
struct Fresh(u8);

impl Fresh {
    fn address(&mut self) -> Ipv4Addr {
        self.0 = self.0.wrapping_add(1);
        Ipv4Addr::new(127, 0, 1, self.0.max(1))
    }
}

/// Opens `count` connections, makes one request on each, and keeps them.
pub fn hold(to: SocketAddr, requests: &Requests, count: usize) -> Result<Vec<impl Sized + use<>>, Failure> {
    let mut buffer = vec![0; BUFFER];
    let mut held = Vec::new();
    for _ in 0..count {
        let mut carrier = Http1::new(Wire::plain(to, Ipv4Addr::LOCALHOST)?);
        exchange(&mut carrier, requests, 0, &mut buffer)?;
        held.push(carrier);
    }
    Ok(held)
}

/// The status of one request, the first of `requests`.
pub fn once(to: SocketAddr, protocol: Protocol, requests: &Requests) -> Result<u16, Failure> {
    let none = Duration::ZERO;
    let order = Order::InTurn;
    let (connections, streams, most) = (1, 1, usize::MAX);
    let drive =
        Drive { to, protocol, requests, order, connections, streams, fresh: false, warm: none, time: none, most };
    let mut carrier = drive.open(&tls_client(protocol == Protocol::Http2)?, Ipv4Addr::LOCALHOST)?;
    exchange(carrier.as_mut(), requests, 0, &mut vec![0; BUFFER])
}

/// Asks with one key until that is refused; the status of the refusal.
pub fn hammer(to: SocketAddr, requests: &Requests) -> Result<u16, Failure> {
    let (protocol, order, warm) = (Protocol::Http1, Order::InTurn, Duration::ZERO);
    let (connections, time) = (HAMMER_CONNECTIONS, Duration::from_millis(250));
    let drive =
        Drive { to, protocol, requests, order, connections, streams: 1, fresh: false, warm, time, most: usize::MAX };
    let started = Instant::now();
    while started.elapsed() < HAMMER_MAX {
        match drive.run(|| {}, || {}) {
            Err(Failure::Refused { status, .. }) => return Ok(status),
            other => other?,
        };
    }
    Err(Failure::NeverRefused(HAMMER_MAX))
}

/// One request and its answer, with nothing else on its way.
fn exchange(carrier: &mut dyn Carrier, requests: &Requests, index: usize, buffer: &mut [u8]) -> Result<u16, Failure> {
    let started = Instant::now();
    carrier.ask(requests, index, started)?;
    carrier.flush()?;
    let mut done = Vec::new();
    loop {
        stop::check()?;
        carrier.receive(buffer, &mut done)?;
        if let Some(done) = done.first() {
            return Ok(done.status);
        }
        if started.elapsed() > ANSWER_MAX {
            return Err(Failure::Stalled(ANSWER_MAX));
        }
        std::thread::yield_now();
    }
}
