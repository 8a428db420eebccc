//! One server's connections, as kept by one worker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answer::{Answer, Reply, Tunnel};
use super::connect::{self, Begin, ConnectError, Tls};
use super::endpoint::Endpoint;
use super::h1::exchange::{Answered, Exchange, Failure};
use super::h1::{Stream, Wire};
use super::h2::{Joined, Links};
use super::idle::{Idle, youngest};
use super::proxy_header::{self, Told};
use super::{Outgoing, UpstreamError, Wanted};
use crate::model::upstream::{Http2, ProxyProtocol, ServerUrl, Upstream};

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
    tls: Option<Tls>,
    server_name: Option<String>,
    connect_timeout: Duration,
    /// The youngest last.
    idle: Mutex<VecDeque<Idle>>,
    connections: Arc<AtomicUsize>,
    in_flight: AtomicUsize,
    /// The connections, where HTTP/2 is spoken or may be.
    links: Option<Links>,
    http2: Http2,
    proxy_protocol: Option<ProxyProtocol>,
}

/// An open connection, counted while it lives. Knows the count alone: were it to hold the server, the server, which
/// keeps idle connections, would hold itself and outlive the upstream it belongs to.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection in use by one request.
#[derive(Debug)]
pub struct Lease {
    carrier: Carrier,
    /// Whether it has carried a request before.
    pub is_reused: bool,
}

#[derive(Debug)]
enum Carrier {
    /// A connection for this request alone.
    Own(Box<Wire>, Place),
    /// A place on one that others use too.
    Shared(Box<Joined>, InFlight),
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
        if wire.told.is_some() && idle.len() >= IDLE_MAX {
            // The oldest of another client makes room.
            idle.pop_front();
        }
        if idle.len() < IDLE_MAX {
            let peer_max = peer_max.map(|max| max.saturating_sub(BEFORE_PEER));
            idle.push_back(Idle { wire, open, since: Instant::now(), peer_max, rests: false });
        }
    }
}

