//! Bodies on their way through: streamed with back-pressure, counted, bounded, and never made to look complete when
//! they are not.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::deadline::{Turn, Upload};
use super::forward::UpstreamAnswer;
use super::headers::allowed_in_trailers;
use super::pace::Pace;
use super::upstream::UpstreamBody;
use super::upstream::h1::body::CutError;
use super::upstream::h1::head::AnswerHead;
use crate::record::{Outcome, Ticket};

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client broke off, or sent nonsense.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
    /// It ended before it was complete.
    #[error("the body ended too early")]
    Short,
    /// The upstream broke off, or sent nonsense.
    #[error("the answer broke off")]
    Cut(#[source] CutError),
    /// More than is let through.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// It came too slowly.
    #[error("the body came too slowly")]
    TooSlow,
    /// Nothing came for too long.
    #[error("the body stood still for {0:?}")]
    Stalled(Duration),
    /// The time for all of it was over.
    #[error("the body did not come to its end in time")]
    Late,
}

/// What the rest of a request's handling may know of its body while it streams.
#[derive(Debug, Default)]
pub struct BodyProgress {
    /// Bytes received.
    pub bytes: Arc<AtomicU64>,
    awaited: AtomicBool,
    too_large: AtomicBool,
    too_slow: AtomicBool,
    broken: AtomicBool,
    gone: AtomicBool,
}

impl BodyProgress {
    /// Whether the upstream could take more than the client has sent.
    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Whether the bound was passed.
    pub fn is_too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }

    /// Whether it came too slowly.
    pub fn is_too_slow(&self) -> bool {
        self.too_slow.load(Ordering::Relaxed)
    }

    /// Whether the client went away in the middle.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Whether what the client sent is no body, or not all of it.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

/// A request's body on its way to the upstream.
#[derive(Debug)]
pub enum RequestBody {
    /// None.
    Empty,
    /// Streamed.
    Stream {
        /// From the client.
        incoming: Incoming,
        /// What is known of it.
        progress: Arc<BodyProgress>,
        /// Most bytes.
        max: u64,
        /// How fast it comes.
        pace: Pace,
        /// Whether it comes over HTTP/2.
        is_http2: bool,
        /// Keeps the connection at work as long as the body is.
        upload: Upload,
    },
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let RequestBody::Stream { incoming, progress, max, pace, is_http2, .. } = self.get_mut() else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        progress.awaited.store(polled.is_pending(), Ordering::Relaxed);
        if polled.is_pending() {
            pace.awaited();
        }
        let polled = std::task::ready!(polled);
        Poll::Ready(match polled {
            // hyper takes a stream that was reset without an error for one that ended.
            None if *is_http2 && !incoming.is_end_stream() => {
                progress.broken.store(true, Ordering::Relaxed);
                progress.gone.store(true, Ordering::Relaxed);
                Some(Err(BodyError::Short))
            }
            None => None,
            Some(Err(error)) => {
                progress.broken.store(true, Ordering::Relaxed);
                progress.gone.store(is_end(&error), Ordering::Relaxed);
                Some(Err(BodyError::Broken(error)))
            }
            Some(Ok(frame)) => {
                let len = frame.data_ref().map_or(0, |d| d.remaining() as u64);
                let total = progress.bytes.fetch_add(len, Ordering::Relaxed) + len;
                if total > *max {
                    progress.too_large.store(true, Ordering::Relaxed);
                    Some(Err(BodyError::TooLarge(*max)))
                } else if pace.came(total) && !incoming.is_end_stream() {
                    progress.too_slow.store(true, Ordering::Relaxed);
                    Some(Err(BodyError::TooSlow))
                } else {
                    Some(Ok(without_forbidden_trailers(frame)))
                }
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Stream { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Stream { incoming, .. } => incoming.size_hint(),
        }
    }
}

/// Whether a body broke off because its connection did, rather than for what it holds.
fn is_end(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let io = error.source().and_then(|e| e.downcast_ref::<std::io::Error>());
    let by_io =
        io.is_some_and(|e| matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof));
    by_io || error.is_incomplete_message() || error.is_closed() || error.is_canceled()
}

/// The frame, if it fits into what is left.
fn within((left, max): &mut (u64, u64), frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
    let len = frame.data_ref().map_or(0, |data| data.len() as u64);
    *left = left.checked_sub(len).ok_or(BodyError::TooLarge(*max))?;
    Ok(without_forbidden_trailers(frame))
}

fn without_forbidden_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            let forbidden: Vec<_> = trailers.keys().filter(|n| !allowed_in_trailers(n)).cloned().collect();
            for name in forbidden {
                trailers.remove(name);
            }
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// An answer's body on its way to the client. Holds the request's ticket, which closes when the body is gone.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    ended: bool,
    ticket: Option<Box<Ticket>>,
    turn: Option<Turn>,
    /// Whether the end of the connection is the end of the body: HTTP/1.0 knows no other for a body of unknown length.
    ends_with_connection: bool,
}

