//! HTTP/1.1 towards a server, spoken in the task of the request itself.
//!
//! A connection is a socket with the bytes that were read too far. One request at a time takes it, writes its head and
//! body, reads the head of the answer and hands out the body; nobody else ever looks at the socket, so that no task has
//! to be woken and no message be passed on the way (RFC 9112).
//!
//! [`head`] writes and reads heads, [`framing`] finds where a body ends, `request` writes a request, [`exchange`] joins
//! the two until the answer begins, and [`body`] hands its body out.

pub mod body;
pub mod exchange;
pub mod framing;
pub mod head;
pub(super) mod request;
mod stream;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

pub use stream::Stream;

use super::proxy_header::Told;

/// A connection to a server on which no request is under way.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    /// Bytes read and not yet used. Empty between two exchanges.
    read: BytesMut,
    /// What a head is written into; kept for the next one.
    write: Vec<u8>,
    /// Whom the server was told it is for, where it was.
    pub told: Option<Told>,
}

impl Wire {
    /// A connection that has carried nothing.
    pub fn new(stream: Stream) -> Box<Self> {
        Wire::told(stream, None)
    }

    /// The same, where the server may have been told whom it is for.
    pub fn told(stream: Stream, told: Option<Told>) -> Box<Self> {
        Box::new(Wire { stream, read: BytesMut::new(), write: Vec::new(), told })
    }

    /// Whether the peer has neither closed the connection nor said anything that nobody asked for. Costs no system call
    /// while nothing has come.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        // Over TLS there may be something to read that is nothing to us, such as a ticket for the next session.
        Pin::new(&mut self.stream).poll_read(&mut cx, &mut buf).is_pending()
    }

    /// Gives the buffers back: the connection will be idle for a while.
    pub fn rest(&mut self) {
        self.read = BytesMut::new();
        self.write = Vec::new();
    }

    /// The socket.
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Reads more into the buffer; the number of bytes, 0 at the end. Reads up to `more` bytes at a time.
    fn poll_fill(&mut self, cx: &mut Context<'_>, more: usize) -> Poll<std::io::Result<usize>> {
        self.stream.poll_fill(cx, &mut self.read, more)
    }
}

/// What was read too far comes first.
impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let n = buf.remaining().min(self.read.len());
        buf.put_slice(&self.read.split_to(n));
        Poll::Ready(Ok(()))
    }
}
