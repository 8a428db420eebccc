//! Upstreams as one worker sees them: which server is next, and the connections kept to each.

mod answer;
mod balance;
mod breaker;
mod connect;
mod endpoint;
pub mod h1;
mod h2;
mod health;
mod idle;
mod names;
mod outgoing;
mod pool;
mod proxy_header;
mod retry;
mod tally;
mod watch;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

pub use answer::{Answer, Reply, Tunnel, UpstreamBody};
pub use breaker::Circuit;
pub use connect::{ConnectError, UpstreamTlsError};
pub use endpoint::Endpoint;
pub use outgoing::Outgoing;
pub use pool::{Lease, Server};
pub use proxy_header::Told;
pub use retry::Tries;
pub use tally::Tally;
pub use watch::watch;

use self::balance::{Ask, Servers};
use self::breaker::{Breaker, Changed, Passed};
use self::retry::Budget;
use crate::model::id::Name;
use crate::model::upstream::{ATTEMPTS_MAX, RetryOn, Upstream};

/// Addresses of one upstream that are used, those of all its names together.
const ENDPOINTS_MAX: usize = 512;

/// One upstream whose files have been read, so that nothing about it can fail when it is put in force.
#[derive(Debug)]
pub struct Prepared {
    /// As configured.
    pub settings: Upstream,
    /// What its TLS files held.
    files: Option<connect::Files>,
    tls: Option<connect::Tls>,
    /// Its servers, as all workers know them.
    endpoints: ArcSwap<Endpoints>,
    /// What may be tried again.
    budget: Budget,
    breaker: Option<Breaker>,
    /// What was tried again.
    pub tally: Arc<Tally>,
}

/// The addresses of an upstream's servers at one time.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// All of them.
    pub list: Vec<Arc<Endpoint>>,
    /// The same for each of the servers as configured.
    by_server: Vec<Vec<Arc<Endpoint>>>,
}

impl Endpoints {
    fn new(by_server: Vec<Vec<Arc<Endpoint>>>) -> Self {
        Endpoints { list: by_server.iter().flatten().take(ENDPOINTS_MAX).cloned().collect(), by_server }
    }
}

impl Prepared {
    /// Reads the files of `settings`.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn read(settings: &Upstream) -> Result<Self, UpstreamTlsError> {
        let (files, tls) = connect::tls(settings)?.unzip();
        let endpoints = settings.servers.iter().map(|s| vec![Arc::new(Endpoint::new(s, None))]).collect();
        let endpoints = ArcSwap::from_pointee(Endpoints::new(endpoints));
        let budget = Budget::new(settings.retry.budget);
        let breaker = settings.breaker.map(Breaker::new);
        Ok(Prepared { settings: settings.clone(), files, tls, endpoints, budget, breaker, tally: Arc::default() })
    }

    /// How its circuit breaker stands, and what it has refused so far, if it has one.
    pub fn circuit(&self, now: Instant) -> Option<(Circuit, u64)> {
        self.breaker.as_ref().map(|breaker| (breaker.circuit(now), breaker.refused()))
    }

    /// The addresses of its servers as they are known now.
    pub fn endpoints(&self) -> Arc<Endpoints> {
        self.endpoints.load_full()
    }

    /// The name of the server at `place` was found at these addresses. Only the one task that looks after names
    /// calls it.
    fn put_addresses(&self, place: usize, addresses: &[SocketAddr]) {
        let before = self.endpoints();
        let Some(of_server) = before.by_server.get(place) else { return };
        if of_server.iter().map(|e| e.address).eq(addresses.iter().copied().map(Some)) {
            return;
        }
        let mut by_server = before.by_server.clone();
        by_server[place] = names::endpoints(&self.settings.servers[place], addresses, of_server);
        self.endpoints.store(Arc::new(Endpoints::new(by_server)));
    }

    fn is_same(&self, other: &Self) -> bool {
        self.settings == other.settings && self.files == other.files
    }
}

