//! The origin: as little work as can be, so that what is measured is the proxy.
//!
//! A request's body is thrown away unread; the answer is a 200 with as many bytes as the path says (`/bytes/1048576`), or
//! with the usual number.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::failure::Failure;
use crate::machine;
use crate::poll::{Poll, Want};

/// Connections at once.
const CONNECTIONS_MAX: usize = 16 * 1024;

/// The token of the listening socket.
const LISTENER: usize = usize::MAX;

/// What is read or written at once: half a second-level cache.
const PIECE: usize = 256 * 1024;

/// Bytes of a body that go out together with the head.
const FIRST_PIECE: usize = 16 * 1024;

/// A body's bytes.
static FILL: [u8; PIECE] = [b'x'; PIECE];

/// A running origin; it ends with the program.
pub struct Origin {
    address: SocketAddr,
}

impl Origin {
    /// Starts one on a thread of its own, whose answers usually have bodies of `body` bytes.
    pub fn start(body: usize) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("the origin's port"))?;
        let address = listener.local_addr().map_err(Failure::io("the origin's port"))?;
        listener.set_nonblocking(true).map_err(Failure::io("the origin's port"))?;
        std::thread::spawn(move || serve(&listener, body));
        Ok(Origin { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A connection.
struct Peer {
    stream: TcpStream,
    want: Want,
    /// What it has sent of its next request's head.
    held: Vec<u8>,
    /// Bytes of its request's body that are still to come.
    upload: u64,
    /// Bytes still to be sent: these first, of which so many are sent already, then so many of the fill.
    out: (Vec<u8>, usize, usize),
}

fn serve(listener: &TcpListener, body: usize) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.watch(listener, LISTENER)?;
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut ready = Vec::new();
    let usual = answer(body);
    loop {
        ready.clear();
        poll.wait(Duration::from_secs(60), &mut ready)?;
        for &token in &ready {
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    let slot = free.pop().unwrap_or(peers.len());
                    if slot >= CONNECTIONS_MAX {
                        continue;
                    }
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    poll.watch(&stream, slot)?;
                    if slot == peers.len() {
                        peers.push(None);
                    }
                    let (held, out) = (Vec::new(), (Vec::new(), 0, 0));
                    peers[slot] = Some(Peer { stream, want: Want::Read, held, upload: 0, out });
                }
            } else if let Some(peer) = peers[token].as_mut() {
                let going = peer.serve(&usual).and_then(|()| {
                    let want = if peer.has_out() { Want::ReadWrite } else { Want::Read };
                    if want != peer.want {
                        peer.want = want;
                        poll.change(&peer.stream, token, want)?;
                    }
                    Ok(())
                });
                if going.is_err() {
                    peers[token] = None;
                    free.push(token);
                }
            }
        }
    }
}

/// The head of an answer with a body of `body` bytes, together with what fits of it.
fn answer(body: usize) -> (Vec<u8>, usize) {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body}\r\n\r\n").into_bytes();
    let first = body.min(FIRST_PIECE);
    bytes.extend_from_slice(&FILL[..first]);
    (bytes, body - first)
}

impl Peer {
    /// Whether there is something to send; not before the whole request is here.
    fn has_out(&self) -> bool {
        self.upload == 0 && (self.out.1 < self.out.0.len() || self.out.2 > 0)
    }

    /// Goes on with whatever is possible; an error when the connection is over.
    fn serve(&mut self, usual: &(Vec<u8>, usize)) -> io::Result<()> {
        if self.has_out() {
            return self.send();
        }
        if self.upload > 0 {
            let most = usize::try_from(self.upload).unwrap_or(PIECE).min(4 * PIECE);
            self.upload -= some(machine::discard(&self.stream, most))? as u64;
        } else {
            let mut buffer = [0; 16 * 1024];
            let count = some(self.stream.read(&mut buffer))?;
            self.held.extend_from_slice(&buffer[..count]);
            self.begin(usual)?;
        }
        if self.has_out() { self.send() } else { Ok(()) }
    }

    /// Reads the head of a request, once it is whole. Proxies do not send the next one before they have the answer.
    fn begin(&mut self, usual: &(Vec<u8>, usize)) -> io::Result<()> {
        let Some(end) = self.held.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(()) };
        let head = &self.held[..end];
        let mut upload = 0;
        if !head.starts_with(b"GET ") {
            let head = String::from_utf8_lossy(head).to_ascii_lowercase();
            let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
            upload = length.and_then(|text| text.trim().parse().ok()).ok_or(ErrorKind::InvalidData)?;
        }
        let (bytes, left) = match head.strip_prefix(b"GET /bytes/") {
            None => usual.clone(),
            Some(rest) => {
                let digits: String = rest.iter().take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
                answer(digits.parse().map_err(|_| ErrorKind::InvalidData)?)
            }
        };
        let here = (self.held.len() - end - 4) as u64;
        self.upload = u64::checked_sub(upload, here).ok_or(ErrorKind::InvalidData)?;
        self.held.clear();
        self.out = (bytes, 0, left);
        Ok(())
    }

    /// Sends what the socket takes.
    fn send(&mut self) -> io::Result<()> {
        let (first, at, left) = &mut self.out;
        while *at < first.len() {
            match some(self.stream.write(&first[*at..]))? {
                0 => return Ok(()),
                count => *at += count,
            }
        }
        while *left > 0 {
            match some(self.stream.write(&FILL[..PIECE.min(*left)]))? {
                0 => return Ok(()),
                count => *left -= count,
            }
        }
        Ok(())
    }
}

/// How many bytes went; none where the socket is not ready, and an error where the other side has closed it.
fn some(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        other => other,
    }
}
