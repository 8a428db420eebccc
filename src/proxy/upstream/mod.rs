//! Upstreams as one worker sees them: which server is next, and the connections kept to each.

mod answer;
mod balance;
mod connect;
mod endpoint;
pub mod h1;
mod pool;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

pub use answer::{Answer, Reply, Tunnel, UpstreamBody};
pub use connect::{ConnectError, UpstreamTlsError};
pub use pool::Lease;

use self::balance::{Ask, Servers};
use self::endpoint::Endpoint;
use self::pool::Server;
use super::body::RequestBody;
use crate::model::id::Name;
use crate::model::upstream::Upstream;

/// Servers of an upstream that are tried for one request before it is given up. Trying another is safe: a connection
/// that was not made has carried nothing.
const CONNECT_ATTEMPTS_MAX: usize = 3;

/// One upstream whose files have been read, so that nothing about it can fail when it is put in force.
#[derive(Debug)]
pub struct Prepared {
    /// As configured.
    pub settings: Upstream,
    /// The authorities it trusts, as its file held them.
    authorities: Option<Vec<CertificateDer<'static>>>,
    tls: Option<Arc<ClientConfig>>,
    /// Its servers, as all workers know them.
    endpoints: Vec<Arc<Endpoint>>,
}

impl Prepared {
    /// Reads the files of `settings`.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn read(settings: &Upstream) -> Result<Self, UpstreamTlsError> {
        let authorities = connect::authorities(settings)?;
        let tls = authorities.as_deref().map(|a| connect::client_tls(settings, a)).transpose()?;
        let endpoints = settings.servers.iter().map(|s| Arc::new(Endpoint::new(s))).collect();
        Ok(Prepared { settings: settings.clone(), authorities, tls, endpoints })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.settings == other.settings && self.authorities == other.authorities
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
        let next = Prepared::read(settings)?;
        let kept = before.get(&settings.name).filter(|b| b.is_same(&next));
        Ok(kept.map_or_else(|| Arc::new(next), |b| Arc::clone(b)))
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
    servers: Servers,
}

/// Why an upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// As many connections as a worker may have are in use.
    #[error("all connections to the upstream are in use")]
    Full,
}

impl Group {
    /// An upstream without connections.
    pub fn new(prepared: Arc<Prepared>, number: u16) -> Self {
        let server = |e: &Arc<Endpoint>| Server::new(Arc::clone(e), prepared.tls.clone(), &prepared.settings);
        let servers = Servers::new(prepared.endpoints.iter().map(|e| Arc::new(server(e))).collect());
        Group { prepared, number, servers }
    }

    /// As configured.
    pub fn settings(&self) -> &Upstream {
        &self.prepared.settings
    }

    /// Closes idle connections that will not be used again.
    pub fn tidy(&self, now: Instant) {
        self.servers.list.iter().for_each(|server| server.tidy(now));
    }

    /// A connection that is ready for a request: a kept one if one is fresh enough, else a new one. `caller` tells
    /// callers apart where each has a server of its own.
    pub async fn lease(&self, idempotent: bool, caller: u64) -> Result<Lease, UpstreamError> {
        let now = Instant::now();
        let first = self.choose(caller, now, &[]).ok_or(UpstreamError::Full)?;
        if let Some(lease) = self.servers.list[first].reuse(idempotent, now) {
            return Ok(lease);
        }
        self.connect(first, caller).await
    }

    /// A connection that has carried nothing yet.
    pub async fn lease_fresh(&self, caller: u64) -> Result<Lease, UpstreamError> {
        let first = self.choose(caller, Instant::now(), &[]).ok_or(UpstreamError::Full)?;
        self.connect(first, caller).await
    }

    fn choose(&self, caller: u64, now: Instant, tried: &[usize]) -> Option<usize> {
        self.servers.choose(&self.settings().balance, Ask { caller, now, tried })
    }

    async fn connect(&self, first: usize, caller: u64) -> Result<Lease, UpstreamError> {
        let mut tried = [first; CONNECT_ATTEMPTS_MAX];
        for n in 1.. {
            let error = match self.servers.list[tried[n - 1]].connect().await {
                Ok(lease) => return Ok(lease),
                Err(error) => error,
            };
            match self.choose(caller, Instant::now(), &tried[..n]) {
                Some(next) if n < CONNECT_ATTEMPTS_MAX => tried[n] = next,
                _ => return Err(error),
            }
        }
        Err(UpstreamError::Full)
    }
}