/// Reads the files of every upstream. One that is as it was in `before` is taken from there, so that its connections
/// are kept.
///
/// # Errors
/// The first whose files cannot be used.
pub fn prepare(upstreams: &[Upstream], before: &[Arc<Prepared>]) -> Result<Vec<Arc<Prepared>>, UpstreamTlsError> {
    let before: HashMap<&Name, &Arc<Prepared>> = before.iter().map(|b| (&b.settings.name, b)).collect();
    let each = upstreams.iter().map(|settings| {
        let mut next = Prepared::read(settings)?;
        if let Some(before) = before.get(&settings.name) {
            if before.is_same(&next) {
                return Ok(Arc::clone(before));
            }
            // Requests that are under way are still counted, and counters do not go back.
            next.tally = Arc::clone(&before.tally);
        }
        Ok(Arc::new(next))
    });
    each.collect()
}

/// One upstream, with this worker's connections to it.
#[derive(Debug)]
pub struct Group {
    /// As configured.
    pub prepared: Arc<Prepared>,
    /// Its number in records.
    pub number: u16,
    servers: ArcSwap<Servers>,
}

/// What a request asks of its connection.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Tells callers apart where each has a server of its own.
    pub caller: u64,
    /// Whether the request may be sent again if a kept connection turns out to be broken.
    pub may_repeat: bool,
    /// Whether it has to be HTTP/1.1 although HTTP/2 might be spoken: another protocol is asked for.
    pub http1: bool,
    /// Whom the server is told of, where the PROXY protocol is spoken: a connection is for one client's address only.
    pub told: Option<Told>,
}

/// Why an upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Most of what was sent lately has failed.
    #[error("the circuit breaker of the upstream is open")]
    Broken,
    /// The checks have found every server out of service.
    #[error("no server of the upstream is in service")]
    NoneHealthy,
    /// As many connections as a worker may have are in use.
    #[error("all connections to the upstream are in use")]
    Full,
}

impl Group {
    /// An upstream without connections.
    pub fn new(prepared: Arc<Prepared>, number: u16) -> Self {
        let servers = ArcSwap::from_pointee(servers(&prepared, &[]));
        Group { prepared, number, servers }
    }

    /// As configured.
    pub fn settings(&self) -> &Upstream {
        &self.prepared.settings
    }

    /// Closes idle connections that are no good any more.
    pub fn tidy(&self, now: Instant) {
        self.servers.load().list.iter().for_each(|server| server.tidy(now));
    }

    /// The servers as they are known now. Those that were there before keep their connections.
    fn servers(&self) -> Arc<Servers> {
        let have = self.servers.load();
        if Arc::ptr_eq(&have.endpoints, &*self.prepared.endpoints.load()) {
            return Arc::clone(&have);
        }
        let next = Arc::new(servers(&self.prepared, &have.list));
        self.servers.store(Arc::clone(&next));
        next
    }

