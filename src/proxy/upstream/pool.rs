//! One server's connections, as kept by one worker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Request;
use parking_lot::Mutex;
use rustls::ClientConfig;

use super::answer::{Answer, Reply, Tunnel};
use super::connect::{self, ConnectError};
use super::endpoint::Endpoint;
use super::h1::Wire;
use super::h1::exchange::{Answered, Exchange, Failure};
use super::{RequestBody, UpstreamError};
use crate::model::upstream::{ServerUrl, Upstream};

/// Idle connections kept to one server by one worker.
pub const IDLE_MAX: usize = 256;
/// Connections to one server by one worker, in use and idle.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Age at which an idle connection is not used again: below what common servers allow, save those that say less.
const IDLE_AGE_MAX: Duration = Duration::from_secs(30);
/// The same for requests that must not be sent twice: if the peer closes just then, they are lost.
const IDLE_AGE_MAX_ONCE: Duration = Duration::from_secs(1);
/// Age at which an idle connection gives its buffers back.
const RESTS_AFTER: Duration = Duration::from_secs(2);
/// How long before its peer said it would close it an idle connection is not used any more.
const BEFORE_PEER: Duration = Duration::from_secs(1);

/// One server.
#[derive(Debug)]
pub struct Server {
    /// Where it is, and what other workers know of it.
    pub endpoint: Arc<Endpoint>,
    tls: Option<Arc<ClientConfig>>,
    server_name: Option<String>,
    connect_timeout: Duration,
    /// The youngest last.
    idle: Mutex<VecDeque<Idle>>,
    connections: Arc<AtomicUsize>,
    in_flight: AtomicUsize,
}

#[derive(Debug)]
struct Idle {
    wire: Box<Wire>,
    open: Open,
    since: Instant,
    /// Age at which the peer is about to close it, if it said so.
    peer_max: Option<Duration>,
    rests: bool,
}

/// An open connection, counted while it lives. Knows the count alone: were it to hold the server, the server, which
/// keeps idle connections, would hold itself and outlive the upstream it belongs to.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection in use by one request.
#[derive(Debug)]
pub struct Lease {
    wire: Box<Wire>,
    /// Whether it has carried a request before.
    pub is_reused: bool,
    place: Place,
}

/// What a connection counts for while a request is on it, and where it belongs when the request is over.
#[derive(Debug)]
pub(super) struct Place {
    open: Open,
    server: InFlight,
}

impl Place {
    /// Keeps `wire` for the next request. `peer_max` is how long the peer said that it keeps an idle connection.
    pub(super) fn keep(self, wire: Box<Wire>, peer_max: Option<Duration>) {
        let Place { open, server } = self;
        let mut idle = server.0.idle.lock();
        if idle.len() < IDLE_MAX {
            let peer_max = peer_max.map(|max| max.saturating_sub(BEFORE_PEER));
            idle.push_back(Idle { wire, open, since: Instant::now(), peer_max, rests: false });
        }
    }
}

/// A request in flight at a server, counted while it lives.
#[derive(Debug)]
struct InFlight(Arc<Server>);

