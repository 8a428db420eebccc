//! Deadlines of connections, kept by one coarse sweep per worker instead of a timer per request.
//!
//! hyper has one timer for both the head of a request and the pause before it, and none for a stalled body. Here the
//! byte stream notes what it sees, and a sweep a few times a second ends connections that are past their time: an
//! absolute deadline for the head, a longer one for the pause between requests, and one for a client that stands still.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How often connections are looked at; deadlines are kept to this precision.
pub const SWEEP_EVERY: Duration = Duration::from_millis(250);

const RUN: u8 = 0;
const DRAIN: u8 = 1;
const END: u8 = 2;

/// How long a connection without a request is waited for once it is to finish: what its client has sent already is on
/// its way to us.
const FINISH_MAX: Duration = Duration::from_millis(500);

/// How long a connection may be in each state.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between requests, and while the client neither sends nor takes a byte of a running one.
    pub idle: Duration,
}

/// What is known of one connection's time.
///
/// A connection is idle, or in the middle of a head, or has requests. Of these each waits for us and the upstream,
/// whose time is measured elsewhere, or for the client: then the client has to move.
#[derive(Debug)]
pub struct ConnectionClock {
    /// The listener's number in records.
    listener: u16,
    /// Requests that are not over.
    open: AtomicU32,
    /// Those of them that wait for us, not for the client.
    ours: AtomicU32,
    /// Whether the first bytes of a head have come.
    in_head: AtomicBool,
    /// Whether requests stand side by side. What comes then may be no request's, such as a ping, and says nothing.
    is_http2: AtomicBool,
    /// Whether the connection must not look as if it came to a good end.
    unfinished: AtomicBool,
    order: AtomicU8,
    /// Sweep number at which the state began, or at which the client last moved.
    since: AtomicU32,
    sweeps: Arc<AtomicU32>,
    allowed: Allowed,
    waker: Mutex<Option<Waker>>,
}

impl ConnectionClock {
    /// Notes that HTTP/2 is spoken.
    pub fn speaks_http2(&self) {
        self.is_http2.store(true, Ordering::Relaxed);
        self.is_ready();
    }

    /// Notes that what had to come before the first head has come.
    pub fn is_ready(&self) {
        self.in_head.store(false, Ordering::Relaxed);
        self.moved();
    }

    /// Whether the connection is to take no further request.
    pub fn is_draining(&self) -> bool {
        self.order.load(Ordering::Relaxed) != RUN
    }

    /// Whether the head of a request was begun and not ended.
    pub fn is_in_head(&self) -> bool {
        self.in_head.load(Ordering::Relaxed)
    }

    /// Whether the connection, were it to end now, must end with a reset: its end is all that tells the client where
    /// the answer ends, and it has not come whole.
    pub fn set_unfinished(&self, unfinished: bool) {
        self.unfinished.store(unfinished, Ordering::Relaxed);
    }

