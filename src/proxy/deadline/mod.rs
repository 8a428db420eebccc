//! Deadlines of connections, kept by one coarse sweep per worker instead of a timer per request.
//!
//! hyper has one timer for both the head of a request and the pause before it, and none for a stalled body. Here the
//! byte stream notes what it sees, and a sweep a few times a second ends connections that are past their time: an
//! absolute deadline for the head, a longer one for the pause between requests, and one for a client that stands still.

mod clock;
mod reader;
mod stream;
#[cfg(test)]
mod tests;
mod turn;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;

pub use clock::ConnectionClock;
pub use reader::is_slow;
pub use stream::{AHEAD_MAX, Clocked};
pub use turn::{Turn, Upload};

/// How often connections are looked at; deadlines are kept to this precision.
pub const SWEEP_EVERY: Duration = Duration::from_millis(250);

/// Serve.
const RUN: u8 = 0;
/// Take no request after the next one, and tell the client so.
const DRAIN: u8 = 1;
/// Take what has come already, and nothing else.
const CLOSE: u8 = 2;
/// End, whatever is under way.
const END: u8 = 3;

/// How long a connection may be in each state.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between requests, and while the client neither sends nor takes a byte of a running one.
    pub idle: Duration,
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
        let clock = Arc::new(ConnectionClock::new(listener, allowed, Arc::clone(&self.sweeps)));
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

    /// Ends what is late, and sends to rest what has waited for a while. Called every [`SWEEP_EVERY`].
    pub fn sweep(&self) {
        let sweep = self.sweeps.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        for clock in self.each() {
            if clock.has_slow_reader() {
                clock.set_malformed("slow_reader");
                clock.command(END);
            }
            match clock.due(sweep) {
                Some(order) => clock.command(order),
                None => clock.rest_if_due(sweep),
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
    /// Whether the peer is told ahead of the end which requests are taken. Otherwise each answer tells that it is the last
    /// one, and the connection is only closed where no request has come.
    const TELLS: bool;

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

    /// The connection, which is driven no more.
    pub fn into_inner(self) -> C {
        self.connection
    }
}

impl<C: Future + Graceful + Unpin> Future for Driven<C> {
    /// How the connection ended; `None` by order, or where it is to rest.
    type Output = Option<C::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<C::Output>> {
        let this = &mut *self;
        this.clock.listen(cx);
        let order = this.clock.order.load(Ordering::Relaxed);
        match order {
            END => return Poll::Ready(None),
            RUN if this.clock.is_resting() => return Poll::Ready(None),
            _ => {}
        }
        let polled = Pin::new(&mut this.connection).poll(cx).map(Some);
        let finishes_at = if C::TELLS { DRAIN } else { CLOSE };
        if polled.is_ready() || this.finishing || order < finishes_at {
            return polled;
        }
        // hyper closes a connection that seems idle to it, though a head may be on its way.
        if !C::TELLS && (this.clock.is_busy() || this.clock.is_in_head()) {
            return polled;
        }
        this.finishing = true;
        Pin::new(&mut this.connection).finish();
        Pin::new(&mut this.connection).poll(cx).map(Some)
    }
}
