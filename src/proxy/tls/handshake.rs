//! A handshake, bounded in time and in number.
//!
//! The time is counted from the connection: whoever sends nothing, or a byte now and then, is cut off. The number counts
//! handshakes from the client's whole first message, when the work begins; until then a connection is one of those that
//! `max_connections` bounds.

use std::time::Duration;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::client::ClientCertificate;
use super::state::TlsState;

/// How long a client waits for its turn where as many handshakes as may be are under way: long enough for a burst to
/// pass, too short for a crowd to gather.
const TURN_MAX: Duration = Duration::from_secs(1);

/// A connection on which TLS is spoken.
#[derive(Debug)]
pub struct Shaken<S> {
    /// What is said under TLS.
    pub stream: TlsStream<S>,
    /// The version, as the access log tells it.
    pub version: &'static str,
    /// Whether HTTP/2 was agreed on.
    pub is_http2: bool,
    /// The client's certificate, if one was shown.
    pub client: Option<ClientCertificate>,
}

/// Agrees on TLS with the client of `stream` within `limit`, as one of those for whom `turns` holds permits.
///
/// # Errors
/// Why it came to nothing, as metrics tell it: `tls_handshake`, `slow_handshake`, `too_many_handshakes` or
/// `client_certificate`.
pub async fn shake<S>(tls: &TlsState, limit: Duration, turns: &Semaphore, stream: S) -> Result<Shaken<S>, &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = async {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(|_| "tls_handshake")?;
        let turn = tokio::time::timeout(TURN_MAX, turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err("too_many_handshakes") };
        hello.into_stream(tls.config()).await.map_err(|_| "tls_handshake")
    };
    let stream = tokio::time::timeout(limit, handshake).await.map_err(|_| "slow_handshake")??;
    let session = stream.get_ref().1;
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
        _ => "1.3",
    };
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let client = match session.peer_certificates().and_then(<[_]>::first) {
        None => None,
        Some(shown) => {
            let forward = tls.settings().forward_client_cert;
            Some(ClientCertificate::new(shown, forward).ok_or("client_certificate")?)
        }
    };
    Ok(Shaken { stream, version, is_http2, client })
}
