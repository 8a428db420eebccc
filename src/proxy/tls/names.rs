//! Which certificate is shown to a client that names a host (RFC 6066 section 3): one that holds the name exactly, else
//! one with a wildcard in place of its first label (RFC 9525 section 6.3), else the first.
//!
//! Two certificates may hold one name, with keys of different kinds: the client gets the first it can verify.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;

/// The certificates of a listener by the names they hold.
#[derive(Debug)]
pub(super) struct ByName {
    /// Names as they stand, wildcards as `*.example.com`; values are places in `all`, in its order.
    names: HashMap<Box<str>, Vec<usize>>,
    /// At least one.
    all: Vec<Arc<CertifiedKey>>,
}

impl ByName {
    /// `all` are the certificates, the first for clients that name nothing known.
    pub fn new(all: Vec<Arc<CertifiedKey>>) -> Self {
        let mut names: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (at, certified) in all.iter().enumerate() {
            for name in certified.cert.first().map(|c| dns_names(c)).unwrap_or_default() {
                let places = names.entry(name.into()).or_default();
                if places.last() != Some(&at) {
                    places.push(at);
                }
            }
        }
        ByName { names, all }
    }

    fn places(&self, name: &str) -> Option<&[usize]> {
        let exact = self.names.get(name);
        let found = exact.or_else(|| {
            let (first, rest) = name.split_once('.')?;
            if first.is_empty() { None } else { self.names.get(format!("*.{rest}").as_str()) }
        });
        found.map(Vec::as_slice)
    }

    /// The certificate for a client that names `name` and verifies signatures of `schemes`.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        let lower = name.map(|n| n.trim_end_matches('.').to_ascii_lowercase());
        let places = lower.as_deref().and_then(|n| self.places(n)).unwrap_or(&[0]);
        let mut fitting = places.iter().filter_map(|at| self.all.get(*at));
        let first = fitting.clone().next();
        fitting.find(|certified| certified.key.choose_scheme(schemes).is_some()).or(first)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes()).cloned()
    }
}

/// The DNS names of a certificate, lower-case. Those of its subject count for nothing, as no client looks there.
pub(super) fn dns_names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return Vec::new() };
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return Vec::new() };
    let dns = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    dns.collect()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    fn certified(names: &[&str], kind: &'static rcgen::SignatureAlgorithm) -> Arc<CertifiedKey> {
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Arc::new(CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider).unwrap())
    }

    const ECDSA: &[SignatureScheme] = &[SignatureScheme::ECDSA_NISTP256_SHA256];

    #[track_caller]
    fn check(all: &ByName, name: Option<&str>, place: usize) {
        let chosen = all.choose(name, ECDSA).unwrap();
        let at = all.all.iter().position(|c| Arc::ptr_eq(c, chosen));
        assert_eq!(at, Some(place), "{name:?}");
    }

    #[test]
    fn exact_before_wildcard_before_first() {
        let p256 = &rcgen::PKCS_ECDSA_P256_SHA256;
        let all = ByName::new(vec![
            certified(&["first.example"], p256),
            certified(&["*.example.com", "example.com"], p256),
            certified(&["API.example.com"], p256),
        ]);
        check(&all, None, 0);
        check(&all, Some("elsewhere.example"), 0);
        check(&all, Some("api.example.com"), 2);
        check(&all, Some("Api.Example.com."), 2);
        check(&all, Some("other.example.com"), 1);
        check(&all, Some("example.com"), 1);
        check(&all, Some("a.b.example.com"), 0);
        check(&all, Some(".example.com"), 0);
        check(&all, Some("*"), 0);
    }

    #[test]
    fn of_two_the_one_that_the_client_can_verify() {
        let all = ByName::new(vec![
            certified(&["other.example"], &rcgen::PKCS_ECDSA_P256_SHA256),
            certified(&["a.example"], &rcgen::PKCS_ED25519),
            certified(&["a.example"], &rcgen::PKCS_ECDSA_P256_SHA256),
        ]);
        check(&all, Some("a.example"), 2);
        let both = [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519];
        assert!(Arc::ptr_eq(all.choose(Some("a.example"), &both).unwrap(), &all.all[1]));
        let neither = [SignatureScheme::RSA_PSS_SHA256];
        assert!(Arc::ptr_eq(all.choose(Some("a.example"), &neither).unwrap(), &all.all[1]), "and rustls refuses it");
    }
}