#[derive(Debug)]
enum Source {
    Own(Option<Bytes>),
    Upstream {
        body: UpstreamBody,
        stall: Stall,
        /// Ends when the body must have come to its end.
        deadline: Option<Pin<Box<tokio::time::Sleep>>>,
        /// Bytes that may still come, of how many.
        left: (u64, u64),
    },
}

impl Source {
    /// Whether the time for all of it is over.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Source::Upstream { deadline: Some(deadline), .. } => deadline.as_mut().poll(cx).is_ready(),
            _ => false,
        }
    }
}

/// Notices an upstream that stops in the middle. Has no timer while bytes come without a wait.
#[derive(Debug)]
struct Stall {
    allowed: Duration,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl ResponseBody {
    /// A body of our own.
    pub fn own(text: Bytes, ticket: Box<Ticket>, turn: Turn) -> Self {
        ResponseBody {
            source: Source::Own(Some(text)),
            ended: false,
            ticket: Some(ticket),
            turn: Some(turn),
            ends_with_connection: false,
        }
    }

    /// A body of our own that closes no account.
    pub fn bare(text: Bytes) -> Self {
        let source = Source::Own(Some(text));
        ResponseBody { source, ended: false, ticket: None, turn: None, ends_with_connection: false }
    }

    /// The upstream's body. Its connection goes back to the pool when it has been read to its end.
    pub fn upstream(answer: UpstreamAnswer, ticket: Box<Ticket>, turn: Turn) -> (AnswerHead, Self) {
        let UpstreamAnswer { answer, stall, deadline, bytes_max } = answer;
        let head = answer.head;
        let (stall, left) = (Stall { allowed: stall, timer: None }, (bytes_max, bytes_max));
        let deadline = deadline.filter(|_| !answer.body.is_end_stream());
        let deadline = deadline.map(|at| Box::pin(tokio::time::sleep_until(at.into())));
        let source = Source::Upstream { body: answer.body, stall, deadline, left };
        let mut body =
            ResponseBody { ended: false, source, ticket: Some(ticket), turn: Some(turn), ends_with_connection: false };
        if body.is_end_stream() {
            body.reached_end();
        } else {
            body.may_end_with_connection();
        }
        (head, body)
    }

    /// Such a body must not be cut without the client being told, whatever the reason for the cut.
    fn may_end_with_connection(&mut self) {
        let is_old = self.ticket.as_ref().is_some_and(|t| t.version == http::Version::HTTP_10);
        if is_old && self.size_hint().exact().is_none() {
            self.ends_with_connection = true;
            self.set_unfinished(true);
        }
    }

    fn set_unfinished(&self, unfinished: bool) {
        if let Some(turn) = &self.turn {
            turn.clock().set_unfinished(unfinished);
        }
    }

    fn reached_end(&mut self) {
        self.ended = true;
        if self.ends_with_connection {
            self.set_unfinished(false);
        }
    }

    fn count(&mut self, bytes: u64) {
        if let Some(ticket) = &mut self.ticket {
            ticket.bytes_out = ticket.bytes_out.saturating_add(bytes);
        }
    }

    fn broke(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.outcome = Outcome::Broken;
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let is_late = this.source.poll_late(cx);
        let polled = match &mut this.source {
            Source::Own(text) => {
                let text = text.take().filter(|t| !t.is_empty());
                Poll::Ready(text.map(|t| Ok(Frame::data(t))))
            }
            Source::Upstream { .. } if is_late => Poll::Ready(Some(Err(BodyError::Late))),
            Source::Upstream { body, stall, left, .. } => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(frame) => {
                    stall.timer = None;
                    Poll::Ready(frame.map(|f| within(left, f.map_err(BodyError::Cut)?)))
                }
                Poll::Pending => {
                    let allowed = stall.allowed;
                    let timer = stall.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(allowed)));
                    timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Stalled(allowed))))
                }
            },
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |d| d.len() as u64);
                if let Some(turn) = &mut this.turn {
                    turn.handed(bytes);
                }
                this.count(bytes);
                if this.is_end_stream() {
                    this.reached_end();
                }
            }
            Poll::Ready(Some(Err(_))) => this.broke(),
            Poll::Ready(None) => this.reached_end(),
            Poll::Pending => {
                if let Some(turn) = &mut this.turn {
                    turn.is_ours();
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(text) => text.as_ref().is_none_or(Bytes::is_empty),
            Source::Upstream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |t| t.len() as u64)),
            Source::Upstream { body, .. } => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(mut ticket) = self.ticket.take()
            && ticket.outcome != Outcome::Broken
        {
            let whole = self.ended || self.is_end_stream() || ticket.method == http::Method::HEAD;
            ticket.outcome = if whole { Outcome::Answered } else { Outcome::Answering };
        }
    }
}
