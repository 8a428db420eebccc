//! Certificates and keys as files hold them.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::config::TlsCertificate;

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
    /// A file holds no revocation list.
    #[error("{0} holds no revocation list in PEM form")]
    NoRevocationList(String),
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
    /// The authorities of client certificates cannot be used.
    #[error("the authorities in {path} cannot be used: {detail}")]
    Authorities {
        /// The file.
        path: String,
        /// Why.
        detail: String,
    },
    /// The settings cannot be used.
    #[error("TLS cannot be spoken with these settings")]
    Settings(#[source] rustls::Error),
}

/// Reads a certificate with its key; the certificate is usable and the key belongs to it.
pub(super) fn certified_key(files: &TlsCertificate, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key_file)?;
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(|source| TlsError::Unusable {
        certificate: files.certificate.display().to_string(),
        key: files.key_file.display().to_string(),
        source,
    })?;
    Ok(Arc::new(certified))
}

/// The private key of a PEM file.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| unreadable(path, &e))
}

/// The certificates of a PEM file, at least one.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unreadable(path, &e))?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.display().to_string())) } else { Ok(chain) }
}

/// The revocation lists of a PEM file, at least one.
pub(super) fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let lists = CertificateRevocationListDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unreadable(path, &e))?;
    if lists.is_empty() { Err(TlsError::NoRevocationList(path.display().to_string())) } else { Ok(lists) }
}

/// When a revocation list ends. One that does not say so, or cannot be read, tells nothing at any time.
pub(super) fn next_update(list: &[u8]) -> Timestamp {
    CertificateRevocationList::from_der(list)
        .ok()
        .and_then(|(_, parsed)| Timestamp::from_second(parsed.next_update()?.timestamp()).ok())
        .unwrap_or(Timestamp::MIN)
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> TlsError {
    let path = path.display().to_string();
    match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::NoCertificate(path),
        other => TlsError::Read { path, detail: other.to_string() },
    }
}

/// When a certificate ends.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Timestamp {
    x509_parser::parse_x509_certificate(certificate)
        .ok()
        .and_then(|(_, parsed)| Timestamp::from_second(parsed.validity().not_after.timestamp()).ok())
        .unwrap_or(Timestamp::MAX)
}
