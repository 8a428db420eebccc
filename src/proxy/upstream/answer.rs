//! What comes back from a server: an answer whose body gives its connection back, or a tunnel.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::h1::Wire;
use super::h1::body::{AnswerBody, CutError, idle_seconds};
use super::h1::head::AnswerHead;
use super::pool::Place;

/// What came of a request.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer(Answer),
    /// The server agreed to speak another protocol.
    Switched(AnswerHead, Tunnel),
}

/// An answer. Its connection goes back to the pool when its body has been read to its end, if it is still good.
#[derive(Debug)]
pub struct Answer {
    /// The head.
    pub head: AnswerHead,
    /// The body.
    pub body: UpstreamBody,
}

/// The body of an answer, with its connection.
#[derive(Debug)]
pub struct UpstreamBody {
    body: AnswerBody,
    place: Option<Place>,
    peer_max: Option<Duration>,
}

impl Answer {
    pub(super) fn new(head: AnswerHead, body: AnswerBody, place: Place) -> Self {
        let peer_max = idle_seconds(&head.headers).map(Duration::from_secs);
        let mut body = UpstreamBody { body, place: Some(place), peer_max };
        body.give_back();
        Answer { head, body }
    }
}

impl UpstreamBody {
    fn give_back(&mut self) {
        if let Some(wire) = self.body.wire()
            && let Some(place) = self.place.take()
        {
            place.keep(wire, self.peer_max);
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = CutError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        let polled = self.body.poll_frame(cx);
        if polled.is_ready() {
            self.give_back();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection on which another protocol is spoken now.
#[derive(Debug)]
pub struct Tunnel {
    wire: Box<Wire>,
    _place: Place,
}

impl Tunnel {
    pub(super) fn new(wire: Box<Wire>, place: Place) -> Self {
        Tunnel { wire, _place: place }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.wire).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.wire.stream()).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.wire.stream()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.wire.stream()).poll_shutdown(cx)
    }
}
