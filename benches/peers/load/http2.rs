//! HTTP/2: several requests on their way on one connection.
//!
//! Requests are written as literals, so that no table has to be kept; answers are told by the first byte of their field
//! block, which every server writes as an index of the static table for a 200 (RFC 7541 appendix A).

use std::collections::HashMap;
use std::net::TcpStream;
use std::time::Instant;

use super::wire::Wire;
use super::{Carrier, Done, Requests};
use crate::failure::Failure;

/// The preface; no push, and windows as large as they go, so that no answer ever waits for us (RFC 9113 section 6.5.2).
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x04\x7f\xff\xff\xff\
    \x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\x00\x00";

/// Bytes of bodies after which the connection's window is opened again.
const WINDOW_STEP: u32 = 1 << 30;

/// The field `:status: 200` of the static table.
const STATUS_200: u8 = 0x88;

/// A status that is not 200, and not looked at any closer.
const SOME_OTHER: u16 = 0;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection and the answers it waits for.
pub struct Http2 {
    wire: Wire,
    out: Vec<u8>,
    stream: u32,
    /// By stream: the status, once it is known, and from when its time counts.
    waiting: HashMap<u32, (u16, Instant)>,
    /// The beginning of a frame.
    held: Vec<u8>,
    /// Bytes of bodies since the window was last opened.
    taken: u32,
}

impl Http2 {
    /// Over a new connection.
    pub fn new(mut wire: Wire) -> Result<Self, Failure> {
        wire.write(GREETING)?;
        Ok(Http2 { wire, out: Vec::new(), stream: 1, waiting: HashMap::new(), held: Vec::new(), taken: 0 })
    }

    /// Takes whole frames; how many bytes these were.
    fn take(&mut self, bytes: &[u8], done: &mut Vec<Done>) -> Result<usize, Failure> {
        let mut at = 0;
        while let Some(head) = bytes.get(at..at + 9) {
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let Some(payload) = bytes.get(at + 9..at + 9 + length) else { break };
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            self.frame(head[3], head[4], stream, payload, done)?;
            at += 9 + length;
        }
        Ok(at)
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8], done: &mut Vec<Done>) -> Result<(), Failure> {
        match kind {
            HEADERS => {
                if flags & END_HEADERS == 0 {
                    return Err(Failure::Http2("a head in several frames"));
                }
                let Some((status, _)) = self.waiting.get_mut(&stream) else { return Ok(()) };
                // A change of the table's size may come first (RFC 7541 section 6.3).
                let first = payload.iter().find(|byte| **byte & 0xe0 != 0x20);
                if *status == SOME_OTHER && first == Some(&STATUS_200) {
                    *status = 200;
                }
            }
            DATA => self.taken += payload.len() as u32,
            RST_STREAM => return Err(Failure::Http2("the proxy reset a stream")),
            GOAWAY => return Err(Failure::Http2("the proxy said good-bye")),
            SETTINGS if flags & ACK == 0 => self.out.extend_from_slice(&[0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]),
            PING if flags & ACK == 0 => {
                self.out.extend_from_slice(&[0, 0, 8, PING, ACK, 0, 0, 0, 0]);
                self.out.extend_from_slice(payload);
            }
            _ => {}
        }
        if matches!(kind, HEADERS | DATA)
            && flags & END_STREAM != 0
            && let Some((status, since)) = self.waiting.remove(&stream)
        {
            done.push(Done { status, since });
        }
        if self.taken > WINDOW_STEP {
            self.out.extend_from_slice(&[0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, 0]);
            self.out.extend_from_slice(&self.taken.to_be_bytes());
            self.taken = 0;
        }
        Ok(())
    }
}

impl Carrier for Http2 {
    fn ask(&mut self, requests: &Requests, index: usize, since: Instant) -> Result<(), Failure> {
        let at = self.out.len();
        self.out.extend_from_slice(&[0, 0, 0, HEADERS, END_STREAM | END_HEADERS]);
        self.out.extend_from_slice(&self.stream.to_be_bytes());
        requests.http2(index, &mut self.out);
        let length = (self.out.len() - at - 9) as u32;
        self.out[at..at + 3].copy_from_slice(&length.to_be_bytes()[1..]);
        self.waiting.insert(self.stream, (SOME_OTHER, since));
        self.stream += 2;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.wire.write(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], done: &mut Vec<Done>) -> Result<(), Failure> {
        let Some(count) = self.wire.read(buffer)? else { return Ok(()) };
        if self.held.is_empty() {
            let taken = self.take(&buffer[..count], done)?;
            self.held.extend_from_slice(&buffer[taken..count]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(&buffer[..count]);
            let taken = self.take(&held, done)?;
            held.drain(..taken);
            self.held = held;
        }
        // What is to be acknowledged goes with the next requests, or at once where none follow.
        if done.is_empty() && !self.out.is_empty() { self.flush() } else { Ok(()) }
    }

    fn socket(&self) -> &TcpStream {
        self.wire.socket()
    }
}
