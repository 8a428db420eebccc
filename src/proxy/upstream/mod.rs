//! Upstreams as one worker sees them: which server is next, and the connections kept to each.

mod balance;
mod connect;
mod pool;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use http::Request;
use http::uri::Scheme;

pub use connect::{ConnectError, UpstreamTlsError};
pub use pool::{Lease, Server};

use super::body::RequestBody;
use crate::model::upstream::Upstream;

/// Servers of an upstream that are tried for one request before it is given up. Trying another is safe: a connection
/// that was not made has carried nothing.
const CONNECT_ATTEMPTS_MAX: usize = 3;

/// One upstream, with this worker's connections to it.
#[derive(Debug)]
pub struct Group {
    /// As configured.
    pub settings: Upstream,
    /// Its number in records.
    pub number: u16,
    servers: Vec<Arc<Server>>,
    next: AtomicUsize,
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
    /// The connection broke, or what came was not HTTP.
    #[error("the upstream's answer could not be read")]
    Exchange(#[source] hyper::Error),
}

impl Group {
    /// An upstream without connections. TLS settings are read now, so that a bad file is known before traffic comes.
    pub fn new(settings: Upstream, number: u16) -> Result<Self, UpstreamTlsError> {
        let tls = connect::client_tls(&settings)?;
        let servers =
            settings.servers.iter().map(|url| Arc::new(Server::new(url.clone(), tls.clone(), &settings))).collect();
        Ok(Group { settings, number, servers, next: AtomicUsize::new(0) })
    }

    /// A connection that is ready for a request: a kept one if `may_reuse` finds it fresh enough, else a new one.
    pub async fn lease(&self, idempotent: bool) -> Result<Lease, UpstreamError> {
        let now = Instant::now();
        let first = self.choose(now);
        if let Some(lease) = self.servers[first].reuse(idempotent, now).await {
            return Ok(lease);
        }
        self.connect(first).await
    }

    /// A connection that has carried nothing yet.
    pub async fn lease_fresh(&self) -> Result<Lease, UpstreamError> {
        self.connect(self.choose(Instant::now())).await
    }

    async fn connect(&self, first: usize) -> Result<Lease, UpstreamError> {
        let mut at = first;
        let mut tried = 0;
        loop {
            match self.servers[at].connect().await {
                Ok(lease) => return Ok(lease),
                Err(error) => {
                    tried += 1;
                    if tried >= CONNECT_ATTEMPTS_MAX.min(self.servers.len()) {
                        return Err(error);
                    }
                    at = (at + 1) % self.servers.len();
                }
            }
        }
    }
}

/// The request as it goes on the wire: origin-form, HTTP/1.1.
pub fn to_origin_form(request: &mut Request<RequestBody>) {
    let uri = std::mem::take(request.uri_mut());
    let mut parts = uri.into_parts();
    parts.scheme = None::<Scheme>;
    parts.authority = None;
    *request.uri_mut() = http::Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = http::Version::HTTP_11;
}
