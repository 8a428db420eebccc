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
use super::h2::StreamBody;
use super::pool::{InFlight, Place};

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
pub struct UpstreamBody(Source);

#[derive(Debug)]
enum Source {
    /// On a connection of its own, until that is given back.
    Own { body: AnswerBody, place: Option<Place>, peer_max: Option<Duration> },
    /// On a connection that it shares with others.
    Shared { body: StreamBody, _in_flight: InFlight },
}

impl Answer {
    pub(super) fn new(head: AnswerHead, body: AnswerBody, place: Place) -> Self {
        let peer_max = idle_seconds(&head.headers).map(Duration::from_secs);
        let mut body = UpstreamBody(Source::Own { body, place: Some(place), peer_max });
        body.give_back();
        Answer { head, body }
    }

    pub(super) fn shared(head: AnswerHead, body: StreamBody, in_flight: InFlight) -> Self {
        Answer { head, body: UpstreamBody(Source::Shared { body, _in_flight: in_flight }) }
    }
}

impl UpstreamBody {
    fn give_back(&mut self) {
        if let Source::Own { body, place, peer_max } = &mut self.0
            && let Some(wire) = body.wire()
            && let Some(place) = place.take()
        {
            place.keep(wire, *peer_max);
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = CutError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        let polled = match &mut self.0 {
            Source::Own { body, .. } => body.poll_frame(cx),
            Source::Shared { body, .. } => return body.poll_frame(cx),
        };
        if polled.is_ready() {
            self.give_back();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Own { body, .. } => body.is_end_stream(),
            Source::Shared { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Own { body, .. } => body.size_hint(),
            Source::Shared { body, .. } => body.size_hint(),
        }
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
