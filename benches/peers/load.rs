//! The load: a fixed number of kept connections, each with one request on its way at any time.
//!
//! Requests are made beforehand, one for every key, and sent in turn; answers are only looked at as far as it takes to
//! know where they end and whether they are a 200.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::machine::Poll;
use crate::options::Options;
use crate::process::Failure;

/// How long one answer may take before the run counts as broken.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Requests after which [`hammer`] gives up waiting for a refusal.
const HAMMER_MAX: usize = 400_000;

/// What one round gave.
pub struct Outcome {
    /// Answers in the measured time.
    pub answers: usize,
    /// Of these, other than 200.
    pub refused: usize,
    /// The measured time.
    pub time: Duration,
    /// How long each took, in nanoseconds, sorted.
    pub latencies: Vec<u32>,
}

impl Outcome {
    /// The latency that a share of `part` stays below.
    pub fn percentile(&self, part: f64) -> Duration {
        let at = ((self.latencies.len() as f64 * part) as usize).min(self.latencies.len().saturating_sub(1));
        Duration::from_nanos(self.latencies.get(at).copied().unwrap_or(0).into())
    }
}

/// The bytes of a request with `key`.
fn request(to: SocketAddr, key: &str) -> Vec<u8> {
    format!("GET /v1/things/17?page=2 HTTP/1.1\r\nHost: {to}\r\nUser-Agent: peers/1\r\nAccept: */*\r\nX-API-Key: {key}\r\n\r\n")
        .into_bytes()
}

/// Drives `to` for one round.
pub fn run(to: SocketAddr, keys: &[String], options: &Options) -> Result<Outcome, Failure> {
    run_watched(to, keys, options, || {}, || {})
}

/// Drives `to` for one round, and calls `begin` and `end` around the measured time.
pub fn run_watched(
    to: SocketAddr,
    keys: &[String],
    options: &Options,
    begin: impl FnOnce(),
    end: impl FnOnce(),
) -> Result<Outcome, Failure> {
    let requests: Vec<Vec<u8>> = keys.iter().map(|key| request(to, key)).collect();
    let mut poll = Poll::new().map_err(Failure::io("epoll"))?;
    let mut flights = Vec::new();
    for token in 0..options.connections {
        let flight = Flight::open(to, token * requests.len() / options.connections)?;
        poll.watch(&flight.stream, token).map_err(Failure::io("epoll"))?;
        flights.push(flight);
    }
    for flight in &mut flights {
        flight.send(&requests)?;
    }
    drive(&mut poll, &mut flights, &requests, options.warm)?;
    begin();
    let outcome = drive(&mut poll, &mut flights, &requests, options.seconds)?;
    end();
    Ok(outcome)
}

fn drive(poll: &mut Poll, flights: &mut [Flight], requests: &[Vec<u8>], time: Duration) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let mut outcome = Outcome { answers: 0, refused: 0, time, latencies: Vec::new() };
    let mut ready = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut last = started;
    loop {
        ready.clear();
        poll.wait(Duration::from_millis(100), &mut ready).map_err(Failure::io("epoll"))?;
        let mut now = Instant::now();
        if now - started >= time {
            outcome.time = now - started;
            outcome.latencies.sort_unstable();
            return Ok(outcome);
        }
        if !ready.is_empty() {
            last = now;
        } else if now - last > ANSWER_MAX {
            return Err(Failure::Stalled(ANSWER_MAX));
        }
        for &token in &ready {
            let flight = &mut flights[token];
            let Some(status) = flight.receive(&mut buffer)? else { continue };
            now = Instant::now();
            outcome.answers += 1;
            outcome.refused += usize::from(status != 200);
            outcome.latencies.push(u32::try_from((now - flight.sent).as_nanos()).unwrap_or(u32::MAX));
            flight.send(requests)?;
        }
    }
}

/// Opens `count` connections, makes one request on each, and keeps them.
pub fn hold(to: SocketAddr, key: &str, count: usize) -> Result<Vec<TcpStream>, Failure> {
    let requests = [request(to, key)];
    let mut buffer = vec![0; 256 * 1024];
    let mut held = Vec::new();
    for _ in 0..count {
        let mut flight = Flight::open(to, 0)?;
        ask(&mut flight, &requests, &mut buffer)?;
        held.push(flight.stream);
    }
    Ok(held)
}

