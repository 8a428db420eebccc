//! Files of revocation lists (RFC 5280 section 5): readable, and understood.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::config::secrets::{read_bounded, reason};

/// Largest file of revocation lists, in bytes: some 700,000 certificates, which take about three times that in memory.
const CRL_BYTES_MAX: usize = 32 << 20;

/// The lists of a PEM file, at least one; or why there are none.
pub(super) fn read(
    path: &Path,
    authorities: &[CertificateDer<'static>],
) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let pem = read_bounded(path, CRL_BYTES_MAX).map_err(|e| reason(&e))?;
    let lists = CertificateRevocationListDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let lists = lists.map_err(|e| format!("not PEM: {e}"))?;
    if lists.is_empty() {
        return Err("it holds no `BEGIN X509 CRL`".into());
    }
    // What verifies clients understands less than there is: no lists of changes, for example.
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned());
    if !roots.is_empty() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_crls(lists.clone()).build().map_err(|e| e.to_string())?;
    }
    Ok(lists)
}

/// When the first of them that has ended did so.
pub(super) fn ended(lists: &[CertificateRevocationListDer<'static>]) -> Option<String> {
    let now = x509_parser::time::ASN1Time::now();
    let ends = lists.iter().filter_map(|list| CertificateRevocationList::from_der(list).ok()?.1.next_update());
    ends.filter(|ends| *ends < now).min().map(|ends| ends.to_string())
}
