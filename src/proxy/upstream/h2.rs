//! HTTP/2 towards a server (RFC 9113): few connections, each shared by many requests at once.
//!
//! A connection is driven by a task of its own. A request joins one that has room for another stream, or opens one; how
//! many streams have room is for the peer to say, up to [`STREAMS_MAX`].

mod exchange;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;

use super::h1::Stream;
use super::h1::head::HEAD_MAX;
use exchange::Sent;
pub(super) use exchange::StreamBody;

/// Connections to one server by one worker, those that take no more requests and are finishing included.
pub(super) const CONNECTIONS_MAX: usize = 16;
/// Requests at once on one connection, if the peer allows as many: with [`CONNECTIONS_MAX`] half of what HTTP/1.1 may
/// have, each costing less.
pub(super) const STREAMS_MAX: usize = 128;
/// Bytes of one answer that may be on their way or wait for its client.
const STREAM_WINDOW: u32 = 256 * 1_024;
/// The same for all answers of a connection: clients that do not read hold up nobody else's answer.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS_MAX as u32;
/// Bytes of one request that may wait for the server.
const SEND_BUFFER: usize = 256 * 1_024;
/// How often a silent server is asked, while a request waits for it, whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long its answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

type Driver = Mutex<Option<Connection<TokioIo<Stream>, Sent, TokioExecutor>>>;

/// The connections of one worker to one server.
#[derive(Debug, Default)]
pub(super) struct Links {
    list: Mutex<Vec<Link>>,
    /// One is opened at a time: many requests that find none would else open one each.
    opening: tokio::sync::Mutex<()>,
    open: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Link {
    sender: SendRequest<Sent>,
    is_tls: bool,
    driver: Arc<Driver>,
    state: Arc<State>,
    used: Instant,
}

/// What the requests on a connection and those about to join it know of it.
#[derive(Debug, Default)]
struct State {
    streams: AtomicUsize,
    /// The peer turned a request away, or the connection broke: it takes no more.
    is_spent: AtomicBool,
}

/// A place on a connection, for one request and its answer.
#[derive(Debug)]
pub(super) struct Joined {
    sender: SendRequest<Sent>,
    is_tls: bool,
    slot: Arc<Slot>,
}

/// A stream, counted while anything of it lives.
#[derive(Debug)]
struct Slot(Arc<State>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open connection, counted while its task lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Links {
    /// A place on the first open connection that has one.
    pub(super) fn join(&self, now: Instant) -> Option<Joined> {
        let mut list = self.list.lock();
        list.retain(Link::takes_requests);
        list.iter_mut().find(|link| link.has_room()).map(|link| link.join(now))
    }

    /// Waits for the turn to open a connection.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.opening.lock().await
    }

    /// Whether there may be another connection.
    pub(super) fn may_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) < CONNECTIONS_MAX
    }

    /// Speaks HTTP/2 on `stream`, and gives the first place on it.
    pub(super) async fn add(&self, stream: Stream, now: Instant) -> hyper::Result<Joined> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(HEAD_MAX as u32)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        let is_tls = matches!(stream, Stream::Tls(_));
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        self.open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&self.open));
        let driver = Arc::new(Mutex::new(Some(connection)));
        tokio::spawn(drive(Arc::clone(&driver), counted));
        let mut link = Link { sender, is_tls, driver, state: Arc::default(), used: now };
        let joined = link.join(now);
        self.list.lock().push(link);
        Ok(joined)
    }

    /// Closes connections that have carried nothing for longer than `age_max`.
    pub(super) fn tidy(&self, now: Instant, age_max: Duration) {
        self.list.lock().retain(|link| {
            let is_idle = link.state.streams.load(Ordering::Relaxed) == 0;
            link.takes_requests() && !(is_idle && now.saturating_duration_since(link.used) > age_max)
        });
    }
}

impl Link {
    fn takes_requests(&self) -> bool {
        !self.sender.is_closed() && !self.state.is_spent.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        let allowed = self.driver.lock().as_ref().map_or(0, Connection::current_max_send_streams);
        self.state.streams.load(Ordering::Relaxed) < allowed.min(STREAMS_MAX)
    }

    fn join(&mut self, now: Instant) -> Joined {
        self.used = now;
        self.state.streams.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(Slot(Arc::clone(&self.state)));
        Joined { sender: self.sender.clone(), is_tls: self.is_tls, slot }
    }
}

/// Moves the connection along until it ends: by the peer, or when nobody can send on it any more.
async fn drive(driver: Arc<Driver>, _counted: Counted) {
    poll_fn(|cx| poll(&driver, cx)).await;
}

fn poll(driver: &Driver, cx: &mut Context<'_>) -> Poll<()> {
    let mut held = driver.lock();
    let Some(connection) = held.as_mut() else { return Poll::Ready(()) };
    let ended = std::task::ready!(Future::poll(std::pin::Pin::new(connection), cx));
    *held = None;
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "an HTTP/2 connection to an upstream ended");
    }
    Poll::Ready(())
}