/// The status of one request with `key`, or without any.
pub fn once(to: SocketAddr, key: Option<&str>) -> Result<u16, Failure> {
    let bytes = match key {
        Some(key) => request(to, key),
        None => format!("GET / HTTP/1.1\r\nHost: {to}\r\n\r\n").into_bytes(),
    };
    ask(&mut Flight::open(to, 0)?, &[bytes], &mut vec![0; 256 * 1024])
}

/// Asks with one key until that is refused; how many were let through, and the status of the refusal.
pub fn hammer(to: SocketAddr, key: &str) -> Result<(usize, u16), Failure> {
    let requests = [request(to, key)];
    let mut buffer = vec![0; 256 * 1024];
    let mut flight = Flight::open(to, 0)?;
    for passed in 0..HAMMER_MAX {
        let status = ask(&mut flight, &requests, &mut buffer)?;
        if status != 200 {
            return Ok((passed, status));
        }
    }
    Err(Failure::NeverRefused(HAMMER_MAX))
}

fn ask(flight: &mut Flight, requests: &[Vec<u8>], buffer: &mut [u8]) -> Result<u16, Failure> {
    flight.send(requests)?;
    loop {
        if let Some(status) = flight.receive(buffer)? {
            return Ok(status);
        }
        if flight.sent.elapsed() > ANSWER_MAX {
            return Err(Failure::Stalled(ANSWER_MAX));
        }
        std::thread::yield_now();
    }
}

/// A connection and the answer it waits for.
struct Flight {
    stream: TcpStream,
    /// Which request is next.
    next: usize,
    /// When the last one was sent.
    sent: Instant,
    /// What came of the answer's head, as long as that is not whole.
    head: Vec<u8>,
    /// Status and bytes still to come, once the head is whole.
    body: Option<(u16, usize)>,
}

impl Flight {
    fn open(to: SocketAddr, next: usize) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&to, ANSWER_MAX).map_err(Failure::io("a connection of the load"))?;
        stream.set_nodelay(true).map_err(Failure::io("a connection of the load"))?;
        stream.set_nonblocking(true).map_err(Failure::io("a connection of the load"))?;
        Ok(Flight { stream, next, sent: Instant::now(), head: Vec::new(), body: None })
    }

    fn send(&mut self, requests: &[Vec<u8>]) -> Result<(), Failure> {
        let bytes = &requests[self.next % requests.len()];
        self.next += 1;
        self.sent = Instant::now();
        // Nothing else is on its way in this direction, so a request of 200 bytes fits the socket's buffer.
        self.stream.write_all(bytes).map_err(Failure::io("sending a request"))
    }

    /// Takes what has come; the status once the answer is whole.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<u16>, Failure> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err(Failure::Closed),
            Ok(n) => n,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(None),
            Err(e) => return Err(Failure::Io { what: "receiving an answer", source: e }),
        };
        let (status, left) = match self.body {
            Some((status, left)) => (status, left.checked_sub(count).ok_or(Failure::Unread)?),
            None if self.head.is_empty() => match parse(&buffer[..count])? {
                Some((status, length, end)) => (status, (end + length).checked_sub(count).ok_or(Failure::Unread)?),
                None => {
                    self.head.extend_from_slice(&buffer[..count]);
                    return Ok(None);
                }
            },
            None => {
                self.head.extend_from_slice(&buffer[..count]);
                let Some((status, length, end)) = parse(&self.head)? else { return Ok(None) };
                let left = (end + length).checked_sub(self.head.len()).ok_or(Failure::Unread)?;
                self.head.clear();
                (status, left)
            }
        };
        self.body = (left > 0).then_some((status, left));
        Ok((left == 0).then_some(status))
    }
}

/// Status, length of the body, and where the head ends; `None` as long as it is not whole.
fn parse(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>, Failure> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| Failure::Unread)?;
    let status = head.get(9..12).and_then(|s| s.parse().ok()).ok_or(Failure::Unread)?;
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok());
    Ok(Some((status, length.ok_or(Failure::Unread)?, end + 4)))
}