    /// Lets a request pass the circuit breaker, if there is one.
    ///
    /// # Errors
    /// While it is open.
    pub fn pass(&self) -> Result<Option<Pass<'_>>, UpstreamError> {
        let Some(breaker) = &self.prepared.breaker else { return Ok(None) };
        let passed = breaker.pass(Instant::now()).ok_or(UpstreamError::Broken)?;
        Ok(Some(Pass { passed, upstream: self.settings().name.as_str() }))
    }

    /// The tries of one request, none of which is made yet.
    pub fn tries(&self) -> Tries<'_> {
        Tries::new(&self.prepared)
    }

    /// A connection that is ready for a request: a kept one if one is fresh enough, else a new one.
    pub async fn lease(&self, wanted: Wanted, tries: &mut Tries<'_>) -> Result<Lease, UpstreamError> {
        let now = Instant::now();
        let servers = self.servers();
        let first = self.choose(&servers, wanted.caller, now, &[])?;
        if let Some(lease) = servers.list[first].reuse(wanted, now) {
            return Ok(lease);
        }
        // Boxed, as it is large and rarely needed: every request carries what it might wait for.
        Box::pin(self.connect(&servers, first, wanted, tries)).await
    }

    /// A connection that has carried nothing yet.
    pub async fn lease_fresh(&self, wanted: Wanted, tries: &mut Tries<'_>) -> Result<Lease, UpstreamError> {
        // Boxed, as it is large and rarely needed: every request carries what it might wait for.
        let servers = self.servers();
        let first = self.choose(&servers, wanted.caller, Instant::now(), &[])?;
        Box::pin(self.connect(&servers, first, wanted, tries)).await
    }

    fn choose(&self, servers: &Servers, caller: u64, now: Instant, tried: &[usize]) -> Result<usize, UpstreamError> {
        let ask = Ask { caller, now, tried, slow_start: self.settings().slow_start };
        servers.choose(&self.settings().balance, ask).ok_or(UpstreamError::NoneHealthy)
    }

    async fn connect(
        &self,
        servers: &Servers,
        first: usize,
        wanted: Wanted,
        tries: &mut Tries<'_>,
    ) -> Result<Lease, UpstreamError> {
        let mut tried = [first; ATTEMPTS_MAX];
        for n in 1.. {
            let server = &servers.list[tried[n - 1]];
            let error = match server.connect(wanted).await {
                Ok(lease) => return Ok(lease),
                Err(error) => error,
            };
            if matches!(error, UpstreamError::Connect(_)) && server.is_to_blame(wanted) {
                self.note(server, false);
            }
            match self.choose(servers, wanted.caller, Instant::now(), &tried[..n]) {
                Ok(next) if n < ATTEMPTS_MAX && tries.again(RetryOn::Connect) => tried[n] = next,
                _ => return Err(error),
            }
        }
        Err(UpstreamError::Full)
    }

    /// A server has done well by a request, or has not: no connection, no answer in time, none that is HTTP, or a
    /// status of 500 or more. One that fails too often in a row is ejected for a while, if not too many are.
    pub fn note(&self, server: &Server, good: bool) {
        let Some(ejection) = &self.settings().ejection else { return };
        let endpoint = &server.endpoint;
        if good {
            return endpoint.note_good();
        }
        let now = Instant::now();
        if !endpoint.note_bad(ejection) || endpoint.is_ejected(now) {
            return;
        }
        let all = self.prepared.endpoints();
        let out = all.list.iter().filter(|e| e.is_ejected(now)).count();
        if (out + 1) as f64 <= ejection.share_max * all.list.len() as f64 {
            let lasts = endpoint.eject(ejection, now);
            let (upstream, seconds) = (self.settings().name.as_str(), lasts.as_secs_f64());
            tracing::warn!(upstream, server = %endpoint, seconds, "a server fails too often and gets no requests for a while");
        }
    }
}

/// A request that has passed the circuit breaker of its upstream. Dropped without an outcome it counts for nothing.
#[derive(Debug)]
pub struct Pass<'a> {
    passed: Passed<'a>,
    upstream: &'a str,
}

impl Pass<'_> {
    /// The request has ended well, or has not.
    pub fn ended(self, good: bool) {
        let upstream = self.upstream;
        match self.passed.ended(good, Instant::now()) {
            Some(Changed::Opened) => tracing::warn!(upstream, "too much fails; nothing is sent for a while"),
            Some(Changed::Closed) => tracing::info!(upstream, "requests are sent again"),
            None => {}
        }
    }
}

fn servers(prepared: &Prepared, before: &[Arc<Server>]) -> Servers {
    let endpoints = prepared.endpoints();
    let server = |endpoint: &Arc<Endpoint>| match before.iter().find(|s| Arc::ptr_eq(&s.endpoint, endpoint)) {
        Some(kept) => Arc::clone(kept),
        None => Arc::new(Server::new(Arc::clone(endpoint), prepared.tls.clone(), &prepared.settings)),
    };
    let list = endpoints.list.iter().map(server).collect();
    Servers::new(endpoints, list)
}
