//! One downstream connection: TLS, the version of HTTP, and then its requests.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::client_addr::speaks_proxy_protocol;
use super::deadline::{Allowed, Clocked, ConnectionClock, Driven, Graceful, Registered};
use super::flood::Counted;
use super::listener::{ListenerState, Open};
use super::per_address::Entered;
use super::strict::{self, Strict};
use super::tls::{self, ClientCertificate};
use super::worker::Worker;
use super::{headers, proxy_protocol, request};
use crate::admission::ClientFacts;
use crate::model::fields::Fields;

/// What an HTTP/2 client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longest wait for the last bytes of a connection at rest to go out.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// Bytes of [`PREFACE`] with which a method of HTTP/1 could begin as well.
const AMBIGUOUS_MAX: usize = 4;
/// Smallest head buffer hyper takes.
const HEAD_BUFFER_MIN: usize = 8_192;

/// Streams one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 200;
/// Bytes of one stream's, and one connection's, request bodies that may be under way.
const STREAM_WINDOW: u32 = 256 * 1_024;
const CONNECTION_WINDOW: u32 = 1_024 * 1_024;
/// Bytes of answers held for one stream.
const SEND_BUFFER_MAX: usize = 64 * 1_024;
/// Streams reset by the client before they were looked at, and resets the client provokes: more than these end the
/// connection (CVE-2023-44487, CVE-2025-8671).
const RESETS_MAX: usize = 50;
/// How often an HTTP/2 peer is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// What all requests of a connection have in common.
#[derive(Debug)]
pub struct ConnectionFacts {
    /// The worker.
    pub worker: Arc<Worker>,
    /// The listener.
    pub listener: Arc<ListenerState>,
    /// The peer's address, or the one that a PROXY protocol header names; IPv4-mapped IPv6 folded.
    pub peer: IpAddr,
    /// The client, if the peer is one.
    pub client: Arc<ClientFacts>,
    /// TLS version.
    pub tls: Option<&'static str>,
    /// The certificate the client showed, verified.
    pub client_cert: Option<ClientCertificate>,
    /// What the upstream is told of the way of its requests, where no peer is believed.
    pub way: Fields,
    /// The connection's clock.
    pub clock: Arc<ConnectionClock>,
    /// Whether requests follow one another, so that the clock tells when one ends.
    pub sequential: bool,
    _registered: Registered,
    _open: Open,
    _entered: Option<Entered>,
}

/// Serves one connection to its end. `stop` tells whether the listener it came through is gone: then it takes one request.
pub async fn serve(
    worker: Arc<Worker>,
    listener: Arc<ListenerState>,
    (open, stop): (Open, CancellationToken),
    mut stream: TcpStream,
    peer: SocketAddr,
) {
    // Answers go out in whole pieces; waiting for more would only delay them. A socket that refuses is still good.
    let _ = stream.set_nodelay(true);
    let mut peer = peer.ip().to_canonical();
    let limits = &listener.settings.limits;
    let allowed = Allowed { head: limits.header_timeout, idle: limits.idle_timeout };
    let registered = worker.connections.register(listener.label.number, allowed);
    let clock = Arc::clone(&registered.clock);
    if stop.is_cancelled() {
        clock.takes_no_more();
    }
    drop(stop);
    let (is_proxied, ipv6_prefix) = {
        let clients = &worker.view().snapshot.config.clients;
        (speaks_proxy_protocol(clients, peer), clients.ipv6_prefix)
    };
    if is_proxied {
        let Some(told) = clock.obeyed(proxy_protocol::read(&mut stream)).await else { return };
        match told {
            Ok(client) => peer = client.unwrap_or(peer),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, %peer, "connection closed");
                worker.cell.malformed("proxy_protocol");
                return;
            }
        }
    }
    let client = Arc::new(ClientFacts::new(peer, ipv6_prefix));
    let entered = match limits.max_connections_per_address {
        Some(max) if !is_proxy(&worker, peer) => {
            let entered = worker.shared.per_address.enter(listener.label.number, client.counted(), max);
            if entered.is_none() {
                worker.cell.malformed("too_many_connections_of_address");
                return;
            }
            entered
        }
        _ => None,
    };
    let port = listener.address.port();
    let facts = |tls: Option<_>, client_cert, sequential| {
        Arc::new(ConnectionFacts {
            worker: Arc::clone(&worker),
            listener: Arc::clone(&listener),
            peer,
            way: headers::way_of_connection(peer, tls.is_some(), port),
            client,
            tls,
            client_cert,
            clock: Arc::clone(&clock),
            sequential,
            _registered: registered,
            _open: open,
            _entered: entered,
        })
    };
    let mut stream = Clocked::new(stream, Arc::clone(&clock));
    match &listener.tls {
        None => {
            let begins = clock.obeyed(stream.begins_with(PREFACE)).await;
            if begins.is_none() && clock.is_in_head() && stream.looked_at() < AMBIGUOUS_MAX {
                worker.cell.malformed("slow_head");
                refuse_slow_head(stream).await;
                return;
            }
            let Some(Ok(is_http2)) = begins else { return };
            if is_http2 {
                Box::pin(serve_http2(stream, facts(None, None, false))).await;
            } else {
                serve_http1(stream, facts(None, None, true)).await;
            }
        }
        Some(tls) => {
            clock.shakes_hands();
            let handshake = tls::shake(tls, limits.handshake_timeout, &listener.handshakes, stream);
            let Some(shaken) = clock.obeyed(handshake).await else { return };
            let shaken = match shaken {
                Ok(shaken) => shaken,
                Err(cause) => {
                    worker.cell.malformed(cause);
                    return;
                }
            };
            clock.is_ready();
            let facts = facts(Some(shaken.version), shaken.client, !shaken.is_http2);
            if shaken.is_http2 {
                Box::pin(serve_http2(shaken.stream, facts)).await;
            } else {
                Box::pin(serve_http1(shaken.stream, facts)).await;
            }
        }
    }
}

