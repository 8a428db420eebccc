//! TLS to an admin side elsewhere: the certificates of `$SSL_CERT_FILE`, else the usual public authorities.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::exit::{Exit, Failure};
use super::locate::Server;

/// Speaks TLS over `stream`, once the server has proven to be the one that was named.
pub async fn wrap(stream: TcpStream, server: &Server) -> Result<TlsStream<TcpStream>, Failure> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::failed(format!("cannot speak TLS: {e}")))?
        .with_root_certificates(roots()?)
        .with_no_client_auth();
    let name = ServerName::try_from(server.host.clone())
        .map_err(|_| Failure::usage(format!("`{}` cannot stand in a certificate", server.host)))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| {
        Failure::new(Exit::Unreachable, format!("no TLS with {}: {e}", server.authority()))
            .hint("SSL_CERT_FILE names a PEM file of further authorities")
    })
}

fn roots() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    match std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let wrong = |e: &dyn std::fmt::Display| {
                Failure::usage(format!("cannot read the certificates of `{}`: {e}", path.display()))
            };
            for certificate in CertificateDer::pem_file_iter(&path).map_err(|e| wrong(&e))? {
                roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
            }
        }
    }
    Ok(roots)
}
