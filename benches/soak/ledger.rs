//! Origins that remember every request by its number, and can be killed and started again on the same port.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The field in which a request's number stands.
pub const NUMBER: &str = "x-soak-number";

/// How often each request was seen whole, over all origins.
#[derive(Debug, Default)]
pub struct Ledger {
    seen: Mutex<HashMap<u64, u32>>,
}

impl Ledger {
    fn write(&self, number: u64) {
        *self.seen.lock().unwrap().entry(number).or_default() += 1;
    }

    /// How often a request came, and forgets it.
    pub fn take(&self, number: u64) -> u32 {
        self.seen.lock().unwrap().remove(&number).unwrap_or(0)
    }

    /// Requests nobody has asked about.
    pub fn left(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// An origin; [`Origin::kill`] resets what it has open.
#[derive(Debug)]
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    ledger: Arc<Ledger>,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl Origin {
    /// On a port that the kernel chooses.
    pub async fn start(ledger: Arc<Ledger>) -> std::io::Result<Self> {
        let mut origin = Origin { address: SocketAddr::from(([127, 0, 0, 1], 0)), ledger, running: None };
        origin.start_again().await?;
        Ok(origin)
    }

    /// On the same port as before.
    pub async fn start_again(&mut self) -> std::io::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(1_024)?;
        self.address = listener.local_addr()?;
        self.running = Some(tokio::spawn(serve(listener, Arc::clone(&self.ledger))));
        Ok(())
    }

    /// Ends it and everything it has under way.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

async fn serve(listener: TcpListener, ledger: Arc<Ledger>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        let ledger = Arc::clone(&ledger);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&ledger), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.with_upgrades().await;
        });
    }
}

/// Says how many bytes came, and sends as many as `/SIZE` asks for.
async fn answer(ledger: Arc<Ledger>, mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(key) = request.headers().get("sec-websocket-key") {
        let accept = derive_accept_key(key.as_bytes());
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(echo(upgrade));
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let fields = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", accept.as_str())];
        for (name, value) in fields {
            response.headers_mut().insert(name, HeaderValue::from_str(value).expect("a field value"));
        }
        return Ok(response);
    }
    let number = request.headers().get(NUMBER).and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(0);
    let size = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
    let Ok(body) = request.into_body().collect().await else {
        return Ok(Response::new(Full::default()));
    };
    let received = body.to_bytes().len();
    ledger.write(number);
    let mut response = Response::new(Full::new(Bytes::from(vec![b'x'; size])));
    response.headers_mut().insert("x-soak-received", received.into());
    response.headers_mut().insert(NUMBER, number.into());
    Ok(response)
}

async fn echo(upgrade: hyper::upgrade::OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}
