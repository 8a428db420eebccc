//! TLS in front of origins in the clear: what is chosen by ALPN says which of them a connection goes on to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::certificate::{Authority, Certificate};

/// One connection that came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Come {
    /// What was chosen.
    pub protocol: String,
    /// The certificate that was shown, DER.
    pub shown: Option<Vec<u8>>,
}

/// A running door; ended when dropped.
pub struct TlsDoor {
    address: SocketAddr,
    come: Arc<Mutex<Vec<Come>>>,
    _runtime: tokio::runtime::Runtime,
}

/// How a door is made.
pub struct Door<'a> {
    /// What it shows.
    pub shown: &'a Certificate,
    /// Whose certificates it demands, if it does.
    pub clients: Option<&'a Authority>,
    /// Where HTTP/1.1 goes.
    pub http1: Option<SocketAddr>,
    /// Where HTTP/2 goes.
    pub http2: Option<SocketAddr>,
}

impl Door<'_> {
    /// Opens it.
    pub fn open(self) -> TlsDoor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = vec![CertificateDer::from_pem_slice(self.shown.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.shown.key.as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut tls = builder.with_single_cert(chain, key).unwrap();
        let offers = [(self.http2, "h2"), (self.http1, "http/1.1")];
        tls.alpn_protocols = offers.iter().filter(|(to, _)| to.is_some()).map(|(_, name)| (*name).into()).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let come = Arc::new(Mutex::new(Vec::new()));
        runtime.spawn(accept(listener, TlsAcceptor::from(Arc::new(tls)), [self.http1, self.http2], Arc::clone(&come)));
        TlsDoor { address, come, _runtime: runtime }
    }
}

impl TlsDoor {
    /// As it stands in a configuration.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The connections that came to be, handshake included.
    pub fn come(&self) -> Vec<Come> {
        self.come.lock().unwrap().clone()
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    [http1, http2]: [Option<SocketAddr>; 2],
    come: Arc<Mutex<Vec<Come>>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, come) = (acceptor.clone(), Arc::clone(&come));
        tokio::spawn(async move {
            let Ok(mut client) = acceptor.accept(client).await else { return };
            let tls = client.get_ref().1;
            let protocol = String::from_utf8_lossy(tls.alpn_protocol().unwrap_or_default()).into_owned();
            let shown = tls.peer_certificates().and_then(|chain| Some(chain.first()?.to_vec()));
            let to = if protocol == "h2" { http2 } else { http1 };
            come.lock().unwrap().push(Come { protocol, shown });
            let Some(to) = to else { return };
            let Ok(mut server) = TcpStream::connect(to).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
