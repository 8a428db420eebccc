//! An origin that remembers what it was asked, and answers by the path:
//!
//! | path | answer |
//! | --- | --- |
//! | `/status/NNN` | that status |
//! | `/delay/MS` | after so many milliseconds |
//! | `/bytes/N` | N bytes, their length said |
//! | `/chunked/N` | N bytes in chunks of 64 KiB |
//! | `/echo` | the request's body as it comes, then its trailers |
//! | `/trailers` | a body and two trailers |
//! | `/headers` | the header's fields as the origin saw them, one a line |
//! | `/early` | 413 without reading the body |
//! | `/hold` | nothing until [`Origin::release`] is called; the body is not read before |
//! | `/ws` | a WebSocket that echoes |
//! | `/cors` | fields for pages of any origin |
//! | any other | 200 `hello` |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::message::Fields;
use super::wait::until;

/// Bytes of one piece of a streamed body.
const PIECE: usize = 64 * 1024;

/// A request as the origin saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its target as sent.
    pub target: String,
    /// Its fields; names in lower case.
    pub headers: Fields,
    /// Its body, as far as it was read.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Fields,
    /// Whether its body came to its end.
    pub whole: bool,
}

impl Seen {
    /// The first value of a header field, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    body_bytes: AtomicUsize,
    release: Notify,
}

/// A running origin; ended when dropped.
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    _runtime: tokio::runtime::Runtime,
}

impl Origin {
    /// Starts one on a free port of loopback.
    pub fn start() -> Self {
        Origin::start_at(0)
    }

    /// Starts one on a given port of loopback.
    pub fn start_at(port: u16) -> Self {
        Origin::start_on(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Starts one on a given address of loopback.
    pub fn start_on(address: SocketAddr) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(address)).expect("a port of loopback");
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        runtime.spawn(serve(listener, Arc::clone(&state)));
        Origin { address, state, _runtime: runtime }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request whose body it has read, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The last request; fails if there was none.
    #[track_caller]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the origin was asked")
    }

    /// How many requests came through.
    pub fn count(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    /// How many connections were ever opened to it.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Bytes of request bodies it has read so far.
    pub fn body_bytes(&self) -> usize {
        self.state.body_bytes.load(Ordering::Relaxed)
    }

    /// Waits until it was asked `count` times.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        until(&format!("{count} requests at the origin"), || (self.count() >= count).then_some(()));
    }

    /// Lets a request held at `/hold` go on.
    pub fn release(&self) {
        self.state.release.notify_one();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let _ = connection.await;
        });
    }
}

type Reply = Response<BoxBody<Bytes, hyper::Error>>;

async fn answer(state: Arc<State>, mut request: Request<Incoming>) -> Result<Reply, Infallible> {
    let target = request.uri().to_string();
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let (what, number) = (parts.next().unwrap_or_default(), parts.next().and_then(|n| n.parse::<u64>().ok()));
    let seen = Seen {
        method: request.method().to_string(),
        target,
        headers: fields(request.headers()),
        body: Vec::new(),
        trailers: Fields::default(),
        whole: false,
    };
    match what {
        "ws" => {
            state.seen.lock().unwrap().push(seen);
            return Ok(websocket(&mut request));
        }
        "early" => {
            state.seen.lock().unwrap().push(seen);
            return Ok(reply(StatusCode::PAYLOAD_TOO_LARGE, "too much"));
        }
        "echo" => {
            state.seen.lock().unwrap().push(seen);
            let mut response = Response::new(Counted { body: request.into_body(), state }.boxed());
            response.headers_mut().insert("trailer", HeaderValue::from_static("x-checksum"));
            return Ok(response);
        }
        "hold" => {
            state.seen.lock().unwrap().push(seen.clone());
            state.release.notified().await;
        }
        "delay" => tokio::time::sleep(Duration::from_millis(number.unwrap_or(0))).await,
        _ => {}
    }
    let listed = seen.headers.clone();
    let read = Counted { body: request.into_body(), state: Arc::clone(&state) }.collect().await;
    let whole = read.is_ok();
    let (trailers, body) = match read {
        Ok(body) => (body.trailers().map(fields).unwrap_or_default(), body.to_bytes().to_vec()),
        Err(_) => (Fields::default(), Vec::new()),
    };
    if what != "hold" {
        state.seen.lock().unwrap().push(Seen { body, trailers, whole, ..seen });
    }
    Ok(match (what, number) {
        ("status", Some(code)) => reply(u16::try_from(code).ok().and_then(valid).expect("a status"), "as asked"),
        ("bytes", Some(n)) => Response::new(full(vec![b'x'; usize::try_from(n).expect("a length")])),
        ("chunked", Some(n)) => Response::new(pieces(usize::try_from(n).expect("a length"))),
        ("cors", _) => {
            let mut response = reply(StatusCode::OK, "hello\n");
            for (name, value) in [("access-control-allow-origin", "*"), ("vary", "Accept"), ("x-secret", "1")] {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            response
        }
        ("trailers", _) => with_trailers(),
        ("headers", _) => {
            let text: String = listed.0.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            Response::new(full(text))
        }
        _ => reply(StatusCode::OK, "hello\n"),
    })
}

fn valid(code: u16) -> Option<StatusCode> {
    StatusCode::from_u16(code).ok()
}

fn fields(map: &HeaderMap) -> Fields {
    Fields(map.iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect())
}

fn full(body: impl Into<Bytes>) -> BoxBody<Bytes, hyper::Error> {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed()
}

fn reply(status: StatusCode, text: &'static str) -> Reply {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
    response.headers_mut().insert("x-origin", HeaderValue::from_static("yes"));
    response
}

/// `n` bytes whose length is not said, made as they are taken.
fn pieces(n: usize) -> BoxBody<Bytes, hyper::Error> {
    let stream = futures_util::stream::unfold(n, |left| async move {
        let size = left.min(PIECE);
        (size > 0).then(|| (Ok(Frame::data(Bytes::from(vec![b'x'; size]))), left - size))
    });
    BodyExt::boxed(StreamBody::new(stream))
}

fn with_trailers() -> Reply {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("abc"));
    trailers.insert("x-count", HeaderValue::from_static("5"));
    let frames = [Ok(Frame::data(Bytes::from_static(b"hello"))), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames))));
    response.headers_mut().insert("trailer", HeaderValue::from_static("x-checksum, x-count"));
    response
}

/// Takes the connection over and sends back every message.
fn websocket(request: &mut Request<Incoming>) -> Reply {
    let Some(key) = request.headers().get("sec-websocket-key") else {
        return reply(StatusCode::BAD_REQUEST, "no key");
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            let echo = message.is_text() || message.is_binary();
            if echo && socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", HeaderValue::from_static("upgrade"));
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", HeaderValue::from_str(&accept).expect("base64 is a field value"));
    response
}

/// A request's body whose bytes are counted as they are read.
struct Counted {
    body: Incoming,
    state: Arc<State>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let size = frame.data_ref().map_or(0, Bytes::len);
            self.state.body_bytes.fetch_add(size, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