    /// Drives `future` until it is ready; `None` when the connection is to end before.
    pub async fn obeyed<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            self.listen(cx);
            match self.order.load(Ordering::Relaxed) {
                END => Poll::Ready(None),
                _ => future.as_mut().poll(cx).map(Some),
            }
        })
        .await
    }

    fn listen(&self, cx: &Context<'_>) {
        let mut waker = self.waker.lock();
        if waker.as_ref().is_none_or(|w| !w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn moved(&self) {
        self.since.store(self.sweeps.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn bytes_read(&self) {
        if self.is_http2.load(Ordering::Relaxed) {
            return;
        }
        // The time of a head counts from its first byte.
        if self.open.load(Ordering::Relaxed) > 0 || !self.in_head.swap(true, Ordering::Relaxed) {
            self.moved();
        }
    }

    fn bytes_written(&self) {
        if self.open.load(Ordering::Relaxed) > 0 && !self.is_http2.load(Ordering::Relaxed) {
            self.moved();
        }
    }

    /// What the connection is to be told at `sweep`, if it is late.
    fn due(&self, sweep: u32) -> Option<u8> {
        let order = self.order.load(Ordering::Relaxed);
        let is_http2 = self.is_http2.load(Ordering::Relaxed);
        let is_idle = self.open.load(Ordering::Relaxed) == 0;
        let allowed = match (is_idle, self.is_in_head()) {
            (true, true) => self.allowed.head,
            (true, false) if order == DRAIN && !is_http2 => self.allowed.idle.min(FINISH_MAX),
            (true, false) => self.allowed.idle,
            (false, _) if self.ours.load(Ordering::Relaxed) > 0 => return None,
            (false, _) => self.allowed.idle,
        };
        let passed = SWEEP_EVERY.saturating_mul(sweep.wrapping_sub(self.since.load(Ordering::Relaxed)));
        if passed <= allowed {
            None
        } else if is_http2 && is_idle && order == RUN {
            // The peer is told, so that it does not send a request into a connection that ends.
            Some(DRAIN)
        } else {
            Some(END)
        }
    }

    fn command(&self, order: u8) {
        if self.order.fetch_max(order, Ordering::Relaxed) < order {
            if self.open.load(Ordering::Relaxed) == 0 && !self.is_in_head() {
                self.moved();
            }
            if let Some(waker) = self.waker.lock().as_ref() {
                waker.wake_by_ref();
            }
        }
    }
}

/// A request on its connection's clock, from its head to the end of its answer, and whom it waits for.
#[derive(Debug)]
pub struct Turn {
    clock: Arc<ConnectionClock>,
    is_ours: bool,
}

impl Turn {
    /// Notes that the head of a request is complete: it is for us to move.
    pub fn begin(clock: &Arc<ConnectionClock>) -> Self {
        clock.in_head.store(false, Ordering::Relaxed);
        clock.open.fetch_add(1, Ordering::Relaxed);
        clock.ours.fetch_add(1, Ordering::Relaxed);
        clock.moved();
        Turn { clock: Arc::clone(clock), is_ours: true }
    }

    /// It is for us to move, or for the upstream.
    pub fn is_ours(&mut self) {
        if !self.is_ours {
            self.is_ours = true;
            self.clock.ours.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is for the client to move.
    pub fn is_clients(&mut self) {
        if self.is_ours {
            self.is_ours = false;
            self.clock.ours.fetch_sub(1, Ordering::Relaxed);
        }
        self.clock.moved();
    }

    /// The connection's clock.
    pub fn clock(&self) -> &Arc<ConnectionClock> {
        &self.clock
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_ours {
            self.clock.ours.fetch_sub(1, Ordering::Relaxed);
        }
        self.clock.open.fetch_sub(1, Ordering::Relaxed);
        self.clock.moved();
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
    /// Takes in a new connection of the listener with the number `listener`.
    pub fn register(self: &Arc<Self>, listener: u16, allowed: Allowed) -> Registered {
        let clock = Arc::new(ConnectionClock {
            listener,
            open: AtomicU32::new(0),
            ours: AtomicU32::new(0),
            in_head: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            unfinished: AtomicBool::new(false),
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
            if let Some(order) = clock.due(sweep) {
                clock.command(order);
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

    /// Asks the connections of one listener to finish what they are doing and take no more.
    pub fn drain_listener(&self, listener: u16) {
        for clock in self.each().iter().filter(|c| c.listener == listener) {
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
    finishing: bool,
}

impl<C> Driven<C> {
    /// Drives `connection`.
    pub fn new(connection: C, clock: Arc<ConnectionClock>) -> Self {
        Driven { connection, clock, finishing: false }
    }
}

impl<C: Future + Graceful + Unpin> Future for Driven<C> {
    /// How the connection ended; `None` by order.
    type Output = Option<C::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<C::Output>> {
        self.clock.listen(cx);
        match self.clock.order.load(Ordering::Relaxed) {
            END => return Poll::Ready(None),
            DRAIN if !self.finishing => {
                self.finishing = true;
                Pin::new(&mut self.connection).finish();
            }
            _ => {}
        }
        Pin::new(&mut self.connection).poll(cx).map(Some)
    }
}

/// Bytes that are looked at before it is decided who reads them.
const AHEAD_MAX: usize = 24;

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
        (Arc::default(), Allowed { head: second, idle: 2 * second })
    }

    fn sweeps(c: &Connections, n: usize) {
        (0..n).for_each(|_| c.sweep());
    }

    fn order(r: &Registered) -> u8 {
        r.clock.order.load(Ordering::Relaxed)
    }

    #[test]
    fn the_head_has_an_absolute_deadline() {
        let (c, allowed) = connections();
        let r = c.register(0, allowed);
        for _ in 0..5 {
            r.clock.bytes_read();
            assert_eq!(order(&r), RUN);
            c.sweep();
        }
        assert_eq!(order(&r), END, "a byte now and then does not keep a head alive");
    }

    #[test]
    fn whoever_is_waited_for_decides() {
        let (c, allowed) = connections();
        let (idle, ours, clients) = (c.register(0, allowed), c.register(0, allowed), c.register(0, allowed));
        let _ours = Turn::begin(&ours.clock);
        let mut turn = Turn::begin(&clients.clock);
        turn.is_clients();
        sweeps(&c, 8);
        clients.clock.bytes_written();
        sweeps(&c, 8);
        assert_eq!([&idle, &ours, &clients].map(order), [END, RUN, RUN]);
        sweeps(&c, 1);
        assert_eq!([&ours, &clients].map(order), [RUN, END], "the upstream's time is not the client's");
    }

    #[test]
    fn pings_keep_no_connection() {
        let (c, allowed) = connections();
        let r = c.register(0, allowed);
        r.clock.speaks_http2();
        drop(Turn::begin(&r.clock));
        for _ in 0..9 {
            c.sweep();
            r.clock.bytes_read();
            r.clock.bytes_written();
        }
        assert_eq!(order(&r), DRAIN, "first the peer is told");
        sweeps(&c, 9);
        assert_eq!(order(&r), END);
    }

    #[test]
    fn nobody_waits_long_for_a_silent_client_at_the_end() {
        let (c, allowed) = connections();
        let (silent, begun) = (c.register(1, allowed), c.register(2, allowed));
        begun.clock.bytes_read();
        c.drain_listener(1);
        assert_eq!([&silent, &begun].map(order), [DRAIN, RUN]);
        c.drain();
        sweeps(&c, 3);
        assert_eq!([&silent, &begun].map(order), [END, DRAIN]);
    }

    #[test]
    fn places_are_used_again() {
        let (c, allowed) = connections();
        drop(c.register(0, allowed));
        let _kept = c.register(0, allowed);
        assert_eq!((c.len(), c.open.lock().all.len()), (1, 1));
        c.drain();
        assert!(c.register(0, allowed).clock.is_draining(), "late comers are drained too");
    }
}
