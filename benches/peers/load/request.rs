//! What is asked: one template, and the keys that go into it.

use std::net::SocketAddr;

/// In which order keys are used.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// One after the other.
    InTurn,
    /// Any one at any time, the same on each run.
    Random,
}

impl Order {
    /// From its beginning, among `count` keys.
    pub fn start(self, count: usize) -> Next {
        Next { order: self, count, state: 0x9e37_79b9_7f4a_7c15 }
    }
}

/// Which key is next.
pub struct Next {
    order: Order,
    count: usize,
    state: u64,
}

impl Next {
    /// Its index.
    pub fn next(&mut self) -> usize {
        match self.order {
            Order::InTurn => self.state = self.state.wrapping_add(1),
            Order::Random => {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
            }
        }
        (self.state % self.count as u64) as usize
    }
}

/// Requests that differ in their keys only.
pub struct Requests {
    keys: Vec<String>,
    http1: (Vec<u8>, Vec<u8>),
    http2: Vec<u8>,
}

impl Requests {
    /// GETs of the usual path, with each of `keys`.
    pub fn new(to: SocketAddr, keys: Vec<String>) -> Self {
        Requests::of("GET", "/v1/things/17?page=2", "", to, keys)
    }

    /// Requests of another kind; `more` are further lines of the head in HTTP/1.1.
    pub fn of(method: &str, path: &str, more: &str, to: SocketAddr, keys: Vec<String>) -> Self {
        let before = format!(
            "{method} {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: peers/1\r\nAccept: */*\r\n{more}X-API-Key: "
        );
        // Literals without Huffman's code and without a table: no two requests depend on each other (RFC 7541
        // section 6.2.2).
        let mut http2 = vec![0x82, 0x87];
        for (index, value) in [(4, path), (1, &to.to_string()), (58, "peers/1"), (19, "*/*")] {
            indexed(&mut http2, index, value);
        }
        http2.extend_from_slice(b"\x00\x09x-api-key");
        Requests { keys, http1: (before.into_bytes(), b"\r\n\r\n".to_vec()), http2 }
    }

    /// One GET without a key.
    pub fn without_key(to: SocketAddr) -> Self {
        let http1 = (format!("GET / HTTP/1.1\r\nHost: {to}\r\n").into_bytes(), b"\r\n".to_vec());
        Requests { keys: vec![String::new()], http1, http2: Vec::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The head of one in HTTP/1.1.
    pub fn http1(&self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.http1.0);
        out.extend_from_slice(self.keys[index].as_bytes());
        out.extend_from_slice(&self.http1.1);
    }

    /// The field block of one in HTTP/2.
    pub fn http2(&self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.http2);
        string(out, &self.keys[index]);
    }
}

/// A field whose name is in the static table.
fn indexed(out: &mut Vec<u8>, index: u8, value: &str) {
    match index {
        0..15 => out.push(index),
        _ => out.extend_from_slice(&[15, index - 15]),
    }
    string(out, value);
}

/// A text of less than 127 bytes.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX).min(126));
    out.extend_from_slice(text.as_bytes());
}
