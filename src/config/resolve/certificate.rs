//! Certificate and key files: readable, understood, and belonging together.

use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::config::CERTIFICATE_SOON;
use crate::config::secrets::{read_bounded, reason};

/// Largest file of certificates or keys, in bytes.
const PEM_BYTES_MAX: usize = 1 << 20;

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("certificate {} cannot be used: {why}", path.display())]
    Certificate { path: PathBuf, why: String },
    #[error("private key {} cannot be used: {why}", path.display())]
    Key { path: PathBuf, why: String },
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

/// The certificates of a PEM file, at least one.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let wrong = |why: String| CertificateError::Certificate { path: path.to_owned(), why };
    let pem = read_bounded(path, PEM_BYTES_MAX).map_err(|e| wrong(reason(&e)))?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|e| wrong(format!("not PEM: {e}")))?;
    if chain.is_empty() {
        return Err(wrong("it holds no `BEGIN CERTIFICATE`".into()));
    }
    for (n, certificate) in chain.iter().enumerate() {
        X509Certificate::from_der(certificate)
            .map_err(|_| wrong(format!("certificate {} in it is not an X.509 certificate", n + 1)))?;
    }
    Ok(chain)
}

/// The private key of a PEM file.
pub(super) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let wrong = |why: String| CertificateError::Key { path: path.to_owned(), why };
    let pem = read_bounded(path, PEM_BYTES_MAX).map(Zeroizing::new).map_err(|e| wrong(reason(&e)))?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| wrong("it holds no unencrypted private key in PEM".into()))
        .and_then(|key| match any_supported_type(&key) {
            Ok(_) => Ok(key),
            Err(_) => Err(wrong("its kind is not supported: use ECDSA, Ed25519 or RSA".into())),
        })
}

/// Whether the key belongs to the first certificate.
pub(super) fn check_pair(
    chain: &[CertificateDer<'static>],
    key: PrivateKeyDer<'static>,
) -> Result<(), CertificateError> {
    let Ok(signing) = any_supported_type(&key) else { return Ok(()) };
    match CertifiedKey::new(chain.to_vec(), signing).keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Err(CertificateError::Mismatch),
        // A key that cannot tell its public half is not proven wrong.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says so when the first certificate is not valid at this moment, or ends soon.
pub(super) fn outside_its_time(chain: &[CertificateDer<'static>]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let validity = certificate.validity();
    let now = x509_parser::time::ASN1Time::now();
    if validity.not_after < now {
        Some(format!("the certificate expired on {}", validity.not_after))
    } else if validity.not_before > now {
        Some(format!("the certificate is valid only from {}", validity.not_before))
    } else if validity.not_after.timestamp() - now.timestamp() < CERTIFICATE_SOON.as_secs() {
        Some(format!("the certificate expires on {}, in less than two weeks", validity.not_after))
    } else {
        None
    }
}
