//! One connection's clock, and the requests on it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::reader::Reader;
use super::{Allowed, CLOSE, DRAIN, END, RUN, SWEEP_EVERY};

/// How long a connection without a request is waited for once it is to finish: what its client has sent already is on
/// its way to us.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// How long a connection waits for its next request until it gives its buffers back.
const REST_AFTER: Duration = Duration::from_secs(2);

/// What is known of one connection's time.
///
/// A connection is idle, or in the middle of a head, or has requests. Of these each waits for us and the upstream,
/// whose time is measured elsewhere, or for the client: then the client has to move.
#[derive(Debug)]
pub struct ConnectionClock {
    /// The listener's number in records.
    pub(super) listener: u16,
    /// Requests that are not over.
    pub(super) open: AtomicU32,
    /// Those of them that wait for us, not for the client.
    pub(super) ours: AtomicU32,
    /// Bodies of requests that are not over. A body may outlive the answer to its request.
    pub(super) bodies: AtomicU32,
    /// Whether what was written to the stream of an HTTP/1 connection has gone out. An answer may be over for us, and its
    /// last bytes not.
    is_flushed: AtomicBool,
    /// Answers that have to be taken with a certain rate.
    pub(super) readers: Mutex<Vec<Arc<Reader>>>,
    /// Whether the first bytes of a head have come.
    pub(super) in_head: AtomicBool,
    /// Whether what comes is a handshake, which has a deadline of its own.
    in_handshake: AtomicBool,
    /// Whether requests stand side by side. What comes then may be no request's, such as a ping, and says nothing.
    is_http2: AtomicBool,
    /// Whether the connection must not look as if it came to a good end.
    pub(super) unfinished: AtomicBool,
    /// Whether other things than requests are spoken.
    is_tunnel: AtomicBool,
    /// Whether nothing is between two ends of it: the last request was read, and its answer written, to the last byte.
    is_quiet: AtomicBool,
    /// Whether it is to keep nothing but its socket until the next request comes.
    is_resting: AtomicBool,
    /// What was wrong with the last request.
    malformed: OnceLock<&'static str>,
    pub(super) order: AtomicU8,
    /// Sweep number at which the state began, or at which the client last moved.
    since: AtomicU32,
    sweeps: Arc<AtomicU32>,
    allowed: Allowed,
    waker: Mutex<Option<Waker>>,
    /// Told of orders too, where anybody waits for them besides the connection itself.
    orders: OnceLock<Box<Notify>>,
}

impl ConnectionClock {
    pub(super) fn new(listener: u16, allowed: Allowed, sweeps: Arc<AtomicU32>) -> Self {
        ConnectionClock {
            listener,
            open: AtomicU32::new(0),
            ours: AtomicU32::new(0),
            bodies: AtomicU32::new(0),
            is_flushed: AtomicBool::new(true),
            readers: Mutex::default(),
            in_head: AtomicBool::new(false),
            in_handshake: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            unfinished: AtomicBool::new(false),
            is_tunnel: AtomicBool::new(false),
            is_quiet: AtomicBool::new(false),
            is_resting: AtomicBool::new(false),
            malformed: OnceLock::new(),
            order: AtomicU8::new(RUN),
            since: AtomicU32::new(sweeps.load(Ordering::Relaxed)),
            sweeps,
            allowed,
            waker: Mutex::new(None),
            orders: OnceLock::new(),
        }
    }

    /// Notes that HTTP/2 is spoken.
    pub fn speaks_http2(&self) {
        self.is_http2.store(true, Ordering::Relaxed);
        self.is_ready();
    }

    /// Notes that a handshake comes before the first head.
    pub fn shakes_hands(&self) {
        self.in_handshake.store(true, Ordering::Relaxed);
    }

    /// Notes that what had to come before the first head has come.
    pub fn is_ready(&self) {
        self.in_handshake.store(false, Ordering::Relaxed);
        self.in_head.store(false, Ordering::Relaxed);
        self.moved();
    }

