//! One server's connections, as kept by one worker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1::SendRequest};
use parking_lot::Mutex;
use rustls::ClientConfig;

use super::connect::{self, ConnectError};
use super::endpoint::Endpoint;
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
/// Longest wait for a kept connection to be ready: its last answer has been read, so that it is a matter of turns.
const READY_MAX: Duration = Duration::from_millis(50);

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
    connection: Connection,
    since: Instant,
}

/// An open connection, counted while it lives. Knows the count alone: were it to hold the server, the server, which
/// keeps idle connections, would hold itself and outlive the upstream it belongs to.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<RequestBody>,
    open: Arc<AtomicUsize>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection in use by one request.
#[derive(Debug)]
pub struct Lease {
    connection: Connection,
    /// Whether it has carried a request before.
    pub is_reused: bool,
    server: InFlight,
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
    pub(super) async fn reuse(self: &Arc<Self>, idempotent: bool, now: Instant) -> Option<Lease> {
        let age_max = if idempotent { IDLE_AGE_MAX } else { IDLE_AGE_MAX_ONCE };
        loop {
            let mut idle = self.take_idle(now, age_max)?;
            // It fails at once if the peer is gone.
            if is_ready(&mut idle.connection.sender).await {
                return Some(Lease { connection: idle.connection, is_reused: true, server: InFlight::at(self) });
            }
        }
    }

    fn take_idle(&self, now: Instant, age_max: Duration) -> Option<Idle> {
        let mut kept = self.idle.lock();
        // The last is the youngest: if it is too old for anything, so are all before it.
        if kept.back().is_some_and(|i| now.saturating_duration_since(i.since) > IDLE_AGE_MAX) {
            kept.clear();
        }
        kept.pop_back_if(|i| now.saturating_duration_since(i.since) <= age_max)
    }

    /// Closes idle connections that are too old to be used again.
    pub(super) fn close_old(&self, now: Instant) {
        let mut kept = self.idle.lock();
        while kept.pop_front_if(|i| now.saturating_duration_since(i.since) > IDLE_AGE_MAX).is_some() {}
    }

    pub(super) async fn connect(self: &Arc<Self>) -> Result<Lease, UpstreamError> {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(UpstreamError::Full);
        }
        let counted = Counted(Some(self));
        let limit = self.connect_timeout;
        let opening = connect::open(&self.endpoint.url, self.tls.as_ref(), self.server_name.as_deref());
        let sender = match tokio::time::timeout(limit, opening).await {
            Ok(Ok(sender)) => sender,
            Ok(Err(error)) => {
                self.endpoint.note_failure(Instant::now());
                return Err(error.into());
            }
            Err(_) => {
                self.endpoint.note_failure(Instant::now());
                return Err(ConnectError::Timeout(self.endpoint.url.to_string(), limit).into());
            }
        };
        counted.keep();
        let connection = Connection { sender, open: Arc::clone(&self.connections) };
        Ok(Lease { connection, is_reused: false, server: InFlight::at(self) })
    }
}

/// Whether the connection takes a request. Its last body has been read, but hyper may need a turn to notice.
async fn is_ready(sender: &mut SendRequest<RequestBody>) -> bool {
    if sender.is_ready() {
        return true;
    }
    matches!(tokio::time::timeout(READY_MAX, sender.ready()).await, Ok(Ok(())))
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
    /// Where the request goes.
    pub fn url(&self) -> &ServerUrl {
        &self.server.0.endpoint.url
    }

    /// Sends the request. On failure the request comes back if not a byte of it was written.
    ///
    /// # Errors
    /// Whatever hyper says of the exchange.
    pub async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        self.connection.sender.try_send_request(request).await
    }

    /// Keeps the connection for the next request, if it is still good.
    pub fn give_back(self) {
        let Lease { connection, server, .. } = self;
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = server.0.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push_back(Idle { connection, since: Instant::now() });
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
        (Arc::new(Server::new(Arc::new(Endpoint::new(&settings.servers[0])), None, &settings)), listener)
    }

    #[tokio::test]
    async fn a_server_does_not_outlive_its_upstream() {
        let (server, _listener) = server().await;
        server.connect().await.unwrap().give_back();
        assert_eq!((server.idle.lock().len(), server.connections.load(Ordering::Relaxed)), (1, 1));
        let gone = Arc::downgrade(&server);
        drop(server);
        assert!(gone.upgrade().is_none());
    }

    #[tokio::test]
    async fn old_connections_are_closed_and_young_ones_kept() {
        let (server, _listener) = server().await;
        server.connect().await.unwrap().give_back();
        let now = Instant::now();
        server.close_old(now);
        assert_eq!(server.connections.load(Ordering::Relaxed), 1);
        server.close_old(now + IDLE_AGE_MAX + Duration::from_secs(1));
        assert_eq!(server.connections.load(Ordering::Relaxed), 0);
    }
}