/// Whether many clients may come from `peer`.
fn is_proxy(worker: &Worker, peer: IpAddr) -> bool {
    worker.view().snapshot.config.clients.trusted_proxies.contains(peer)
}

/// Tells a client why its connection ends, though the head of its request is not whole, and hears it out for a moment:
/// what is closed while bytes come is reset, and the answer with it.
async fn refuse_slow_head<S: AsyncRead + AsyncWrite + Unpin>(mut io: S) {
    let goodbye = async {
        io.write_all(&strict::slow_head()).await?;
        io.shutdown().await?;
        tokio::io::copy(&mut io, &mut tokio::io::sink()).await
    };
    // Who does not take it gets nothing.
    let _ = tokio::time::timeout(GOODBYE_MAX, goodbye).await;
}

/// Serves HTTP/1. A connection that waits for its next request for a while keeps nothing but its socket.
async fn serve_http1<S>(io: S, facts: Arc<ConnectionFacts>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (clock, worker) = (Arc::clone(&facts.clock), Arc::clone(&facts.worker));
    let head_max = facts.listener.settings.limits.max_header_size.max(HEAD_BUFFER_MIN);
    let mut io = Strict::new(io, Arc::clone(&clock));
    let (ended, driven) = loop {
        let facts = Arc::clone(&facts);
        let service = service_fn(move |request| request::handle(Arc::clone(&facts), request));
        let connection = http1::Builder::new()
            .max_buf_size(head_max)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let mut driven = Box::new(Driven::new(Http1(connection), Arc::clone(&clock)));
        let ended = (&mut *driven).await;
        if ended.is_some() || !clock.is_resting() {
            break (ended, driven);
        }
        // Nothing is lost: it rests between two requests, when all that was read is used and all answers are written.
        let Some(parts) = driven.into_inner().0.into_parts().filter(|parts| parts.read_buf.is_empty()) else { return };
        io = parts.io.into_inner();
        let Some(Ok(true)) = clock.obeyed(io.wakes()).await else {
            // TLS says goodbye; a peer that does not take it is not waited for.
            let _ = tokio::time::timeout(GOODBYE_MAX, io.shutdown()).await;
            return;
        };
        clock.wakes();
    };
    if let Some(cause) = clock.malformed() {
        worker.cell.malformed(cause);
        return;
    }
    match ended {
        Some(Err(error)) if error.is_parse_too_large() => worker.cell.malformed("head_too_large"),
        Some(Err(error)) if error.is_parse() => worker.cell.malformed("head"),
        None if clock.is_in_head() => {
            worker.cell.malformed("slow_head");
            let io = driven.into_inner().0.into_parts().and_then(|parts| parts.io.into_inner().with_begun_head());
            if let Some(io) = io.filter(|_| !clock.is_tunnel()) {
                refuse_slow_head(io).await;
            }
        }
        _ => {}
    }
}

async fn serve_http2<S>(io: S, facts: Arc<ConnectionFacts>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (clock, worker) = (Arc::clone(&facts.clock), Arc::clone(&facts.worker));
    clock.speaks_http2();
    let list_max = u32::try_from(facts.listener.settings.limits.max_header_size).unwrap_or(u32::MAX);
    let service = service_fn(move |request| request::handle(Arc::clone(&facts), request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER_MAX)
        .max_header_list_size(list_max)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .keep_alive_interval(PING_EVERY)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(Counted::new(io, Arc::clone(&clock))), service);
    let ended = Driven::new(Http2(connection), Arc::clone(&clock)).await;
    let cause = clock.malformed().or_else(|| match ended {
        Some(Err(error)) => http2_fault(&error),
        _ => None,
    });
    if let Some(cause) = cause {
        worker.cell.malformed(cause);
    }
}

/// What a client did wrong when h2 ended its connection for it.
fn http2_fault(error: &hyper::Error) -> Option<&'static str> {
    let fault = error.source()?.downcast_ref::<h2::Error>()?;
    match fault.reason() {
        _ if !fault.is_library() => None,
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Some("http2_flood"),
        _ => Some("http2"),
    }
}

struct Http1<F>(F);
struct Http2<F>(F);

impl<F: Future + Unpin> Future for Http1<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<F: Future + Unpin> Future for Http2<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<I, S, B> Graceful for Http1<http1::UpgradeableConnection<I, S>>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    const TELLS: bool = false;

    fn finish(mut self: Pin<&mut Self>) {
        Pin::new(&mut self.0).graceful_shutdown();
    }
}

impl<I, S, B, E> Graceful for Http2<http2::Connection<I, S, E>>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    const TELLS: bool = true;

    fn finish(mut self: Pin<&mut Self>) {
        Pin::new(&mut self.0).graceful_shutdown();
    }
}
