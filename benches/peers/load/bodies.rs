//! Large bodies in either direction, in the clear: what is counted are bytes, as a body may last longer than a round.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::http1::parse;
use super::wire::Wire;
use super::{ANSWER_MAX, LOOK, Order, Requests};
use crate::failure::Failure;
use crate::poll::{Poll, Want};
use crate::{machine, stop};

/// What is sent or thrown away at once.
const PIECE: usize = 256 * 1024;

/// A body's bytes.
static FILL: [u8; PIECE] = [b'u'; PIECE];

/// Bytes that an answer's head may have, with the first of its body.
const HEAD_MAX: usize = 16 * 1024;

/// What flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Answers are of this size.
    Down(usize),
    /// Requests are.
    Up(usize),
}

impl Direction {
    /// Requests with each of `keys`.
    pub fn requests(self, to: SocketAddr, keys: Vec<String>) -> Requests {
        match self {
            Direction::Down(size) => Requests::of("GET", &format!("/bytes/{size}"), "", to, keys),
            Direction::Up(size) => {
                let more = format!("Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n");
                Requests::of("POST", "/v1/things", &more, to, keys)
            }
        }
    }
}

/// What flowed in the measured time.
pub struct Flow {
    /// Bytes of bodies.
    pub bytes: u64,
    /// Whole exchanges.
    pub answers: usize,
    /// The measured time.
    pub time: Duration,
}

/// Keeps `connections` busy for `warm` and then `time`, and calls `begin` and `end` around the latter.
pub fn run(
    to: SocketAddr,
    direction: Direction,
    requests: &Requests,
    connections: usize,
    (warm, time): (Duration, Duration),
    begin: impl FnOnce(),
    end: impl FnOnce(),
) -> Result<Flow, Failure> {
    let mut poll = Poll::new().map_err(Failure::io("epoll"))?;
    let mut order = Order::InTurn.start(requests.len());
    let mut lanes = Vec::new();
    for token in 0..connections {
        let mut lane = Lane::open(to, &poll, token)?;
        lane.begin(direction, requests, order.next());
        lane.advance(&mut Flow { bytes: 0, answers: 0, time })?;
        lane.watch(&poll, token)?;
        lanes.push(lane);
    }
    let mut turn = |time: Duration| -> Result<Flow, Failure> {
        let mut flow = Flow { bytes: 0, answers: 0, time };
        let mut ready = Vec::new();
        let started = Instant::now();
        let mut last = started;
        loop {
            stop::check()?;
            ready.clear();
            poll.wait(LOOK, &mut ready).map_err(Failure::io("epoll"))?;
            let now = Instant::now();
            if now - started >= time {
                flow.time = now - started;
                return Ok(flow);
            }
            let before = flow.bytes;
            for &token in &ready {
                let lane = &mut lanes[token];
                let over = match lane.advance(&mut flow) {
                    // A proxy may close a connection after an answer, and nginx does so after some bodies.
                    Err(Failure::Closed) if lane.answered && lane.down.is_none() => {
                        flow.bytes = flow.bytes.saturating_sub(lane.sent);
                        *lane = Lane::open(to, &poll, token)?;
                        true
                    }
                    other => other?,
                };
                if over {
                    flow.answers += usize::from(lane.answered);
                    lane.begin(direction, requests, order.next());
                }
                lane.watch(&poll, token)?;
            }
            if flow.bytes > before {
                last = now;
            } else if now - last > ANSWER_MAX {
                return Err(Failure::Stalled(ANSWER_MAX));
            }
        }
    };
    turn(warm)?;
    begin();
    let flow = turn(time)?;
    end();
    Ok(flow)
}

/// A connection with one exchange on it.
struct Lane {
    stream: TcpStream,
    want: Want,
    /// Whether there was an answer on this connection.
    answered: bool,
    /// Bytes of the request's body that are sent.
    sent: u64,
    /// Bytes of the request's head that are still to be sent.
    out: Vec<u8>,
    /// And of its body.
    up: usize,
    /// What has come of the answer's head.
    head: Vec<u8>,
    /// Bytes of the answer's body still to come, once its head is whole.
    down: Option<usize>,
}

impl Lane {
    fn open(to: SocketAddr, poll: &Poll, token: usize) -> Result<Self, Failure> {
        let stream = Wire::plain(to, Ipv4Addr::LOCALHOST)?.into_socket()?;
        poll.watch(&stream, token).map_err(Failure::io("epoll"))?;
        let (out, head) = (Vec::new(), Vec::new());
        Ok(Lane { stream, want: Want::Read, answered: false, sent: 0, out, up: 0, head, down: None })
    }

    fn begin(&mut self, direction: Direction, requests: &Requests, index: usize) {
        requests.http1(index, &mut self.out);
        self.up = match direction {
            Direction::Down(_) => 0,
            Direction::Up(size) => size,
        };
        (self.down, self.sent) = (None, 0);
    }

    /// Watches for what the exchange waits for.
    fn watch(&mut self, poll: &Poll, token: usize) -> Result<(), Failure> {
        let want = if self.out.is_empty() && self.up == 0 { Want::Read } else { Want::ReadWrite };
        if want != self.want {
            self.want = want;
            poll.change(&self.stream, token, want).map_err(Failure::io("epoll"))?;
        }
        Ok(())
    }

    /// Sends and takes what is possible; whether the exchange is over.
    fn advance(&mut self, flow: &mut Flow) -> Result<bool, Failure> {
        self.send(flow)?;
        let left = match self.down {
            Some(left) => {
                let Some(count) = taken(machine::discard(&self.stream, left.min(4 * PIECE)))? else { return Ok(false) };
                flow.bytes += count as u64;
                left - count
            }
            None => {
                let mut buffer = [0; HEAD_MAX];
                let Some(count) = taken(self.stream.read(&mut buffer))? else { return Ok(false) };
                self.head.extend_from_slice(&buffer[..count]);
                let Some((status, length, end)) = parse(&self.head)? else { return Ok(false) };
                if status != 200 {
                    return Err(Failure::Refused { count: 1, status });
                }
                let here = self.head.len() - end;
                flow.bytes += here as u64;
                self.head.clear();
                length.checked_sub(here).ok_or(Failure::Unread)?
            }
        };
        self.down = Some(left);
        self.answered |= left == 0;
        Ok(left == 0)
    }

    fn send(&mut self, flow: &mut Flow) -> Result<(), Failure> {
        while !self.out.is_empty() {
            let Some(count) = taken(self.stream.write(&self.out))? else { return Ok(()) };
            self.out.drain(..count);
        }
        while self.up > 0 {
            let Some(count) = taken(self.stream.write(&FILL[..PIECE.min(self.up)]))? else { return Ok(()) };
            self.up -= count;
            self.sent += count as u64;
            flow.bytes += count as u64;
        }
        Ok(())
    }
}

/// How many bytes went; none where the socket is not ready.
fn taken(result: std::io::Result<usize>) -> Result<Option<usize>, Failure> {
    match result {
        Ok(0) => Err(Failure::Closed),
        Ok(count) => Ok(Some(count)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Err(Failure::Closed),
        Err(source) => Err(Failure::Io { what: "a large body", source }),
    }
}
