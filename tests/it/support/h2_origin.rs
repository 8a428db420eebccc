//! An origin that speaks HTTP/2 and nothing else, and answers by the path:
//!
//! | path | answer |
//! | --- | --- |
//! | `/echo` | the request's body and trailers |
//! | `/grpc` | the request's body, and trailers of gRPC |
//! | `/cut/CODE` | more than a window of a body, then a reset with that code |
//! | `/reset/CODE` | a reset with that code instead of an answer |
//! | `/refuse` | a reset that says it was not looked at, the first time |
//! | `/last` | an answer, and the connection takes no more requests |
//! | `/hold` | nothing until [`H2Origin::release`] is called |
//! | any other | 200 `hello` |

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

use super::certificate::Certificate;
use super::message::Fields;
use super::origin::Seen;
use super::wait::until;

/// Bytes that `/cut` sends: more than fits into a window, so that some were read before the reset.
const CUT_AFTER: usize = 600_000;

struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    arrived: AtomicUsize,
    refused: AtomicUsize,
    release: Semaphore,
    streams_max: u32,
}

/// A running origin; ended when dropped.
pub struct H2Origin {
    address: SocketAddr,
    state: Arc<State>,
    _runtime: tokio::runtime::Runtime,
}

impl H2Origin {
    /// In the clear, by prior knowledge.
    pub fn start() -> Self {
        H2Origin::serving(100, None)
    }

    /// The same, with so many requests at once on a connection.
    pub fn with_streams(streams_max: u32) -> Self {
        H2Origin::serving(streams_max, None)
    }

    /// Over TLS, offering `protocol` by ALPN.
    pub fn over_tls(shown: &Certificate, protocol: &[u8]) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        tls.alpn_protocols = vec![protocol.to_vec()];
        H2Origin::serving(100, Some(Arc::new(tls)))
    }

    fn serving(streams_max: u32, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            release: Semaphore::new(0),
            streams_max,
        });
        runtime.spawn(accept(listener, tls, Arc::clone(&state)));
        H2Origin { address, state, _runtime: runtime }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were ever opened to it.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Every request whose body came to its end or broke off. Targets are whole: scheme, authority, path.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The last of them; fails if there was none.
    #[track_caller]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the origin was asked")
    }

    /// How many requests have come, those that were turned away included.
    pub fn arrived(&self) -> usize {
        self.state.arrived.load(Ordering::Relaxed)
    }

    /// Waits until the heads of so many requests have come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        until(&format!("{count} requests at the origin"), || (self.arrived() >= count).then_some(()));
    }

    /// Lets every request at `/hold` go on.
    pub fn release(&self) {
        self.state.release.add_permits(1_000);
    }
}

async fn accept(listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, state).await,
                Some(tls) => {
                    if let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await {
                        serve(stream, state).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(state.streams_max);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    state.connections.fetch_add(1, Ordering::Relaxed);
    let last = Arc::new(Notify::new());
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                state.arrived.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(request, respond, Arc::clone(&state), Arc::clone(&last)));
            }
            () = last.notified() => connection.graceful_shutdown(),
        }
    }
}

/// Answers; a client that goes away meanwhile is nothing to tell of.
async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    state: Arc<State>,
    last: Arc<Notify>,
) -> Option<()> {
    let path = request.uri().path().to_owned();
    if let Some(code) = path.strip_prefix("/reset/") {
        respond.send_reset(Reason::from(code.parse::<u32>().unwrap()));
        return None;
    }
    if path == "/refuse" && state.refused.fetch_add(1, Ordering::Relaxed) == 0 {
        respond.send_reset(Reason::REFUSED_STREAM);
        return None;
    }
    let seen = read(request).await;
    let (body, trailers) = (Bytes::from(seen.body.clone()), seen.trailers.clone());
    state.seen.lock().unwrap().push(seen);
    if path == "/hold" {
        state.release.acquire().await.ok()?.forget();
    }
    if let Some(code) = path.strip_prefix("/cut/") {
        let mut stream = respond.send_response(Response::new(()), false).ok()?;
        let mut left = CUT_AFTER;
        while left > 0 {
            stream.reserve_capacity(left);
            let n = poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?.min(left);
            stream.send_data(vec![b'x'; n].into(), false).ok()?;
            left -= n;
        }
        stream.send_reset(Reason::from(code.parse::<u32>().unwrap()));
        return None;
    }
    let (body, trailers) = match path.as_str() {
        "/echo" => (body, trailers.0),
        "/grpc" => (body, vec![("grpc-status".to_owned(), "0".to_owned())]),
        _ => (Bytes::from_static(b"hello\n"), Vec::new()),
    };
    let mut map = HeaderMap::new();
    for (name, value) in trailers {
        map.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(response, false).ok()?;
    stream.send_data(body, map.is_empty()).ok()?;
    if !map.is_empty() {
        stream.send_trailers(map).ok()?;
    }
    if path == "/last" {
        last.notify_one();
    }
    Some(())
}

async fn read(request: Request<RecvStream>) -> Seen {
    let list = |map: &HeaderMap| {
        Fields(map.iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect())
    };
    let (head, mut incoming) = request.into_parts();
    let (mut body, mut whole, mut trailers) = (Vec::new(), true, Fields::default());
    while let Some(piece) = incoming.data().await {
        let Ok(piece) = piece else {
            whole = false;
            break;
        };
        let _ = incoming.flow_control().release_capacity(piece.len());
        body.extend_from_slice(&piece);
    }
    if let Ok(Some(found)) = incoming.trailers().await {
        trailers = list(&found);
    }
    let (method, target) = (head.method.to_string(), head.uri.to_string());
    Seen { method, target, headers: list(&head.headers), body, trailers, whole }
}
