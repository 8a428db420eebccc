//! The origin: as little work as can be, so that what is measured is the proxy.
//!
//! It reads requests without a body, and answers each with the same bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::machine::Poll;
use crate::process::Failure;

/// Connections at once.
const CONNECTIONS_MAX: usize = 16 * 1024;

/// The token of the listening socket.
const LISTENER: usize = usize::MAX;

/// A running origin; it ends with the program.
pub struct Origin {
    address: SocketAddr,
}

impl Origin {
    /// Starts one on a thread of its own, whose answers have bodies of `body` bytes.
    pub fn start(body: usize) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("the origin's port"))?;
        let address = listener.local_addr().map_err(Failure::io("the origin's port"))?;
        listener.set_nonblocking(true).map_err(Failure::io("the origin's port"))?;
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + body, b'x');
        std::thread::spawn(move || serve(&listener, &answer));
        Ok(Origin { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A connection, and what it has sent of its next request.
struct Peer {
    stream: TcpStream,
    held: Vec<u8>,
}

fn serve(listener: &TcpListener, answer: &[u8]) -> std::io::Result<()> {
    let mut poll = Poll::new()?;
    poll.watch(listener, LISTENER)?;
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut ready = Vec::new();
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
                    peers[slot] = Some(Peer { stream, held: Vec::new() });
                }
            } else if let Some(peer) = peers[token].as_mut()
                && !peer.serve(answer)
            {
                peers[token] = None;
                free.push(token);
            }
        }
    }
}

impl Peer {
    /// Answers what has come; `false` when the connection is over.
    fn serve(&mut self, answer: &[u8]) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(n) => self.held.extend_from_slice(&buffer[..n]),
            Err(e) => return e.kind() == ErrorKind::WouldBlock,
        }
        while let Some(end) = self.held.windows(4).position(|w| w == b"\r\n\r\n") {
            self.held.drain(..end + 4);
            if !self.send(answer) {
                return false;
            }
        }
        true
    }

    /// Sends all of it; a proxy that does not read is waited for, as there is no other work worth doing meanwhile.
    fn send(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(_) => return false,
            }
        }
        true
    }
}
