//! Opening a connection to a server: name, TCP, TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use super::h1::Stream;
use crate::model::upstream::{Http2, TlsIdentity, Upstream};
use crate::proxy::tls::{TlsError, certificates, private_key};

/// HTTP/2 as ALPN names it (RFC 9113 section 3.2).
const H2: &[u8] = b"h2";
/// The same of HTTP/1.1.
const HTTP1: &[u8] = b"http/1.1";

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("the name {0} could not be resolved")]
    Name(String, #[source] io::Error),
    /// Refused, unreachable, out of sockets.
    #[error("no connection to {0}")]
    Io(String, #[source] io::Error),
    /// It took too long.
    #[error("no connection to {0} within {1:?}")]
    Timeout(String, Duration),
    /// TLS failed.
    #[error("TLS with {0} failed")]
    Tls(String, #[source] io::Error),
    /// HTTP/2 could not be begun.
    #[error("no HTTP/2 with {0}")]
    Http2(String, #[source] hyper::Error),
}

/// Why TLS settings of an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamTlsError {
    /// The file of authorities.
    #[error(transparent)]
    File(#[from] TlsError),
    /// A certificate in it.
    #[error("{path} holds a certificate that cannot be trusted: {source}")]
    Authority {
        /// The file.
        path: String,
        /// What rustls says.
        source: rustls::Error,
    },
    /// What Argus shows.
    #[error("the certificate {path} cannot be shown to servers: {source}")]
    Identity {
        /// The file.
        path: String,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The settings together.
    #[error("TLS settings of the upstream cannot be used")]
    Settings(#[source] rustls::Error),
}

/// What stands in the TLS files of an upstream, so that a change of them is noticed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// Whom it trusts; empty for the built-in authorities.
    authorities: Vec<CertificateDer<'static>>,
    /// The certificate it shows.
    chain: Vec<CertificateDer<'static>>,
    /// SHA-256 of its key.
    key: Option<[u8; 32]>,
}

/// How TLS is spoken to an upstream.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    /// For what its settings say.
    usual: Arc<ClientConfig>,
    /// For HTTP/1.1 and nothing else.
    http1: Arc<ClientConfig>,
}

/// Reads the TLS files of an upstream; `None` without an `https` server.
pub(super) fn tls(settings: &Upstream) -> Result<Option<(Files, Tls)>, UpstreamTlsError> {
    if !settings.servers.iter().any(|s| s.url.tls) {
        return Ok(None);
    }
    let authorities = settings.tls.ca.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let mut roots = RootCertStore::empty();
    match &settings.tls.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in &authorities {
                let path = path.display().to_string();
                roots.add(certificate.clone()).map_err(|source| UpstreamTlsError::Authority { path, source })?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(UpstreamTlsError::Settings)?
        .with_root_certificates(roots);
    let (chain, key, mut config) = match &settings.tls.identity {
        None => (Vec::new(), None, builder.with_no_client_auth()),
        Some(TlsIdentity { certificate, key_file }) => {
            let chain = certificates(certificate)?;
            let key = private_key(key_file)?;
            let digest: [u8; 32] = Sha256::digest(key.secret_der()).into();
            let unusable = |source| UpstreamTlsError::Identity { path: certificate.display().to_string(), source };
            (chain.clone(), Some(digest), builder.with_client_auth_cert(chain, key).map_err(unusable)?)
        }
    };
    config.alpn_protocols = vec![HTTP1.to_vec()];
    let http1 = Arc::new(config.clone());
    config.alpn_protocols = match settings.http2 {
        Http2::Never => vec![HTTP1.to_vec()],
        Http2::Always => vec![H2.to_vec()],
        Http2::Auto => vec![H2.to_vec(), HTTP1.to_vec()],
    };
    Ok(Some((Files { authorities, chain, key }, Tls { usual: Arc::new(config), http1 })))
}

/// How a connection is begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begin<'a> {
    /// With this TLS, if the server's URL says so.
    pub tls: Option<&'a Tls>,
    /// The name that the server's certificate has to hold, if it is not its host.
    pub server_name: Option<&'a str>,
    /// For HTTP/1.1 alone.
    pub http1: bool,
    /// The header of the PROXY protocol, if there is one.
    pub header: &'a [u8],
}

/// Opens a connection. The caller sets the deadline.
pub(super) async fn open(endpoint: &Endpoint, begin: Begin<'_>) -> Result<Stream, ConnectError> {
    let url = &endpoint.url;
    let broke = |e| ConnectError::Io(url.to_string(), e);
    if let Some(path) = &url.socket {
        let mut stream = UnixStream::connect(path).await.map_err(broke)?;
        stream.write_all(begin.header).await.map_err(broke)?;
        return Ok(Stream::Unix(stream));
    }
    let mut stream = dial(endpoint).await?;
    if !begin.header.is_empty() {
        stream.write_all(begin.header).await.map_err(broke)?;
    }
    let Some(tls) = begin.tls.filter(|_| url.tls) else { return Ok(Stream::Tcp(stream)) };
    let config = if begin.http1 { &tls.http1 } else { &tls.usual };
    let name = begin.server_name.unwrap_or(&url.host).to_owned();
    let failed = |e| ConnectError::Tls(url.to_string(), e);
    let name = ServerName::try_from(name).map_err(|e| failed(io::Error::other(e)))?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(failed)?;
    let is_demanded = config.alpn_protocols.iter().all(|p| p == H2);
    if is_demanded && stream.get_ref().1.alpn_protocol() != Some(H2) {
        return Err(failed(io::Error::other("the server does not speak HTTP/2")));
    }
    Ok(Stream::Tls(Box::new(stream)))
}

/// Opens the connection below: to the address of `endpoint`, or as long as it is not known, to those of the system
/// for its name, one after the other. The caller sets the deadline.
async fn dial(endpoint: &Endpoint) -> Result<TcpStream, ConnectError> {
    let url = &endpoint.url;
    let failed = |e| ConnectError::Io(url.to_string(), e);
    let stream = match endpoint.address {
        Some(address) => TcpStream::connect(address).await.map_err(failed)?,
        None => {
            let found = tokio::net::lookup_host((&*url.host, url.port)).await;
            let found: Vec<_> = found.map_err(|e| ConnectError::Name(url.host.to_string(), e))?.collect();
            TcpStream::connect(&*found).await.map_err(failed)?
        }
    };
    // Without it a small request may wait for the acknowledgement of the one before.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}
