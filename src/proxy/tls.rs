//! TLS on listeners: certificates read from files, swapped when the files change.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::ListenerTls;

/// What may be wrong with certificate files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {detail}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        detail: String,
    },
    /// A file holds no certificate.
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(String),
    /// Key and certificate do not go together, or neither is usable.
    #[error("the certificate {certificate} and the key {key} cannot be used: {source}")]
    Unusable {
        /// Certificate file.
        certificate: String,
        /// Key file.
        key: String,
        /// What rustls says.
        source: rustls::Error,
    },
}

/// A listener's TLS settings in force.
#[derive(Debug)]
pub struct TlsState {
    settings: ListenerTls,
    config: ArcSwap<ServerConfig>,
    expires: ArcSwap<Timestamp>,
}

impl TlsState {
    /// Reads the files of `settings`.
    pub fn load(settings: &ListenerTls) -> Result<Self, TlsError> {
        let (config, expires) = read(settings)?;
        let (config, expires) = (ArcSwap::from(config), ArcSwap::from_pointee(expires));
        Ok(TlsState { settings: settings.clone(), config, expires })
    }

    /// Reads the files again; connections made from now on use what they hold. On an error nothing changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        let (config, expires) = read(&self.settings)?;
        self.config.store(config);
        self.expires.store(Arc::new(expires));
        Ok(())
    }

    /// What it was made from.
    pub fn settings(&self) -> &ListenerTls {
        &self.settings
    }

    /// The settings for a new connection.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// When the certificate ends.
    pub fn expires(&self) -> Timestamp {
        **self.expires.load()
    }
}

fn read(settings: &ListenerTls) -> Result<(Arc<ServerConfig>, Timestamp), TlsError> {
    let chain = certificates(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key_file).map_err(|e| unreadable(&settings.key_file, &e))?;
    let expires = not_after(&chain[0]);
    let versions: &[&rustls::SupportedProtocolVersion] =
        if settings.allow_tls12 { rustls::ALL_VERSIONS } else { &[&rustls::version::TLS13] };
    let unusable = |source| TlsError::Unusable {
        certificate: settings.certificate.display().to_string(),
        key: settings.key_file.display().to_string(),
        source,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), expires))
}

/// The certificates of a PEM file, at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unreadable(path, &e))?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.display().to_string())) } else { Ok(chain) }
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> TlsError {
    let path = path.display().to_string();
    match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::NoCertificate(path),
        other => TlsError::Read { path, detail: other.to_string() },
    }
}

fn not_after(certificate: &CertificateDer<'_>) -> Timestamp {
    x509_parser::parse_x509_certificate(certificate)
        .ok()
        .and_then(|(_, parsed)| Timestamp::from_second(parsed.validity().not_after.timestamp()).ok())
        .unwrap_or(Timestamp::MAX)
}