impl InFlight {
    fn at(server: &Arc<Server>) -> Self {
        server.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(server))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    pub(super) fn new(endpoint: Arc<Endpoint>, tls: Option<Arc<ClientConfig>>, settings: &Upstream) -> Self {
        Server {
            endpoint,
            tls,
            server_name: settings.tls.server_name.clone(),
            connect_timeout: settings.connect_timeout,
            idle: Mutex::default(),
            connections: Arc::default(),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn add_in_flight(&self, n: usize) {
        self.in_flight.fetch_add(n, Ordering::Relaxed);
    }

    /// The kept connection used last, if one is fresh enough and still open.
    pub(super) fn reuse(self: &Arc<Self>, idempotent: bool, now: Instant) -> Option<Lease> {
        let age_max = if idempotent { IDLE_AGE_MAX } else { IDLE_AGE_MAX_ONCE };
        let mut kept = self.idle.lock();
        // The last is the youngest: if it is too old for anything, so are all before it.
        if kept.back().is_some_and(|i| i.age(now) > IDLE_AGE_MAX) {
            kept.clear();
        }
        while let Some(mut idle) = kept.pop_back_if(|i| i.age(now) <= age_max) {
            if idle.is_good(now) {
                let Idle { wire, open, .. } = idle;
                return Some(Lease { wire, is_reused: true, place: Place { open, server: InFlight::at(self) } });
            }
        }
        None
    }

    /// Closes idle connections that their peers have closed or that are too old to be used again, and has those rest
    /// that were not used for a while.
    pub(super) fn tidy(&self, now: Instant) {
        let mut kept = self.idle.lock();
        kept.retain_mut(|idle| {
            if !idle.rests && idle.age(now) > RESTS_AFTER {
                idle.wire.rest();
                idle.rests = true;
            }
            idle.age(now) <= IDLE_AGE_MAX && idle.is_good(now)
        });
    }

    pub(super) async fn connect(self: &Arc<Self>) -> Result<Lease, UpstreamError> {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(UpstreamError::Full);
        }
        let counted = Counted(Some(self));
        let limit = self.connect_timeout;
        let opening = connect::open(&self.endpoint, self.tls.as_ref(), self.server_name.as_deref());
        let stream = match tokio::time::timeout(limit, opening).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                self.endpoint.note_unreachable(Instant::now());
                return Err(error.into());
            }
            Err(_) => {
                self.endpoint.note_unreachable(Instant::now());
                return Err(ConnectError::Timeout(self.endpoint.url.to_string(), limit).into());
            }
        };
        counted.keep();
        let open = Open(Arc::clone(&self.connections));
        Ok(Lease { wire: Wire::new(stream), is_reused: false, place: Place { open, server: InFlight::at(self) } })
    }
}

impl Idle {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn is_good(&mut self, now: Instant) -> bool {
        self.peer_max.is_none_or(|max| self.age(now) <= max) && self.wire.is_quiet()
    }
}

/// Gives the count of a connection back when opening it fails or is given up.
struct Counted<'a>(Option<&'a Arc<Server>>);

impl Counted<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(server) = self.0 {
            server.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Lease {
    /// Whose it is.
    pub fn server(&self) -> Arc<Server> {
        Arc::clone(&self.place.server.0)
    }

    /// Where the request goes.
    pub fn url(&self) -> &ServerUrl {
        &self.place.server.0.endpoint.url
    }

    /// Sends the request and waits for the head of its answer. Dropping the future closes the connection.
    ///
    /// # Errors
    /// With the request, if not a byte of it was written.
    pub async fn send(self, request: Request<RequestBody>) -> Result<Reply, Failure> {
        let Lease { wire, place, .. } = self;
        match Exchange::begin(wire, request).await? {
            Answered::Answer(head, body) => Ok(Reply::Answer(Answer::new(head, body, place))),
            Answered::Switched(head, wire) => Ok(Reply::Switched(head, Tunnel::new(wire, place))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn server() -> (Arc<Server>, tokio::net::TcpListener) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: ServerUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let settings = Upstream::new("up".parse().unwrap(), vec![url.into()]);
        (Arc::new(Server::new(Arc::new(Endpoint::new(&settings.servers[0], None)), None, &settings)), listener)
    }

    #[tokio::test]
    async fn a_server_does_not_outlive_its_upstream() {
        let (server, _listener) = server().await;
        let Lease { wire, place, .. } = server.connect().await.unwrap();
        place.keep(wire, None);
        assert_eq!((server.idle.lock().len(), server.connections.load(Ordering::Relaxed)), (1, 1));
        let gone = Arc::downgrade(&server);
        drop(server);
        assert!(gone.upgrade().is_none());
    }

    #[tokio::test]
    async fn old_connections_are_closed_and_young_ones_kept() {
        let (server, _listener) = server().await;
        let Lease { wire, place, .. } = server.connect().await.unwrap();
        place.keep(wire, None);
        let now = Instant::now();
        server.tidy(now);
        assert_eq!(server.connections.load(Ordering::Relaxed), 1);
        server.tidy(now + IDLE_AGE_MAX + Duration::from_secs(1));
        assert_eq!(server.connections.load(Ordering::Relaxed), 0);
    }
}
