//! HTTP/2 by hand: frames of any kind, well formed or not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::client::Connection;

/// Types of frames (RFC 9113 section 6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags.
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Codes of errors (RFC 9113 section 7).
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it came.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The last four bytes of the payload's first eight or four: the code of a GOAWAY or RST_STREAM.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The last stream that a GOAWAY names.
    pub fn last_stream(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// An answer began.
    Answer,
    /// The stream was reset, with this code.
    Reset(u32),
    /// The connection was ended, with this code.
    Goaway(u32),
    /// The connection was closed without a word.
    Closed,
}

/// One connection.
pub struct Frames {
    connection: Connection,
}

impl Frames {
    /// Connects, and sends preface and SETTINGS.
    pub fn open(to: SocketAddr) -> Self {
        Frames::open_with(to, &[])
    }

    /// The same, with these SETTINGS.
    pub fn open_with(to: SocketAddr, settings: &[(u16, u32)]) -> Self {
        Frames::try_open(to, settings).unwrap_or_else(|| panic!("connect to {to}"))
    }

    /// The same, unless nobody listens.
    pub fn try_open(to: SocketAddr, settings: &[(u16, u32)]) -> Option<Self> {
        let mut frames = Frames { connection: Connection::try_open(to)? };
        frames.bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        frames.frame(SETTINGS, 0, 0, &payload);
        Some(frames)
    }

    /// Sends bytes. That the other side has closed shows when reading.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.stream().write_all(bytes);
        self
    }

    /// Sends a frame.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        self.bytes(&frame(kind, flags, stream, payload))
    }

    /// Opens a stream with these fields, and ends it if told so.
    pub fn headers(&mut self, stream: u32, end: bool, fields: &[(&str, &str)]) -> &mut Self {
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        self.frame(HEADERS, flags, stream, &block(fields))
    }

    /// A GET of `path`.
    pub fn get(&mut self, stream: u32, path: &str) -> &mut Self {
        self.headers(stream, true, &[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a")])
    }

    /// The next frame; `None` at the end.
    pub fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream().read_exact(&mut head).ok()?;
        let mut payload = vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
        self.stream().read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of this kind; `None` at the end.
    pub fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// What becomes of a stream.
    pub fn end_of(&mut self, stream: u32) -> End {
        loop {
            let Some(frame) = self.next() else { return End::Closed };
            match frame.kind {
                GOAWAY => return End::Goaway(frame.code()),
                RST_STREAM if frame.stream == stream => return End::Reset(frame.code()),
                HEADERS if frame.stream == stream => return End::Answer,
                _ => {}
            }
        }
    }

    /// The code of the connection's end: of its last GOAWAY, if it had one.
    pub fn goaway(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                code = Some(frame.code());
            }
        }
        code
    }

    /// The socket.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.connection.stream()
    }
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// A header block of literals that are not indexed (RFC 7541 section 6.2.2), names and values as they are.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            length(text.len(), &mut out);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn length(mut n: usize, out: &mut Vec<u8>) {
    if n < 127 {
        out.push(u8::try_from(n).unwrap());
        return;
    }
    out.push(127);
    n -= 127;
    while n >= 128 {
        out.push(u8::try_from(n % 128 + 128).unwrap());
        n /= 128;
    }
    out.push(u8::try_from(n).unwrap());
}
