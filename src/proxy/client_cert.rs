//! The fields in which an upstream is told the client's certificate: nobody but Argus and trusted proxies says it.

use http::{HeaderMap, HeaderName, HeaderValue};

/// `Client-Cert` (RFC 9440 section 2.2).
pub const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
/// `Client-Cert-Chain` (RFC 9440 section 2.3).
pub const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
/// What other proxies tell it in.
const X_FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// Sets the fields in which an upstream is told the client's certificate (RFC 9440 section 2.4): what an untrusted peer
/// says there is deleted, and `shown`, which was verified here, takes the place of anybody's word.
pub fn announce(headers: &mut HeaderMap, trusted: bool, shown: Option<&HeaderValue>) {
    if !trusted || shown.is_some() {
        while let Some(told) = headers.keys().find(|name| tells_certificate(name)).cloned() {
            headers.remove(told);
        }
    }
    if let Some(shown) = shown {
        headers.insert(CLIENT_CERT, shown.clone());
    }
}

/// Whether it is one of these fields, or one that some servers take for it, as they read `_` as `-`.
fn tells_certificate(name: &HeaderName) -> bool {
    let is_folded = |field: &HeaderName| {
        let (name, field) = (name.as_str().as_bytes(), field.as_str().as_bytes());
        name.len() == field.len() && name.iter().zip(field).all(|(a, b)| a == b || (*a == b'_' && *b == b'-'))
    };
    [CLIENT_CERT, CLIENT_CERT_CHAIN, X_FORWARDED_CLIENT_CERT].iter().any(is_folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_certificate_it_is() {
        let shown = HeaderValue::from_static(":c2hvd24=:");
        let check = |trusted, shown: Option<&HeaderValue>, told: &[&str]| {
            let forged =
                [("client-cert", ":eA==:"), ("client-cert-chain", ":eA==:"), ("x-forwarded-client-cert", "Hash=1")];
            let mut h: HeaderMap =
                forged.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect();
            announce(&mut h, trusted, shown);
            assert_eq!(
                {
                    let mut names: Vec<&str> = h.keys().map(HeaderName::as_str).collect();
                    names.sort_unstable();
                    names
                },
                told,
                "{trusted} {shown:?}"
            );
            h.get("client-cert").cloned()
        };
        check(false, None, &[]);
        let mut folded = HeaderMap::from_iter([(HeaderName::from_static("client_cert"), shown.clone())]);
        announce(&mut folded, false, None);
        assert!(folded.is_empty());
        check(true, None, &["client-cert", "client-cert-chain", "x-forwarded-client-cert"]);
        assert_eq!(check(false, Some(&shown), &["client-cert"]).as_ref(), Some(&shown));
        assert_eq!(check(true, Some(&shown), &["client-cert"]).as_ref(), Some(&shown));
    }
}
