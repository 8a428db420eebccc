//! Requests of HTTP/1 that two parsers could read differently, made unreadable before hyper reads them its own way.
//!
//! hyper takes a bare line feed for the end of a line, drops `Content-Length` where `Transfer-Encoding` stands beside it
//! or where it is repeated, and cuts a fragment off the target, all before a handler sees the request (RFC 9112 sections
//! 2.2, 6.3 and 3.2). So the bytes are looked at on their way to hyper: what is wrong has the end of its line replaced by
//! a byte that no head may hold, and hyper refuses the request with 400 and closes the connection.
//!
//! Bodies are stepped over by the same framing, so that the next head on the connection is looked at too. A body whose
//! framing is wrong ends in an error of the connection: nothing of it or after it is read.
//!
//! What hyper refuses by itself it answers with a bare status. Its answer is replaced on the way out by one that says
//! what is wrong, as all refusals do.

mod refusal;
mod scan;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::refusal::Refusal;
use self::scan::{Scan, Wrong};
use super::deadline::ConnectionClock;

/// A stream of requests, looked at as it is read.
#[derive(Debug)]
pub struct Strict<S> {
    inner: S,
    clock: Arc<ConnectionClock>,
    scan: Scan,
    /// Whether the framing of a body is wrong from here on.
    is_broken: bool,
    /// Whether all that was written has been handed on.
    is_flushed: bool,
    refusal: Option<Refusal>,
}

impl<S> Strict<S> {
    /// Looks at what is read from `inner`.
    pub fn new(inner: S, clock: Arc<ConnectionClock>) -> Self {
        Strict { inner, clock, scan: Scan::default(), is_broken: false, is_flushed: true, refusal: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.is_broken {
            return Poll::Ready(Err(std::io::ErrorKind::InvalidData.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        if !this.scan.is_over() {
            if this.clock.is_tunnel() {
                this.scan.stop();
            } else if let Err(Wrong { cause, is_in_head, at }) = this.scan.look_at(&mut buf.filled_mut()[before..]) {
                this.clock.set_malformed(cause);
                if !is_in_head {
                    // What stands before it may be a whole request, or the head of this one, which has an answer coming.
                    this.is_broken = true;
                    buf.set_filled(before + at);
                    if at == 0 {
                        return Poll::Ready(Err(std::io::ErrorKind::InvalidData.into()));
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Strict<S> {
    /// Writes what stands in the place of hyper's own refusal, if `buf` is one: nothing before it is still under way, no
    /// request has an answer coming, so that it can be nothing else.
    fn poll_refusal(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Option<std::io::Result<usize>>> {
        if self.refusal.is_none() {
            let is_idle = self.is_flushed && !self.clock.is_tunnel() && !self.clock.has_requests();
            if is_idle && refusal::is_bare(buf) {
                let is_long_target = self.scan.is_in_long_target();
                self.refusal = Some(Refusal::new(buf, self.clock.malformed(), is_long_target));
            }
        }
        self.is_flushed = false;
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(None) };
        while !refusal.rest().is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, refusal.rest())) {
                Ok(0) => return Poll::Ready(Some(Err(std::io::ErrorKind::WriteZero.into()))),
                Ok(n) => refusal.sent(n),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(Some(Ok(buf.len())))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match ready!(self.poll_refusal(cx, buf)) {
            Some(written) => Poll::Ready(written),
            None => Pin::new(&mut self.inner).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        if let [only] = bufs
            && let Some(written) = ready!(self.poll_refusal(cx, only))
        {
            return Poll::Ready(written);
        }
        self.is_flushed = false;
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}
