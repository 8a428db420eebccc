//! Certificates that clients show: who may vouch for them, and what is kept of one that was verified.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

use super::files::{TlsError, certificates, next_update, revocation_lists};
use crate::config::ClientAuthorities;

/// Bytes of a client's certificate that are forwarded: as text they are a third more, and upstreams commonly take heads
/// of 8 KiB. Certificates have one or two.
const FORWARDED_MAX: usize = 4_096;

/// A client's certificate that was verified against the listener's authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject as RFC 4514 writes it, whole.
    pub subject: Box<str>,
    /// DNS names, addresses and URIs it holds, each with its kind: `dns:`, `ip:`, `uri:`, `email:`.
    pub names: Box<[Box<str>]>,
    /// SHA-256 of the whole certificate, hexadecimal.
    pub fingerprint: Arc<str>,
    /// As the upstream is told it (RFC 9440 section 2.1), where that was asked for.
    pub forwarded: Option<HeaderValue>,
}

impl ClientCertificate {
    /// What `certificate` says; `None` when it cannot be read, or not be forwarded although it should be.
    pub(super) fn new(certificate: &CertificateDer<'_>, forward: bool) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let names = match parsed.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
            Ok(None) => Box::default(),
            Err(_) => return None,
        };
        let forwarded = if forward { Some(header(certificate)?) } else { None };
        Some(ClientCertificate {
            subject: parsed.subject().to_string().into(),
            names,
            fingerprint: hex::encode(Sha256::digest(certificate)).into(),
            forwarded,
        })
    }
}

/// A byte sequence of RFC 9651 section 3.3.5.
fn header(certificate: &[u8]) -> Option<HeaderValue> {
    if certificate.len() > FORWARDED_MAX {
        return None;
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(format!(":{}:", STANDARD.encode(certificate)))).ok()
}

fn name(name: &GeneralName<'_>) -> Option<Box<str>> {
    let text = match name {
        GeneralName::DNSName(name) => format!("dns:{}", name.to_ascii_lowercase()),
        GeneralName::URI(uri) => format!("uri:{uri}"),
        GeneralName::RFC822Name(address) => format!("email:{address}"),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from)).ok()?;
            format!("ip:{address}")
        }
        _ => return None,
    };
    Some(text.into())
}

/// What verifies the certificates of clients, and what its files held.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Verifies.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// SHA-256 of the authorities and of their revocation lists, which may be large.
    pub digest: [u8; 32],
    /// The files of revocation lists, each with the moment from which one of its lists says nothing any more.
    pub crls_end: Vec<(PathBuf, Timestamp)>,
}

impl Verifier {
    /// One that asks nobody for a certificate.
    pub fn none() -> Self {
        Verifier { verifier: WebPkiClientVerifier::no_client_auth(), digest: [0; 32], crls_end: Vec::new() }
    }

    /// Reads the files of `from`.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn load(from: &ClientAuthorities, is_required: bool, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let wrong = |detail: String| TlsError::Authorities { path: from.ca.display().to_string(), detail };
        let mut digest = Sha256::new();
        let mut roots = RootCertStore::empty();
        for authority in certificates(&from.ca)? {
            digest.update(&authority);
            roots.add(authority).map_err(|e| wrong(e.to_string()))?;
        }
        let (mut lists, mut crls_end) = (Vec::new(), Vec::new());
        for file in &from.crls {
            let read = revocation_lists(file)?;
            let ends = read.iter().map(|list| next_update(list)).min();
            crls_end.extend(ends.map(|ends| (file.clone(), ends)));
            lists.extend(read);
        }
        lists.iter().for_each(|list| digest.update(list));
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        // Whose list is missing or has ended is not known to be good, and is refused.
        let builder = builder.with_crls(lists).enforce_revocation_expiration();
        let builder = if is_required { builder } else { builder.allow_unauthenticated() };
        let verifier = builder.build().map_err(|e| wrong(e.to_string()))?;
        Ok(Verifier { verifier, digest: digest.finalize().into(), crls_end })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn made(sans: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "orders, of all");
        params.subject_alt_names = sans;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn what_is_kept_of_it() {
        let sans = vec![
            SanType::DnsName("Orders.example".try_into().unwrap()),
            SanType::URI("spiffe://example/orders".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
        ];
        let der = made(sans);
        let kept = ClientCertificate::new(&der, true).unwrap();
        assert_eq!(&*kept.subject, "O=Example, CN=orders, of all");
        assert_eq!(
            *kept.names,
            ["dns:orders.example".into(), "uri:spiffe://example/orders".into(), "ip:192.0.2.7".into()]
        );
        assert_eq!(kept.fingerprint.len(), 64);
        let sent = kept.forwarded.unwrap();
        let text = sent.to_str().unwrap().trim_matches(':').to_owned();
        assert_eq!(STANDARD.decode(text).unwrap(), &der[..]);
        assert_eq!(ClientCertificate::new(&der, false).unwrap().forwarded, None);
    }

    #[test]
    fn one_that_is_too_long_to_be_forwarded_is_not_left_out() {
        let uri = |n: usize| SanType::URI(format!("https://example/{}", "a".repeat(n)).try_into().unwrap());
        let fits = FORWARDED_MAX - made(vec![uri(3_000)]).len() + 3_000 - 8;
        assert!(ClientCertificate::new(&made(vec![uri(fits)]), true).is_some());
        let long = made(vec![uri(FORWARDED_MAX)]);
        assert!(ClientCertificate::new(&long, true).is_none());
        assert!(ClientCertificate::new(&long, false).is_some());
    }
}
