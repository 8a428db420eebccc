//! The client's byte stream, as its clock hears of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::ConnectionClock;

/// Bytes that are looked at before it is decided who reads them.
pub const AHEAD_MAX: usize = 24;

/// Bytes of several pieces that are copied together before they are written.
const FLAT_MAX: usize = 2_048;

/// A client's byte stream that tells its clock what moves.
#[derive(Debug)]
pub struct Clocked {
    inner: TcpStream,
    clock: Arc<ConnectionClock>,
    /// Bytes that were looked at and not read yet.
    ahead: [u8; AHEAD_MAX],
    read: usize,
    seen: usize,
}

impl Clocked {
    /// Watches `inner`.
    pub fn new(inner: TcpStream, clock: Arc<ConnectionClock>) -> Self {
        Clocked { inner, clock, ahead: [0; AHEAD_MAX], read: 0, seen: 0 }
    }

    /// Bytes that were looked at and not read yet.
    pub fn looked_at(&self) -> usize {
        self.seen - self.read
    }

    /// Whether the stream begins with `wanted`. The bytes looked at are read again by whoever reads first.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub async fn begins_with(&mut self, wanted: &[u8; AHEAD_MAX]) -> std::io::Result<bool> {
        while self.seen < AHEAD_MAX {
            let n = std::future::poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut self.ahead[self.seen..]);
                std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
                Poll::Ready(Ok::<_, std::io::Error>(buf.filled().len()))
            })
            .await?;
            if n > 0 {
                self.clock.bytes_read();
            }
            self.seen += n;
            if n == 0 || self.ahead[..self.seen] != wanted[..self.seen] {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Drop for Clocked {
    fn drop(&mut self) {
        if self.clock.unfinished.load(Ordering::Relaxed) {
            // Closing now would be an end like any other. Should the system refuse, there is nothing else to do.
            let _ = socket2::SockRef::from(&self.inner).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Clocked {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.read < this.seen {
            let n = buf.remaining().min(this.seen - this.read);
            buf.put_slice(&this.ahead[this.read..this.read + n]);
            this.read += n;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.clock.bytes_read();
        }
        polled
    }
}

impl AsyncWrite for Clocked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if matches!(polled, Poll::Ready(Ok(n)) if n > 0) {
            self.clock.bytes_written();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
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
        // A small answer goes out quicker as one piece: copying it costs less than the kernel's look at a list.
        let mut small = [0; FLAT_MAX];
        let len: usize = bufs.iter().map(|b| b.len()).sum();
        let polled = match len {
            1..=FLAT_MAX => {
                let mut at = 0;
                for buf in bufs {
                    small[at..at + buf.len()].copy_from_slice(buf);
                    at += buf.len();
                }
                Pin::new(&mut self.inner).poll_write(cx, &small[..len])
            }
            _ => Pin::new(&mut self.inner).poll_write_vectored(cx, bufs),
        };
        if matches!(polled, Poll::Ready(Ok(n)) if n > 0) {
            self.clock.bytes_written();
        }
        polled
    }
}
