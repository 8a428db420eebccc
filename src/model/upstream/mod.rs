//! Upstreams: the APIs behind Argus.

mod balance;
mod health;
mod retry;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use balance::{Balance, BalanceError, HashBy};
pub use health::{BreakerSettings, Ejection, HealthCheck, StatusRange, StatusRangeError};
pub use retry::{ATTEMPTS_MAX, Retry, RetryOn, RetryOnError};
pub use server::{SERVERS_MAX, Server, ServerUrl, ServerUrlError, WEIGHT_MAX};

use super::id::Name;

/// How TLS is spoken to an upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// File of the certificates trusted; the built-in roots if absent.
    pub ca: Option<PathBuf>,
    /// Name expected in the certificate; the server's host if absent.
    pub server_name: Option<String>,
    /// What Argus proves itself with to servers that ask.
    pub identity: Option<TlsIdentity>,
}

/// A certificate and its key, as files hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// File of the certificate, and of those that lead to its authority.
    pub certificate: PathBuf,
    /// File of its key.
    pub key_file: PathBuf,
}

/// Whether HTTP/2 is spoken to an upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Http2 {
    /// HTTP/1.1 is.
    #[default]
    Never,
    /// Always: by prior knowledge, over TLS by ALPN, which has to settle on it.
    Always,
    /// Over TLS what the server chooses by ALPN, HTTP/2 first; HTTP/1.1 in the clear.
    Auto,
}

/// Versions of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

/// One upstream, as configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Its name.
    pub name: Name,
    /// Its servers, at least one.
    pub servers: Vec<Server>,
    /// Which one is next.
    pub balance: Balance,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait for the head of the answer.
    pub first_byte_timeout: Duration,
    /// Longest wait between two pieces of the answer's body.
    pub idle_timeout: Duration,
    /// Longest time from the first attempt to the last byte of the answer, if there is a limit.
    pub timeout: Option<Duration>,
    /// When a request is sent again.
    pub retry: Retry,
    /// Whether HTTP/2 is spoken.
    pub http2: Http2,
    /// In which version of the PROXY protocol its servers are told whose connection it is, if they are.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// TLS settings for `https` servers.
    pub tls: UpstreamTls,
    /// Whom to ask for the addresses of names; whoever the system asks if absent.
    pub resolver: Option<SocketAddr>,
    /// Active checks.
    pub health: Option<HealthCheck>,
    /// Ejection by what answers are like.
    pub ejection: Option<Ejection>,
    /// A circuit breaker for all its servers together.
    pub breaker: Option<BreakerSettings>,
    /// How long a server that comes back gets less than its share; nothing for at once all of it.
    pub slow_start: Duration,
}

impl Upstream {
    /// One about which nothing is written but its servers.
    pub fn new(name: Name, servers: Vec<Server>) -> Self {
        Upstream {
            name,
            servers,
            balance: Balance::default(),
            connect_timeout: Duration::from_secs(2),
            first_byte_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            timeout: None,
            retry: Retry::default(),
            http2: Http2::default(),
            proxy_protocol: None,
            tls: UpstreamTls::default(),
            resolver: None,
            health: None,
            ejection: None,
            breaker: None,
            slow_start: Duration::ZERO,
        }
    }
}
