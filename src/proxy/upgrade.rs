//! Upgrades: WebSocket over HTTP/1.1 (RFC 6455) and HTTP/2 (RFC 8441), decided like any request and then spliced both
//! ways. Over HTTP/2 it is asked for by an extended CONNECT, which is turned into the GET that it is over HTTP/1.1: what
//! is decided, logged and sent on is the same.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::ResponseBody;
use super::connection::ConnectionFacts;
use super::deadline::{ConnectionClock, Driven, Graceful, Turn};
use super::headers;
use super::rejection::Refused;
use super::request::Arrival;
use super::response::{self, Told};
use super::upstream::Tunnel as UpstreamTunnel;
use super::websocket::{FrameWalk, GOING_AWAY};
use crate::record::{Outcome, Ticket};

/// A client's wish to speak WebSocket.
#[derive(Debug)]
pub struct Wish {
    client: OnUpgrade,
    is_extended: bool,
}

/// Marks a request that came as an extended CONNECT.
#[derive(Debug, Clone, Copy)]
struct ExtendedConnect;

/// A wish the upstream has agreed to.
#[derive(Debug)]
pub struct Switch {
    client: OnUpgrade,
    is_extended: bool,
    upstream: UpstreamTunnel,
    headers: HeaderMap,
}

/// Makes a GET of an extended CONNECT for WebSocket (RFC 8441 section 5). Any other CONNECT stays what it is.
pub fn take_extended_connect(request: &mut Request<Incoming>) {
    let is_extended = *request.method() == Method::CONNECT
        && request.extensions().get::<Protocol>().is_some_and(|p| p.as_str().eq_ignore_ascii_case("websocket"));
    if !is_extended {
        return;
    }
    *request.method_mut() = Method::GET;
    request.extensions_mut().insert(ExtendedConnect);
    // Over HTTP/2 there is none, and over HTTP/1.1 it only shows that the server speaks WebSocket.
    let key = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 16]>());
    if let Ok(key) = HeaderValue::try_from(key) {
        request.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
    }
}

/// Whether the request asks for WebSocket. Other upgrades are not passed on: the request is served as it is.
///
/// # Errors
/// When it asks in a way that RFC 6455 section 4.2.1 does not allow, or has a body.
pub fn wanted(request: &mut Request<Incoming>) -> Result<Option<Wish>, Refused> {
    let headers = request.headers();
    let is_extended = request.extensions().get::<ExtendedConnect>().is_some();
    let asks = || has_token(headers, &CONNECTION, "upgrade") && has_token(headers, &UPGRADE, "websocket");
    if !is_extended && (request.version() != Version::HTTP_11 || !asks()) {
        return Ok(None);
    }
    if *request.method() != Method::GET || !request.body().is_end_stream() {
        return Err(Refused::Upgrade(StatusCode::BAD_REQUEST, "A WebSocket begins with a GET that has no body."));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|v| v.as_bytes() != b"13") {
        let detail = "The WebSocket version served is 13.";
        return Err(Refused::Upgrade(StatusCode::UPGRADE_REQUIRED, detail));
    }
    let engine = &base64::engine::general_purpose::STANDARD;
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|k| engine.decode(k.as_bytes()).ok());
    if key.is_none_or(|k| k.len() != 16) {
        let detail = "Sec-WebSocket-Key is not 16 bytes in base64.";
        return Err(Refused::Upgrade(StatusCode::BAD_REQUEST, detail));
    }
    Ok(Some(Wish { client: hyper::upgrade::on(request), is_extended }))
}

