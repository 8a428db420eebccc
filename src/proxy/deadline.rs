//! Deadlines of connections, kept by one coarse sweep per worker instead of a timer per request.
//!
//! hyper has one timer for both the head of a request and the pause before it, and none for a stalled body. Here the
//! byte stream notes what it sees, and a sweep a few times a second ends connections that are past their time: an
//! absolute deadline for the head, a longer one for the pause between requests, and one for bytes that stand still.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How often connections are looked at; deadlines are kept to this precision.
pub const SWEEP_EVERY: Duration = Duration::from_millis(250);

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const ACTIVE: u8 = 2;

const RUN: u8 = 0;
const DRAIN: u8 = 1;
const END: u8 = 2;

/// How long a connection may be in each state.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between requests, and between two bytes of a running one.
    pub idle: Duration,
    /// Between two bytes while the upstream is thinking.
    pub answer: Duration,
}

/// What is known of one connection's time.
#[derive(Debug)]
pub struct ConnectionClock {
    state: AtomicU8,
    order: AtomicU8,
    /// Sweep number at which the state began, or at which a byte last moved.
    since: AtomicU32,
    sweeps: Arc<AtomicU32>,
    allowed: Allowed,
    waker: Mutex<Option<Waker>>,
}

impl ConnectionClock {
    /// Notes that the head of a request is complete.
    pub fn request_began(&self) {
        self.enter(ACTIVE);
    }

    /// Notes that a request on an HTTP/1 connection is over.
    pub fn request_ended(&self) {
        self.enter(IDLE);
    }

    /// Whether the connection is to take no further request.
    pub fn is_draining(&self) -> bool {
        self.order.load(Ordering::Relaxed) != RUN
    }

