//! A request on its way onto the wire.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body;
use tokio::io::AsyncWrite;

use super::head::{self, BodyFraming};
use super::stream::Stream;
use crate::proxy::body::{BodyError, RequestBody};

/// Bytes that are gathered, to go out in one write, before the first of them is written.
const GATHER_MAX: usize = 16 * 1_024;

/// Why a request could not be written whole.
#[derive(Debug)]
pub(super) enum SendError {
    /// The connection broke.
    Io(io::Error),
    /// The request's own body broke off.
    Body(BodyError),
}

/// What of a request is still to be written.
#[derive(Debug)]
pub(super) struct Sender {
    /// Head, chunk sizes, small pieces: copied, to go out together.
    out: Vec<u8>,
    at: usize,
    /// A piece of the body that is written from where it lies, behind `out`.
    piece: Bytes,
    body: RequestBody,
    framing: BodyFraming,
    /// Trailers that the head announces: others are not sent, as nobody has looked at them.
    announced: Vec<HeaderName>,
    /// Bytes that the head has promised and that are still to come, where it tells a length.
    left: Option<u64>,
    /// Whether something was taken from the body.
    is_touched: bool,
    ended: bool,
    written: u64,
}

impl Sender {
    /// A request whose head, with these fields, is in `out`.
    pub(super) fn new(out: Vec<u8>, headers: &HeaderMap, body: RequestBody, framing: BodyFraming) -> Self {
        let announced = match framing {
            BodyFraming::Chunked => announced(headers),
            BodyFraming::Plain => Vec::new(),
        };
        let length = headers.get(CONTENT_LENGTH).filter(|_| framing == BodyFraming::Plain);
        let left = length.and_then(|l| l.to_str().ok()?.parse().ok());
        let ended = body.is_end_stream() && framing == BodyFraming::Plain && left.is_none_or(|left| left == 0);
        Sender { out, at: 0, piece: Bytes::new(), body, framing, announced, left, is_touched: false, ended, written: 0 }
    }

    /// The body, if nothing was taken from it.
    pub(super) fn into_untouched_body(self) -> Option<RequestBody> {
        (!self.is_touched).then_some(self.body)
    }

    /// The buffer, for the next head.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.out
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Writes what can be written. Ready when all of it is.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<Result<(), SendError>> {
        loop {
            let waits = self.gather(cx)?;
            ready!(self.poll_write(cx, stream)).map_err(SendError::Io)?;
            if self.ended {
                // TLS may hold the last record back.
                return Pin::new(stream).poll_flush(cx).map_err(SendError::Io);
            }
            if waits {
                ready!(Pin::new(&mut *stream).poll_flush(cx)).map_err(SendError::Io)?;
                return Poll::Pending;
            }
        }
    }

    /// Takes from the body what it has, as long as it is little. Whether the body has to be waited for.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<bool, SendError> {
        while !self.ended && self.piece.is_empty() && self.out.len() < GATHER_MAX {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else { return Ok(true) };
            self.is_touched = true;
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.take_in(data),
                    Err(frame) => {
                        // Trailers have no place but behind the last chunk.
                        if let (Ok(trailers), BodyFraming::Chunked) = (frame.into_trailers(), self.framing) {
                            self.out.extend_from_slice(b"0\r\n");
                            let may_pass = |name: &HeaderName| self.announced.contains(name);
                            let passed = trailers.iter().filter(|(name, _)| may_pass(name));
                            passed.for_each(|(name, value)| head::field(&mut self.out, name, value));
                            self.out.extend_from_slice(b"\r\n");
                        }
                        self.ended = true;
                    }
                },
                None => {
                    if self.framing == BodyFraming::Chunked {
                        self.out.extend_from_slice(b"0\r\n\r\n");
                    }
                    self.ended = true;
                }
                Some(Err(error)) => return Err(SendError::Body(error)),
            }
            // The end is known at once where the length is: nothing more has to be asked for.
            if self.framing == BodyFraming::Plain && self.body.is_end_stream() {
                self.ended = true;
            }
            if self.ended && self.left.is_some_and(|left| left > 0) {
                return Err(SendError::Body(BodyError::Short));
            }
        }
        Ok(false)
    }

    fn take_in(&mut self, data: Bytes) {
        if data.is_empty() {
            // As a chunk it would be the last.
            return;
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(data.len() as u64);
        }
        let is_chunked = self.framing == BodyFraming::Chunked;
        if is_chunked {
            use std::io::Write as _;
            // Writing to a Vec cannot fail.
            let _ = write!(self.out, "{:x}\r\n", data.len());
        }
        if data.len() <= GATHER_MAX {
            self.out.extend_from_slice(&data);
            if is_chunked {
                self.out.extend_from_slice(b"\r\n");
            }
        } else {
            self.piece = data;
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<()>> {
        loop {
            let mut stream = Pin::new(&mut *stream);
            let front = &self.out[self.at..];
            let n = match (front.is_empty(), self.piece.is_empty()) {
                (true, true) => break,
                (false, true) => ready!(stream.as_mut().poll_write(cx, front))?,
                (true, false) => ready!(stream.as_mut().poll_write(cx, &self.piece))?,
                (false, false) => {
                    let both = [IoSlice::new(front), IoSlice::new(&self.piece)];
                    ready!(stream.as_mut().poll_write_vectored(cx, &both))?
                }
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += n as u64;
            let of_front = n.min(front.len());
            self.at += of_front;
            if n > of_front {
                self.piece.advance(n - of_front);
            }
            if self.at == self.out.len() {
                self.out.clear();
                self.at = 0;
                if self.piece.is_empty() && n > of_front && self.framing == BodyFraming::Chunked {
                    // The end of a chunk that was not copied.
                    self.out.extend_from_slice(b"\r\n");
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The trailers that a head announces.
pub(in crate::proxy::upstream) fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    headers.get_all(TRAILER).iter().flat_map(names).collect()
}

/// The names in a field that lists names.
fn names(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    value.as_bytes().split(|b| *b == b',').filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
}
