//! An upstream's body of which the first piece is already here.
//!
//! The head of an answer and the beginning of its body mostly arrive together, but hyper hands out the head first and
//! the body only when it is asked for. An answer passed on at once would therefore go out in two writes. Asking for
//! the first piece before, and giving hyper's connection one turn to hand it out, saves a system call for each answer.
//! Nothing waits for a piece that is not there.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A body, and its first piece if it was there.
#[derive(Debug)]
pub struct Ahead {
    first: Option<Result<Frame<Bytes>, hyper::Error>>,
    rest: Incoming,
}

impl Ahead {
    /// Takes the first piece of `body`, if it is there after one turn of the other tasks of this thread.
    pub async fn of(mut body: Incoming) -> Self {
        if body.is_end_stream() {
            return Ahead { first: None, rest: body };
        }
        let mut gave_turn = false;
        let first = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame),
            Poll::Pending if gave_turn => Poll::Ready(None),
            Poll::Pending => {
                gave_turn = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        });
        Ahead { first: first.await, rest: body }
    }
}

impl Body for Ahead {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = match &self.first {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |d| d.len() as u64),
            _ => 0,
        };
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}
