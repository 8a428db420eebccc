//! Where traffic comes in, and how TLS is spoken there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use crate::model::header_rules::Underscores;
use crate::model::id::Name;
use crate::model::route::Origin;

/// A certificate that ends within this time is worth a look: whatever renews it should have done so, and there is time
/// left to find out why it did not.
pub const CERTIFICATE_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// One address on which traffic comes in.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name: the metric label and the log field.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// TLS, if it is spoken.
    pub tls: Option<ListenerTls>,
    /// What happens to requests when TLS is not spoken.
    pub insecure_requests: InsecureRequests,
    /// What happens to fields with `_` in their names.
    pub underscores: Underscores,
    /// Bounds.
    pub limits: ListenerLimits,
    /// Where it stands.
    pub origin: Origin,
}

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// Its certificates, at least one. The first is shown to clients that name no host, or one that none of them holds.
    pub certificates: Vec<TlsCertificate>,
    /// Whether TLS 1.2 is still taken besides 1.3.
    pub allow_tls12: bool,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
    /// Whether the upstream is told the client's certificate, in `Client-Cert` (RFC 9440).
    pub forward_client_cert: bool,
}

/// Files of one certificate; read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsCertificate {
    /// Name of the `[tls.NAME]` table.
    pub name: Name,
    /// PEM file of the certificate chain.
    pub certificate: PathBuf,
    /// PEM file of the private key.
    pub key_file: PathBuf,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    NotAsked,
    /// They may; one that is shown must be good.
    Optional(ClientAuthorities),
    /// They must, a good one.
    Required(ClientAuthorities),
}

impl ClientCertificates {
    /// Whose are good, where clients are asked.
    pub fn authorities(&self) -> Option<&ClientAuthorities> {
        match self {
            ClientCertificates::NotAsked => None,
            ClientCertificates::Optional(authorities) | ClientCertificates::Required(authorities) => Some(authorities),
        }
    }
}

/// Whose client certificates are good, and which of them are not any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthorities {
    /// PEM file of the authorities.
    pub ca: PathBuf,
    /// PEM files of their revocation lists (RFC 5280 section 5). Where there are any, every authority between a
    /// client's certificate and those of `ca` needs one that has not ended.
    pub crls: Vec<PathBuf>,
}

/// What a listener without TLS does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsecureRequests {
    /// 403, without looking at any credential.
    Reject,
    /// 308 to the same address over HTTPS.
    Redirect,
    /// Served.
    Allow,
}

/// Bounds of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Bytes of a request's head.
    pub max_header_size: usize,
    /// Bytes of a request's body; `None` for no bound.
    pub max_body_size: Option<u64>,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// From the connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// TLS handshakes under way at once, over all workers.
    pub max_handshakes: usize,
    /// A connection without a byte either way.
    pub idle_timeout: Duration,
    /// Connections at once, over all workers.
    pub max_connections: usize,
    /// Connections of one address at once; `None` for as many as there are.
    pub max_connections_per_address: Option<usize>,
    /// Bytes a second with which a body comes; 0 for no bound.
    pub min_body_rate: u64,
    /// Bytes a second with which a client takes an answer; 0 for no bound.
    pub min_answer_rate: u64,
}