fn has_token(headers: &HeaderMap, name: &http::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .any(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
}

fn announce(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

impl Wish {
    /// Puts the wish for the next hop into the request.
    pub fn announce(&self, headers: &mut HeaderMap) {
        announce(headers);
    }

    /// The upstream has agreed with `headers`, and speaks through `upstream`.
    pub fn agreed(self, headers: HeaderMap, upstream: UpstreamTunnel) -> Switch {
        Switch { client: self.client, is_extended: self.is_extended, upstream, headers }
    }
}

/// Agrees with the client, and splices the two connections until one ends, stands still too long, or Argus stops.
pub fn switch(
    arrival: &Arrival,
    switch: Switch,
    told: &Told,
    (mut ticket, turn): (Box<Ticket>, Turn),
) -> Response<ResponseBody> {
    let Switch { client, is_extended, upstream, mut headers } = switch;
    headers::remove_hop_by_hop(&mut headers);
    let status = if is_extended {
        headers.remove(SEC_WEBSOCKET_ACCEPT);
        headers.remove(CONTENT_LENGTH);
        StatusCode::OK
    } else {
        announce(&mut headers);
        arrival.connection.clock.becomes_tunnel();
        StatusCode::SWITCHING_PROTOCOLS
    };
    response::tell(&mut headers, arrival, told);
    ticket.status = status.as_u16();
    ticket.outcome = Outcome::Answering;
    tokio::spawn(splice(Arc::clone(&arrival.connection), client, upstream, (ticket, turn)));
    let mut response = Response::new(ResponseBody::bare(Bytes::new()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

async fn splice(
    connection: Arc<ConnectionFacts>,
    client: OnUpgrade,
    mut upstream: UpstreamTunnel,
    (mut ticket, mut turn): (Box<Ticket>, Turn),
) {
    // From now on it is for both to move: one that stands still too long is cut off.
    turn.is_clients();
    let Ok(client) = client.await else { return };
    let (received, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    ticket.bytes_in = Some(Arc::clone(&received));
    let (clock, shares) = (Arc::clone(&connection.clock), !connection.sequential);
    let copying = Box::pin(async move {
        let (inner, frames) = (TokioIo::new(client), FrameWalk::default());
        let mut client = Client { inner, received, sent, ticket, clock, shares, frames, goodbye: 0 };
        if tokio::io::copy_bidirectional(&mut client, &mut upstream).await.is_ok() {
            client.ticket.outcome = Outcome::Answered;
        }
    });
    if shares {
        shared(copying, &connection.clock).await;
    } else {
        Driven::new(Tunnel(copying), Arc::clone(&connection.clock)).await;
    }
    drop(turn);
}

/// Drives a tunnel that is one stream of many. Its connection follows orders by itself, and ends the tunnel when it ends;
/// here they only make the tunnel look whether it is time to say goodbye.
async fn shared(copying: impl Future<Output = ()> + Unpin, clock: &ConnectionClock) {
    let mut copying = copying;
    loop {
        let mut order = std::pin::pin!(clock.orders().notified());
        order.as_mut().enable();
        tokio::select! {
            biased;
            () = &mut copying => return,
            () = order => {}
        }
    }
}

struct Tunnel<F>(F);

impl<F: Future + Unpin> Future for Tunnel<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<F> Graceful for Tunnel<F> {
    const TELLS: bool = true;

    /// The client's side sees by its clock that it is time, and says goodbye between two frames.
    fn finish(self: Pin<&mut Self>) {}
}

/// The client's side of a tunnel, counting what passes into the ticket it holds. When Argus is about to stop, the client
/// is told so between two frames, and is then heard no more.
struct Client {
    inner: TokioIo<Upgraded>,
    received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    ticket: Box<Ticket>,
    clock: Arc<ConnectionClock>,
    /// Whether others share the connection, whose bytes then do not tell that this moves.
    shares: bool,
    /// What was sent, frame by frame.
    frames: FrameWalk,
    /// Bytes of the goodbye that were sent.
    goodbye: usize,
}

impl Client {
    fn has_begun_goodbye(&self) -> bool {
        self.goodbye > 0
    }

    fn moved(&self, bytes: usize) {
        if self.shares && bytes > 0 {
            self.clock.tunnel_moves();
        }
    }

    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while self.goodbye < GOING_AWAY.len() {
            let n = ready!(Pin::new(&mut self.inner).poll_write(cx, &GOING_AWAY[self.goodbye..]))?;
            if n == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.goodbye += n;
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.ticket.bytes_out = self.sent.load(Ordering::Relaxed);
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.has_begun_goodbye() || (self.clock.is_draining() && self.frames.is_between_frames()) {
            return self.poll_goodbye(cx);
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let n = buf.filled().len() - before;
        self.received.fetch_add(n as u64, Ordering::Relaxed);
        self.moved(n);
        polled
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.has_begun_goodbye() {
            // Nothing may follow a close frame.
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = polled {
            self.sent.fetch_add(n as u64, Ordering::Relaxed);
            self.frames.pass(&buf[..n]);
            self.moved(n);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