    /// Notes that what comes from now on are no requests.
    pub fn becomes_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Relaxed);
    }

    /// Whether what comes are no requests.
    pub fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Relaxed)
    }

    /// Notes whether the last request was read, and its answer written, to the last byte.
    pub fn set_quiet(&self, is_quiet: bool) {
        self.is_quiet.store(is_quiet, Ordering::Relaxed);
    }

    /// Whether the last request was read, and its answer written, to the last byte.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Relaxed)
    }

    /// Whether the connection is to keep nothing but its socket until the next request comes.
    pub fn is_resting(&self) -> bool {
        self.is_resting.load(Ordering::Relaxed)
    }

    /// Notes that the next request comes.
    pub fn wakes(&self) {
        self.is_resting.store(false, Ordering::Relaxed);
    }

    /// Sends the connection to rest if it has waited long enough for its next request.
    pub(super) fn rest_if_due(&self, sweep: u32) {
        let is_idle = !self.is_busy() && !self.is_in_head();
        let is_other = self.is_http2.load(Ordering::Relaxed) || self.is_tunnel() || self.is_draining();
        if !is_idle || is_other || self.is_resting() || !self.is_quiet() {
            return;
        }
        if SWEEP_EVERY.saturating_mul(sweep.wrapping_sub(self.since.load(Ordering::Relaxed))) > REST_AFTER {
            self.is_resting.store(true, Ordering::Relaxed);
            if let Some(waker) = self.waker.lock().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Notes that a request is refused for what it looks like.
    pub fn set_malformed(&self, cause: &'static str) {
        // The first cause counts: nothing is read after it.
        let _ = self.malformed.set(cause);
    }

    /// Why a request was refused for what it looks like.
    pub fn malformed(&self) -> Option<&'static str> {
        self.malformed.get().copied()
    }

    /// Notes that a tunnel on an HTTP/2 connection moves.
    pub fn tunnel_moves(&self) {
        self.moved();
    }

    /// Tells whoever shares the connection with others when an order comes.
    pub fn orders(&self) -> &Notify {
        self.orders.get_or_init(Box::default)
    }

    /// The number of this sweep: time, as far as it is told here.
    pub fn sweep(&self) -> u32 {
        self.sweeps.load(Ordering::Relaxed)
    }

    /// Whether a request is not over.
    pub fn has_requests(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Whether a request is not over, or its body is not, or the last bytes of its answer.
    pub fn is_busy(&self) -> bool {
        self.has_request_or_body() || !self.is_flushed.load(Ordering::Relaxed)
    }

    fn has_request_or_body(&self) -> bool {
        self.has_requests() || self.bodies.load(Ordering::Relaxed) > 0
    }

    /// Notes whether what was written has gone out.
    pub fn set_flushed(&self, is_flushed: bool) {
        self.is_flushed.store(is_flushed, Ordering::Relaxed);
    }

    /// A sweep passes. Whether an answer is taken too slowly.
    pub(super) fn has_slow_reader(&self) -> bool {
        self.has_requests() && self.readers.lock().iter().filter(|reader| reader.sweep()).count() > 0
    }

    /// Asks the connection to finish what it is doing and take no more.
    pub fn takes_no_more(&self) {
        self.command(DRAIN);
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

    /// Drives `future` until it is ready; `None` when the connection is to end before. What has come already is taken
    /// first.
    pub async fn obeyed<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            self.listen(cx);
            let polled = future.as_mut().poll(cx).map(Some);
            match self.order.load(Ordering::Relaxed) {
                END => Poll::Ready(None),
                CLOSE if polled.is_pending() && !self.is_in_head() => Poll::Ready(None),
                _ => polled,
            }
        })
        .await
    }

    pub(super) fn listen(&self, cx: &Context<'_>) {
        let mut waker = self.waker.lock();
        if waker.as_ref().is_none_or(|w| !w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(super) fn moved(&self) {
        self.since.store(self.sweeps.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(super) fn bytes_read(&self) {
        if self.is_http2.load(Ordering::Relaxed) {
            return;
        }
        // The time of a head counts from its first byte.
        if self.has_request_or_body() || !self.in_head.swap(true, Ordering::Relaxed) {
            self.moved();
        }
    }

    pub(super) fn bytes_written(&self) {
        if self.is_busy() && !self.is_http2.load(Ordering::Relaxed) {
            self.moved();
        }
    }

    /// What the connection is to be told at `sweep`, if it is late.
    pub(super) fn due(&self, sweep: u32) -> Option<u8> {
        let order = self.order.load(Ordering::Relaxed);
        let is_http2 = self.is_http2.load(Ordering::Relaxed);
        let is_idle = !self.is_busy();
        let allowed = match (is_idle, self.is_in_head()) {
            (true, true) if self.in_handshake.load(Ordering::Relaxed) => return None,
            (true, true) => self.allowed.head,
            (true, false) if order != RUN && !is_http2 => self.allowed.idle.min(FINISH_MAX),
            (true, false) => self.allowed.idle,
            (false, _) if self.ours.load(Ordering::Relaxed) > 0 => return None,
            (false, _) => self.allowed.idle,
        };
        let passed = SWEEP_EVERY.saturating_mul(sweep.wrapping_sub(self.since.load(Ordering::Relaxed)));
        if passed <= allowed {
            return None;
        }
        Some(match (is_idle && !self.is_in_head(), is_http2, order) {
            // The peer is told, so that it does not send a request into a connection that ends.
            (true, true, RUN) => DRAIN,
            (true, false, RUN | DRAIN) => CLOSE,
            _ => END,
        })
    }

    pub(super) fn command(&self, order: u8) {
        if self.order.fetch_max(order, Ordering::Relaxed) < order {
            if !self.is_busy() && !self.is_in_head() {
                self.moved();
            }
            if let Some(waker) = self.waker.lock().as_ref() {
                waker.wake_by_ref();
            }
            if let Some(orders) = self.orders.get() {
                orders.notify_waiters();
            }
        }
    }
}
