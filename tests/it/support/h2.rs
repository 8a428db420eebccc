//! An HTTP/2 client, in the clear by prior knowledge or over TLS by ALPN.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::client::Answer;
use super::message::{Ended, Fields};
use super::wait::LIMIT;

/// One HTTP/2 connection.
pub struct H2 {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    scheme: &'static str,
}

impl H2 {
    /// In the clear.
    #[track_caller]
    pub fn open(to: SocketAddr) -> Self {
        let runtime = runtime();
        let sender = runtime.block_on(async { handshake(TcpStream::connect(to).await.unwrap()).await });
        H2 { runtime, sender, authority: to.to_string(), scheme: "http" }
    }

    /// Over TLS to `name`, trusting `authority`; ALPN must settle on `h2`.
    #[track_caller]
    pub fn open_tls(to: SocketAddr, name: &str, authority: &str) -> Self {
        let runtime = runtime();
        let tls = tls_config(authority, &[b"h2", b"http/1.1"]);
        let sender = runtime.block_on(async {
            let stream = connect_tls(to, name, tls).await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            handshake(stream).await
        });
        H2 { runtime, sender, authority: name.to_owned(), scheme: "https" }
    }

    /// Sends a request with these fields and this body, and reads the answer.
    #[track_caller]
    pub fn send(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}://{}{path}", self.scheme, self.authority));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let sender = &mut self.sender;
        let exchange = async {
            sender.ready().await.expect("a connection that takes requests");
            match sender.send_request(request).await {
                Ok(response) => read(response).await,
                Err(error) if is_reset(&error) => Answer { ended: Ended::Cut, ..Answer::none() },
                Err(error) => panic!("an answer, not {error:?}"),
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(LIMIT, exchange).await }).expect("an answer in time")
    }

    /// A GET.
    #[track_caller]
    pub fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("GET", path, fields, b"")
    }
}

/// Whether the stream was reset before the head of an answer.
fn is_reset(error: &hyper::Error) -> bool {
    let h2 = std::error::Error::source(error).and_then(|e| e.downcast_ref::<h2::Error>());
    h2.is_some_and(h2::Error::is_reset)
}

/// Reads an answer to its end; a stream that is reset is [`Ended::Cut`].
async fn read(response: http::Response<hyper::body::Incoming>) -> Answer {
    let list = |map: &http::HeaderMap| {
        Fields(map.iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect())
    };
    let mut answer = Answer { status: response.status().as_u16(), headers: list(response.headers()), ..Answer::none() };
    let mut body = response.into_body();
    answer.ended = Ended::Whole;
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => answer.body.extend_from_slice(&data),
            Ok(Err(other)) => answer.trailers = other.into_trailers().map(|t| list(&t)).unwrap_or_default(),
            Err(_) => {
                answer.ended = Ended::Cut;
                break;
            }
        }
    }
    answer
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn handshake<S>(stream: S) -> SendRequest<Full<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("an HTTP/2 preface");
    tokio::spawn(connection);
    sender
}

/// What a TLS client that trusts only `authority` needs.
pub fn tls_config(authority: &str, alpn: &[&[u8]]) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Arc::new(config)
}

/// Connects over TLS.
pub async fn connect_tls(
    to: SocketAddr,
    name: &str,
    config: Arc<rustls::ClientConfig>,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(config).connect(name, stream).await.expect("a TLS handshake")
}

/// The serial number, in hex, of the certificate that is shown to clients of `name`.
pub fn shown_serial(to: SocketAddr, name: &str, authority: &str) -> String {
    use x509_parser::prelude::FromDer;
    runtime().block_on(async {
        let stream = connect_tls(to, name, tls_config(authority, &[b"http/1.1"])).await;
        let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
        let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(&chain[0]).unwrap();
        certificate.raw_serial_as_string()
    })
}
