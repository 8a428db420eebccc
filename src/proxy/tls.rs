//! TLS on listeners: certificates read from files, anew with every reload.

use std::path::Path;
use std::sync::Arc;

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

/// A listener's TLS settings in force, with what its files held when they were read.
#[derive(Debug)]
pub struct TlsState {
    settings: ListenerTls,
    chain: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
}

impl TlsState {
    /// Reads the files of `settings`.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn load(settings: &ListenerTls) -> Result<Self, TlsError> {
        let (config, chain) = read(settings)?;
        Ok(TlsState { settings: settings.clone(), chain, config })
    }

    /// Whether `other` shows the same certificate in the same way, so that sessions may be resumed across the two.
    pub fn is_same(&self, other: &Self) -> bool {
        self.settings == other.settings && self.chain == other.chain
    }

    /// What it was made from.
    pub fn settings(&self) -> &ListenerTls {
        &self.settings
    }

    /// The settings for a new connection.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// When the certificate ends.
    pub fn expires(&self) -> Timestamp {
        self.chain.first().map_or(Timestamp::MAX, not_after)
    }
}

/// The settings for connections, and the certificates, at least one.
fn read(settings: &ListenerTls) -> Result<(Arc<ServerConfig>, Vec<CertificateDer<'static>>), TlsError> {
    let chain = certificates(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key_file).map_err(|e| unreadable(&settings.key_file, &e))?;
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
        .with_single_cert(chain.clone(), key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), chain))
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
