//! Clients of every kind, each of which knows what it asked for and what it must get.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::ledger::{Ledger, NUMBER};

/// Longest wait for anything: an upstream's own time is over before.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Requests on one connection before another is opened.
const REQUESTS_PER_CONNECTION: u64 = 2_000;

/// What all clients share.
#[derive(Debug)]
pub struct Field {
    /// Plain HTTP.
    pub plain: SocketAddr,
    /// TLS.
    pub tls: SocketAddr,
    /// What TLS clients trust.
    pub roots: Mutex<Arc<rustls::ClientConfig>>,
    /// The key every request carries.
    pub key: String,
    /// What the origins have seen.
    pub ledger: Arc<Ledger>,
    /// Whether to stop.
    pub over: AtomicBool,
    /// Until when failures may come of an origin that was killed.
    pub excused: Mutex<Option<Instant>>,
    next: AtomicU64,
    /// Requests that were answered as they must be.
    pub good: AtomicU64,
    /// Requests that failed while an origin was away.
    pub failed: AtomicU64,
    /// WebSocket messages that came back.
    pub messages: AtomicU64,
    /// What must not happen.
    pub faults: Mutex<Vec<String>>,
}

impl Field {
    /// Before anything was sent.
    pub fn new(
        plain: SocketAddr,
        tls: SocketAddr,
        roots: Arc<rustls::ClientConfig>,
        key: String,
        ledger: Arc<Ledger>,
    ) -> Self {
        Field {
            plain,
            tls,
            roots: Mutex::new(roots),
            key,
            ledger,
            over: AtomicBool::new(false),
            excused: Mutex::new(None),
            next: AtomicU64::new(1),
            good: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            faults: Mutex::default(),
        }
    }

    /// Whether it is time to stop.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn failed(&self, what: String, begun: Instant) {
        if self.excused.lock().is_some_and(|until| begun < until) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        } else {
            self.fault(what);
        }
    }

    /// Writes down what must not happen.
    pub fn fault(&self, what: String) {
        let mut faults = self.faults.lock();
        if faults.len() < 1_000 {
            faults.push(what);
        }
    }
}

/// A connection of either version.
enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

/// How a client speaks.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Whether over TLS.
    pub tls: bool,
    /// Whether HTTP/2.
    pub http2: bool,
    /// Largest body either way.
    pub body_max: usize,
}

async fn open(field: &Field, way: Way) -> Result<Sender, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(if way.tls { field.tls } else { field.plain }).await?;
    stream.set_nodelay(true)?;
    if !way.tls {
        return handshake(TokioIo::new(stream), way).await;
    }
    let mut config = (**field.roots.lock()).clone();
    config.alpn_protocols = vec![if way.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(ServerName::try_from("soak.example")?, stream).await?;
    handshake(TokioIo::new(stream), way).await
}

async fn handshake<S>(io: S, way: Way) -> Result<Sender, Box<dyn std::error::Error + Send + Sync>>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    if way.http2 {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Sender::Two(sender))
    } else {
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Sender::One(sender))
    }
}

/// Asks until it is over, one request after the other.
pub async fn ask(field: Arc<Field>, way: Way) {
    while !field.is_over() {
        let begun = Instant::now();
        let mut sender = match tokio::time::timeout(WAIT_MAX, open(&field, way)).await {
            Ok(Ok(sender)) => sender,
            Ok(Err(error)) => {
                field.fault(format!("no connection ({way:?}): {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(_) => return field.fault(format!("no connection in {WAIT_MAX:?} after {begun:?}")),
        };
        for _ in 0..REQUESTS_PER_CONNECTION {
            if field.is_over() || !exchange(&field, &mut sender, way).await {
                break;
            }
        }
    }
}

/// One request; whether the connection may take another.
async fn exchange(field: &Field, sender: &mut Sender, way: Way) -> bool {
    let (number, begun) = (field.next.fetch_add(1, Ordering::Relaxed), Instant::now());
    let draw: usize = rand::random_range(0..way.body_max.max(1));
    let is_post = number.is_multiple_of(3);
    let (sent, asked) = if is_post { (draw, 16) } else { (0, draw) };
    let method = if is_post { Method::POST } else { Method::GET };
    let target = if way.http2 { format!("http://soak.example/{asked}") } else { format!("/{asked}") };
    let request = Request::builder().method(method).uri(target).header("host", "soak.example");
    let request = request.header("x-api-key", &field.key).header(NUMBER, number);
    let request = request.body(Full::new(Bytes::from(vec![b'y'; sent]))).expect("a request");
    let whole = async {
        let answer = sender.send(request).await?;
        let (head, body) = answer.into_parts();
        let ends = head.headers.get("connection").is_some_and(|v| v == "close");
        Ok::<_, hyper::Error>((head, body.collect().await?.to_bytes().len(), ends))
    };
    let result = tokio::time::timeout(WAIT_MAX, whole).await;
    let seen = field.ledger.take(number);
    if is_post && seen > 1 {
        field.fault(format!("request {number} was sent {seen} times"));
    }
    match result {
        Ok(Ok((head, length, ends))) if head.status == StatusCode::OK => {
            let told = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
            if told(NUMBER) != Some(number) || length != asked || told("x-soak-received") != Some(sent as u64) {
                field.fault(format!(
                    "request {number}: another's answer, or not all of it: {head:?}, {length} of {asked}"
                ));
            } else if seen == 0 {
                field.fault(format!("request {number} was answered and never came"));
            }
            field.good.fetch_add(1, Ordering::Relaxed);
            !ends
        }
        Ok(Ok((head, _, ends))) => {
            field.failed(format!("request {number}: {}", head.status), begun);
            !ends
        }
        Ok(Err(error)) => {
            field.failed(format!("request {number} ({way:?}): {error:?}"), begun);
            false
        }
        Err(_) => {
            let excuse = *field.excused.lock();
            field.fault(format!(
                "request {number} ({way:?}): no answer in {WAIT_MAX:?}, seen {seen}, {begun:?}, {excuse:?}"
            ));
            false
        }
    }
}

/// Sends messages and reads them back until it is over; a new conversation every hundred messages.
pub async fn talk(field: Arc<Field>) {
    while !field.is_over() {
        let begun = Instant::now();
        if let Err(error) = tokio::time::timeout(WAIT_MAX, conversation(&field)).await.unwrap_or_else(|e| Err(e.into()))
        {
            field.failed(format!("WebSocket: {error}"), begun);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn conversation(field: &Field) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut request = format!("ws://{}/", field.plain).into_client_request()?;
    request.headers_mut().insert("x-api-key", field.key.parse()?);
    let stream = TcpStream::connect(field.plain).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    for n in 0..100_u32 {
        let text = format!("message {n} {}", "z".repeat(rand::random_range(0..5_000)));
        socket.send(Message::text(text.clone())).await?;
        match socket.next().await {
            Some(Ok(Message::Text(back))) if back.as_str() == text => field.messages.fetch_add(1, Ordering::Relaxed),
            other => {
                return Err(format!("message {n} came back as {other:?}").chars().take(200).collect::<String>().into());
            }
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    socket.close(None).await?;
    Ok(())
}