/// A request in flight at a server, counted while it lives.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Server>);

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
    pub(super) fn new(endpoint: Arc<Endpoint>, tls: Option<Tls>, settings: &Upstream) -> Self {
        Server {
            endpoint,
            tls,
            server_name: settings.tls.server_name.clone(),
            connect_timeout: settings.connect_timeout,
            idle: Mutex::default(),
            connections: Arc::default(),
            in_flight: AtomicUsize::new(0),
            links: (settings.http2 != Http2::Never).then(Links::default),
            http2: settings.http2,
            proxy_protocol: settings.proxy_protocol,
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
    pub(super) fn reuse(self: &Arc<Self>, wanted: Wanted, now: Instant) -> Option<Lease> {
        if let Some(links) = self.links_for(wanted) {
            return links.join(now).map(|joined| self.joined(joined, true));
        }
        let age_max = if wanted.may_repeat { IDLE_AGE_MAX } else { IDLE_AGE_MAX_ONCE };
        let mut kept = self.idle.lock();
        // The last is the youngest: if it is too old for anything, so are all before it.
        if kept.back().is_some_and(|i| i.age(now) > IDLE_AGE_MAX) {
            kept.clear();
        }
        while let Some(mut idle) = youngest(&mut kept, wanted.told, |i| i.age(now) <= age_max) {
            if idle.is_good(now) {
                let Idle { wire, open, .. } = idle;
                let carrier = Carrier::Own(wire, Place { open, server: InFlight::at(self) });
                return Some(Lease { carrier, is_reused: true });
            }
        }
        None
    }

    /// Closes idle connections that their peers have closed or that are too old to be used again, and has those rest
    /// that were not used for a while.
    pub(super) fn tidy(&self, now: Instant) {
        if let Some(links) = &self.links {
            links.tidy(now, IDLE_AGE_MAX);
        }
        let mut kept = self.idle.lock();
        kept.retain_mut(|idle| {
            if !idle.rests && idle.age(now) > RESTS_AFTER {
                idle.wire.rest();
                idle.rests = true;
            }
            idle.age(now) <= IDLE_AGE_MAX && idle.is_good(now)
        });
    }

    fn joined(self: &Arc<Self>, joined: Joined, is_reused: bool) -> Lease {
        Lease { carrier: Carrier::Shared(Box::new(joined), InFlight::at(self)), is_reused }
    }

    /// The connections of HTTP/2, where the request may go over one of them.
    fn links_for(&self, wanted: Wanted) -> Option<&Links> {
        self.links.as_ref().filter(|_| !wanted.http1 && self.is_http2() != Some(false))
    }

    /// Whether HTTP/2 is spoken; `None` if the next connection will tell.
    fn is_http2(&self) -> Option<bool> {
        match self.http2 {
            Http2::Never => Some(false),
            Http2::Always => Some(true),
            Http2::Auto if !self.endpoint.url.tls => Some(false),
            Http2::Auto => self.endpoint.has_chosen_http2(),
        }
    }

    /// Whether the server is to blame for a connection that came to nothing: one that chooses HTTP/2 need not speak
    /// anything else.
    pub(super) fn is_to_blame(&self, wanted: Wanted) -> bool {
        !(wanted.http1 && self.is_http2() == Some(true))
    }

    /// A connection that has carried nothing yet, or a place on a shared one.
    pub(super) async fn connect(self: &Arc<Self>, wanted: Wanted) -> Result<Lease, UpstreamError> {
        let opened = match self.links_for(wanted) {
            Some(links) => self.within_limit(self.link(links, wanted)).await,
            None => self.within_limit(self.own(wanted)).await,
        };
        if matches!(opened, Err(UpstreamError::Connect(_))) && self.is_to_blame(wanted) {
            self.endpoint.note_unreachable(Instant::now());
        }
        opened
    }

    /// A connection for one request at a time; or a place on one that came out as HTTP/2, against what was known.
    async fn own(self: &Arc<Self>, wanted: Wanted) -> Result<Lease, UpstreamError> {
        let counted = self.count()?;
        let stream = self.open(wanted).await?;
        match &self.links {
            Some(links) if stream.has_chosen_http2() => self.share(links, stream).await,
            _ => Ok(self.alone(stream, counted, wanted.told)),
        }
    }

    /// A place on a connection of HTTP/2: one that came free or was opened while this request waited for its turn, or
    /// a new one. If the server chooses HTTP/1.1, the connection is one for this request.
    async fn link(self: &Arc<Self>, links: &Links, wanted: Wanted) -> Result<Lease, UpstreamError> {
        let turn = links.turn().await;
        if self.is_http2() == Some(false) {
            // The one before has found out. There is nothing to share, and nothing to wait for.
            drop(turn);
            return self.own(wanted).await;
        }
        if let Some(joined) = links.join(Instant::now()) {
            return Ok(self.joined(joined, true));
        }
        if !links.may_open() {
            return Err(UpstreamError::Full);
        }
        let counted = self.count()?;
        let stream = self.open(wanted).await?;
        if self.http2 == Http2::Always || stream.has_chosen_http2() {
            return self.share(links, stream).await;
        }
        Ok(self.alone(stream, counted, wanted.told))
    }

    async fn open(&self, wanted: Wanted) -> Result<Stream, ConnectError> {
        let header = self.proxy_protocol.map(|version| proxy_header::header(version, wanted.told)).unwrap_or_default();
        let server_name = self.server_name.as_deref();
        let begin = Begin { tls: self.tls.as_ref(), server_name, http1: wanted.http1, header: &header };
        let stream = connect::open(&self.endpoint, begin).await?;
        if self.http2 == Http2::Auto && !wanted.http1 {
            self.endpoint.note_choice(stream.has_chosen_http2());
        }
        Ok(stream)
    }

    fn count(&self) -> Result<Counted<'_>, UpstreamError> {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(UpstreamError::Full);
        }
        Ok(Counted(Some(self)))
    }

    fn alone(self: &Arc<Self>, stream: Stream, counted: Counted<'_>, told: Option<Told>) -> Lease {
        counted.keep();
        let place = Place { open: Open(Arc::clone(&self.connections)), server: InFlight::at(self) };
        Lease { carrier: Carrier::Own(Wire::told(stream, told), place), is_reused: false }
    }

    async fn share(self: &Arc<Self>, links: &Links, stream: Stream) -> Result<Lease, UpstreamError> {
        let failed = |e| ConnectError::Http2(self.endpoint.url.to_string(), e);
        let joined = links.add(stream, Instant::now()).await.map_err(failed)?;
        Ok(self.joined(joined, false))
    }

    async fn within_limit<T>(
        &self,
        opening: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let limit = self.connect_timeout;
        let error = match tokio::time::timeout(limit, opening).await {
            Ok(Err(UpstreamError::Connect(error))) => error,
            Ok(done) => return done,
            Err(_) => ConnectError::Timeout(self.endpoint.url.to_string(), limit),
        };
        Err(error.into())
    }
}

