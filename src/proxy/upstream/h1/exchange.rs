//! One request and the head of its answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::request::Parts as RequestParts;
use http::{Method, StatusCode};

use super::Wire;
use super::body::AnswerBody;
use super::framing::{self, Framing, FramingError};
use super::head::{self, AnswerHead, HeadError};
use super::request::{SendError, Sender};
use crate::model::fields::Fields;
use crate::proxy::body::{BodyError, RequestBody};
use crate::proxy::upstream::Outgoing;

/// Bytes that are read at once while the head of an answer is awaited; most answers come whole in them.
const READ: usize = 8 * 1_024;
/// Interim answers (1xx) before the answer itself. They carry nothing a client waits for, and are not passed on.
const INTERIM_MAX: u32 = 32;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The request could not be written, and no answer came either.
    #[error("the connection broke while the request was written")]
    Write(#[source] io::Error),
    /// The connection broke.
    #[error("the connection broke while the answer was awaited")]
    Read(#[source] io::Error),
    /// The connection was closed.
    #[error("the connection was closed before the answer was complete")]
    Closed,
    /// What came is no head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// It cannot be told where the answer ends.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// More than `INTERIM_MAX` interim answers.
    #[error("the answer does not come after many interim ones")]
    Interim,
    /// Another protocol, that nobody asked for.
    #[error("the server switched to a protocol nobody asked for")]
    Switched,
    /// A stream of HTTP/2 came to nothing.
    #[error("the stream broke before the answer")]
    Http2(#[source] hyper::Error),
    /// The request cannot be sent over HTTP/2.
    #[error("over HTTP/2 {0}")]
    NotHttp2(&'static str),
    /// The request's body broke off.
    #[error("the request broke off")]
    Request(#[source] BodyError),
}

/// An exchange that came to nothing.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub fault: Fault,
    /// Whether not a byte of an answer had come, so that the server may be thought never to have seen the request.
    pub is_silent: bool,
    /// Whether a byte of the request was written.
    pub was_written: bool,
    /// The request, if it is whole: if nothing was taken from its body.
    pub request: Option<Outgoing>,
}

/// What came of a request.
#[derive(Debug)]
pub enum Answered {
    /// An answer.
    Answer(AnswerHead, AnswerBody),
    /// The server agreed to speak another protocol on this connection. It may have begun already: what it sent stands
    /// in the wire's buffer.
    Switched(AnswerHead, Box<Wire>),
}

/// A request on its way and the head of its answer, awaited. Dropping it closes the connection.
#[derive(Debug)]
pub struct Exchange {
    wire: Option<Box<Wire>>,
    sender: Option<Sender>,
    /// The request, if it has to be sent again.
    head: Option<(RequestParts, Fields)>,
    /// Whether another protocol was asked for.
    may_switch: bool,
    interim: u32,
    is_silent: bool,
    sent: bool,
    /// The connection broke while the request was written: an answer may have come before all the same.
    broke: Option<io::Error>,
}

impl Exchange {
    /// Sends `request` on `wire`.
    pub fn begin(mut wire: Box<Wire>, request: Outgoing) -> Self {
        let Outgoing { head, added, body } = request;
        let has_body = !matches!(body, RequestBody::Empty);
        let mut out = std::mem::take(&mut wire.write);
        out.clear();
        let framing = head::write(&head, &added, has_body, &mut out);
        let may_switch = head.headers.contains_key(http::header::UPGRADE);
        let sender = Sender::new(out, &head.headers, body, framing);
        Exchange {
            wire: Some(wire),
            sender: Some(sender),
            head: Some((head, added)),
            may_switch,
            interim: 0,
            is_silent: true,
            sent: false,
            broke: None,
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answered, Fault>> {
        let (Some(wire), Some(sender)) = (&mut self.wire, &mut self.sender) else { return Poll::Pending };
        if !self.sent && self.broke.is_none() {
            match sender.poll_send(cx, &mut wire.stream) {
                Poll::Ready(Ok(())) => self.sent = true,
                Poll::Ready(Err(SendError::Body(error))) => return Poll::Ready(Err(Fault::Request(error))),
                // A server may answer and close without reading all of a request (RFC 9112 section 9.3).
                Poll::Ready(Err(SendError::Io(error))) => self.broke = Some(error),
                Poll::Pending => {}
            }
        }
        loop {
            if !wire.read.is_empty()
                && let Some(head) = head::take(&mut wire.read)?
            {
                if head.status == StatusCode::SWITCHING_PROTOCOLS {
                    return Poll::Ready(self.switched(head));
                }
                if !head.status.is_informational() {
                    return Poll::Ready(self.answered(head));
                }
                self.interim += 1;
                if self.interim > INTERIM_MAX {
                    return Poll::Ready(Err(Fault::Interim));
                }
                continue;
            }
            let filled = match ready!(wire.poll_fill(cx, READ)) {
                Ok(n) => n,
                Err(error) => return Poll::Ready(Err(self.broke.take().map_or(Fault::Read(error), Fault::Write))),
            };
            if filled == 0 {
                return Poll::Ready(Err(self.broke.take().map_or(Fault::Closed, Fault::Write)));
            }
            self.is_silent = false;
        }
    }

    fn answered(&mut self, head: AnswerHead) -> Result<Answered, Fault> {
        let method = self.head.as_ref().map_or(&Method::GET, |(head, _)| &head.method);
        let framing = Framing::of(method, head.status, head.version, &head.headers)?;
        let (Some(mut wire), Some(sender)) = (self.wire.take(), self.sender.take()) else { return Err(Fault::Closed) };
        let may_persist =
            self.broke.is_none() && !framing.ends_with_connection() && framing::persists(head.version, &head.headers);
        if self.sent {
            wire.write = sender.into_buffer();
            return Ok(Answered::Answer(head, AnswerBody::new(wire, framing, may_persist)));
        }
        if self.broke.is_some() {
            return Ok(Answered::Answer(head, AnswerBody::new(wire, framing, false)));
        }
        Ok(Answered::Answer(head, AnswerBody::beside(*wire, framing, may_persist, sender)))
    }

    fn switched(&mut self, head: AnswerHead) -> Result<Answered, Fault> {
        match self.wire.take() {
            Some(wire) if self.may_switch && self.sent => Ok(Answered::Switched(head, wire)),
            _ => Err(Fault::Switched),
        }
    }

    fn failure(&mut self, fault: Fault) -> Failure {
        self.wire = None;
        let sender = self.sender.take();
        let was_written = sender.as_ref().is_none_or(|s| s.written() > 0);
        let body = sender.and_then(Sender::into_untouched_body);
        let request = body.zip(self.head.take()).map(|(body, (head, added))| Outgoing { head, added, body });
        Failure { fault, is_silent: self.is_silent, was_written, request }
    }
}

impl Future for Exchange {
    type Output = Result<Answered, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Poll::Ready(ready!(this.poll_answer(cx)).map_err(|fault| this.failure(fault)))
    }
}