    fn enter(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
        self.since.store(self.sweeps.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn bytes_read(&self) {
        match self.state.load(Ordering::Relaxed) {
            IDLE => self.enter(HEAD),
            ACTIVE => self.enter(ACTIVE),
            _ => {}
        }
    }

    fn bytes_written(&self) {
        if self.state.load(Ordering::Relaxed) == ACTIVE {
            self.enter(ACTIVE);
        }
    }

    fn is_late(&self, sweep: u32) -> bool {
        let allowed = match self.state.load(Ordering::Relaxed) {
            IDLE => self.allowed.idle,
            HEAD => self.allowed.head,
            _ => self.allowed.idle.max(self.allowed.answer),
        };
        let passed = SWEEP_EVERY.saturating_mul(sweep.wrapping_sub(self.since.load(Ordering::Relaxed)));
        passed > allowed
    }

    fn command(&self, order: u8) {
        self.order.fetch_max(order, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// The connections of one worker.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<Slots>,
    sweeps: Arc<AtomicU32>,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Option<Arc<ConnectionClock>>>,
    free: Vec<usize>,
    draining: bool,
}

/// A place in [`Connections`], given back when dropped.
#[derive(Debug)]
pub struct Registered {
    connections: Arc<Connections>,
    at: usize,
    /// The connection's clock.
    pub clock: Arc<ConnectionClock>,
}

impl Connections {
    /// Takes in a new connection.
    pub fn register(self: &Arc<Self>, allowed: Allowed) -> Registered {
        let clock = Arc::new(ConnectionClock {
            state: AtomicU8::new(IDLE),
            order: AtomicU8::new(RUN),
            since: AtomicU32::new(self.sweeps.load(Ordering::Relaxed)),
            sweeps: Arc::clone(&self.sweeps),
            allowed,
            waker: Mutex::new(None),
        });
        let mut open = self.open.lock();
        if open.draining {
            clock.order.store(DRAIN, Ordering::Relaxed);
        }
        let at = match open.free.pop() {
            Some(at) => {
                open.all[at] = Some(Arc::clone(&clock));
                at
            }
            None => {
                open.all.push(Some(Arc::clone(&clock)));
                open.all.len() - 1
            }
        };
        drop(open);
        Registered { connections: Arc::clone(self), at, clock }
    }

    /// Ends what is late. Called every [`SWEEP_EVERY`].
    pub fn sweep(&self) {
        let sweep = self.sweeps.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        for clock in self.each() {
            if clock.is_late(sweep) {
                clock.command(END);
            }
        }
    }

    /// Asks every connection, later ones included, to finish what it is doing and take no more.
    pub fn drain(&self) {
        self.open.lock().draining = true;
        for clock in self.each() {
            clock.command(DRAIN);
        }
    }

    /// Ends every connection.
    pub fn end(&self) {
        for clock in self.each() {
            clock.command(END);
        }
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        let open = self.open.lock();
        open.all.len() - open.free.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn each(&self) -> Vec<Arc<ConnectionClock>> {
        self.open.lock().all.iter().flatten().cloned().collect()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.all[self.at] = None;
        open.free.push(self.at);
    }
}

/// A connection that can be asked to finish.
pub trait Graceful {
    /// Finish what is running, take nothing new.
    fn finish(self: Pin<&mut Self>);
}

/// Drives a connection and follows the orders of its clock. Ready when the connection is over, by itself or by order.
#[derive(Debug)]
pub struct Driven<C> {
    connection: C,
    clock: Arc<ConnectionClock>,
    listening: bool,
    finishing: bool,
}

impl<C> Driven<C> {
    /// Drives `connection`.
    pub fn new(connection: C, clock: Arc<ConnectionClock>) -> Self {
        Driven { connection, clock, listening: false, finishing: false }
    }
}

impl<C: Future + Graceful + Unpin> Future for Driven<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.listening {
            *self.clock.waker.lock() = Some(cx.waker().clone());
            self.listening = true;
        }
        match self.clock.order.load(Ordering::Relaxed) {
            END => return Poll::Ready(()),
            DRAIN if !self.finishing => {
                self.finishing = true;
                Pin::new(&mut self.connection).finish();
            }
            _ => {}
        }
        Pin::new(&mut self.connection).poll(cx).map(|_| ())
    }
}

/// A byte stream that tells its clock what moves.
#[derive(Debug)]
pub struct Clocked<S> {
    inner: S,
    clock: Arc<ConnectionClock>,
}

impl<S> Clocked<S> {
    /// Watches `inner`.
    pub fn new(inner: S, clock: Arc<ConnectionClock>) -> Self {
        Clocked { inner, clock }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Clocked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.clock.bytes_read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Clocked<S> {
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
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        if matches!(polled, Poll::Ready(Ok(n)) if n > 0) {
            self.clock.bytes_written();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> (Arc<Connections>, Allowed) {
        let second = Duration::from_secs(1);
        (Arc::default(), Allowed { head: second, idle: 2 * second, answer: 4 * second })
    }

    fn sweeps(c: &Connections, n: usize) {
        (0..n).for_each(|_| c.sweep());
    }

    #[test]
    fn the_head_has_an_absolute_deadline() {
        let (c, allowed) = connections();
        let r = c.register(allowed);
        for _ in 0..5 {
            r.clock.bytes_read();
            assert!(!r.clock.is_draining());
            c.sweep();
        }
        assert!(r.clock.is_draining(), "a byte now and then does not keep a head alive");
    }

    #[test]
    fn idle_and_active_have_their_own() {
        let (c, allowed) = connections();
        let (idle, active) = (c.register(allowed), c.register(allowed));
        active.clock.request_began();
        sweeps(&c, 9);
        assert!(idle.clock.is_draining() && !active.clock.is_draining());
        active.clock.bytes_written();
        sweeps(&c, 16);
        assert!(!active.clock.is_draining());
        c.sweep();
        assert!(active.clock.is_draining());
    }

    #[test]
    fn places_are_used_again() {
        let (c, allowed) = connections();
        drop(c.register(allowed));
        let _kept = c.register(allowed);
        assert_eq!((c.len(), c.open.lock().all.len()), (1, 1));
        c.drain();
        assert!(c.register(allowed).clock.is_draining(), "late comers are drained too");
    }
}