/// Gives the count of a connection back when opening it fails or is given up.
struct Counted<'a>(Option<&'a Server>);

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
        match &self.carrier {
            Carrier::Own(_, Place { server, .. }) | Carrier::Shared(_, server) => Arc::clone(&server.0),
        }
    }

    /// Where the request goes.
    pub fn url(&self) -> &ServerUrl {
        match &self.carrier {
            Carrier::Own(_, Place { server, .. }) | Carrier::Shared(_, server) => &server.0.endpoint.url,
        }
    }

    /// Sends the request and waits for the head of its answer. Dropping the future closes the connection, or resets
    /// the stream.
    ///
    /// # Errors
    /// With the request, if not a byte of it was written.
    pub async fn send(self, request: Outgoing) -> Result<Reply, Failure> {
        let (wire, place) = match self.carrier {
            Carrier::Own(wire, place) => (wire, place),
            Carrier::Shared(joined, in_flight) => {
                let (head, body) = joined.send(request).await?;
                return Ok(Reply::Answer(Answer::shared(head, body, in_flight)));
            }
        };
        match Exchange::begin(wire, request).await? {
            Answered::Answer(head, body) => Ok(Reply::Answer(Answer::new(head, body, place))),
            Answered::Switched(head, wire) => Ok(Reply::Switched(head, Tunnel::new(wire, place))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted { caller: 0, may_repeat: true, http1: false, told: None };

    async fn server() -> (Arc<Server>, tokio::net::TcpListener) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: ServerUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let settings = Upstream::new("up".parse().unwrap(), vec![url.into()]);
        (Arc::new(Server::new(Arc::new(Endpoint::new(&settings.servers[0], None)), None, &settings)), listener)
    }

    async fn keep_one(server: &Arc<Server>) {
        let Carrier::Own(wire, place) = server.connect(WANTED).await.unwrap().carrier else { panic!("not HTTP/1.1") };
        place.keep(wire, None);
    }

    #[tokio::test]
    async fn a_server_does_not_outlive_its_upstream() {
        let (server, _listener) = server().await;
        keep_one(&server).await;
        assert_eq!((server.idle.lock().len(), server.connections.load(Ordering::Relaxed)), (1, 1));
        let gone = Arc::downgrade(&server);
        drop(server);
        assert!(gone.upgrade().is_none());
    }

    #[tokio::test]
    async fn old_connections_are_closed_and_young_ones_kept() {
        let (server, _listener) = server().await;
        keep_one(&server).await;
        let now = Instant::now();
        server.tidy(now);
        assert_eq!(server.connections.load(Ordering::Relaxed), 1);
        server.tidy(now + IDLE_AGE_MAX + Duration::from_secs(1));
        assert_eq!(server.connections.load(Ordering::Relaxed), 0);
    }
}
