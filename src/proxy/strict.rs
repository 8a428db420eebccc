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

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::refusal::Refusal;
pub(super) use self::refusal::slow_head;
use self::scan::{Scan, Wrong};
use super::deadline::ConnectionClock;

/// Bytes that are read when a connection at rest wakes.
const WAKE_BYTES: usize = 1_024;

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
    /// Bytes that were looked at and are to be read again.
    ahead: Vec<u8>,
}

impl<S> Strict<S> {
    /// Looks at what is read from `inner`.
    pub fn new(inner: S, clock: Arc<ConnectionClock>) -> Self {
        Strict {
            inner,
            clock,
            scan: Scan::default(),
            is_broken: false,
            is_flushed: true,
            refusal: None,
            ahead: Vec::new(),
        }
    }

    /// The stream itself, if a head has begun and not ended, and all answers before it have gone out.
    pub fn with_begun_head(self) -> Option<S> {
        (self.is_flushed && self.refusal.is_none() && self.scan.has_begun_head()).then_some(self.inner)
    }

    fn note_unflushed(&mut self) {
        self.is_flushed = false;
        self.clock.set_flushed(false);
        self.clock.set_quiet(false);
    }

    /// Tells the clock whether the stream stands between two requests.
    fn note_quiet(&self) {
        self.clock.set_quiet(self.is_flushed && self.scan.is_between_requests());
    }
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Waits for the next bytes; false at the end of the stream. They are read again by whoever reads next.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub async fn wakes(&mut self) -> std::io::Result<bool> {
        poll_fn(|cx| {
            let mut first = [0; WAKE_BYTES];
            let mut buf = ReadBuf::new(&mut first);
            ready!(Pin::new(&mut *self).poll_read(cx, &mut buf))?;
            self.ahead.extend_from_slice(buf.filled());
            Poll::Ready(Ok(!buf.filled().is_empty()))
        })
        .await
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if !this.ahead.is_empty() {
            let n = buf.remaining().min(this.ahead.len());
            buf.put_slice(&this.ahead[..n]);
            this.ahead.drain(..n);
            return Poll::Ready(Ok(()));
        }
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
            this.note_quiet();
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
        self.note_unflushed();
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
        self.clock.set_flushed(true);
        self.note_quiet();
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
        self.note_unflushed();
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::proxy::deadline::{Allowed, Connections, Registered};

    fn stream() -> (DuplexStream, Strict<DuplexStream>, Registered) {
        let minute = Duration::from_secs(60);
        let registered = Arc::<Connections>::default().register(0, Allowed { head: minute, idle: minute });
        let (client, ours) = tokio::io::duplex(4_096);
        (client, Strict::new(ours, Arc::clone(&registered.clock)), registered)
    }

    async fn read(stream: &mut Strict<DuplexStream>) -> String {
        let mut buf = vec![0; 4_096];
        let n = stream.read(&mut buf).await.unwrap();
        String::from_utf8(buf[..n].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_stream_is_quiet_between_requests_alone() {
        let (mut client, mut stream, registered) = stream();
        for (text, is_quiet) in [
            ("GET / HTTP/1.1\r\n", false),
            ("Host: a\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", false),
            ("c", true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", false),
            ("\r\n", true),
            ("\r", false),
            ("\n", false),
        ] {
            client.write_all(text.as_bytes()).await.unwrap();
            read(&mut stream).await;
            assert_eq!(registered.clock.is_quiet(), is_quiet, "after {text:?}");
        }
    }

    #[tokio::test]
    async fn a_stream_is_quiet_when_all_is_written() {
        let (mut client, mut stream, registered) = stream();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        read(&mut stream).await;
        stream.write_all(&[b'x'; 4_096]).await.unwrap();
        assert!(!registered.clock.is_quiet(), "it may not have gone out");
        stream.flush().await.unwrap();
        assert!(registered.clock.is_quiet());
    }

    #[tokio::test]
    async fn what_wakes_it_is_read_again() {
        let (mut client, mut stream, _registered) = stream();
        client.write_all(b"GET /a HTTP/1.1\r\n").await.unwrap();
        assert!(stream.wakes().await.unwrap());
        client.write_all(b"Host: a\r\n\r\n").await.unwrap();
        assert_eq!(read(&mut stream).await + &read(&mut stream).await, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        drop(client);
        assert!(!stream.wakes().await.unwrap());
    }
}
