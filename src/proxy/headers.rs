//! Headers on their way through: what concerns one hop stays on it, what a client might forge never passes, and what
//! Argus knows is added.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client_addr::{X_FORWARDED_FOR, X_FORWARDED_PROTO};
use crate::config::CredentialPlace;

/// `X-Forwarded-Host`.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Forwarded-Port`.
pub const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// `X-Real-IP`.
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// `X-Request-Id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Fields of one hop (RFC 9110 section 7.6.1). `TE` and `Trailer` are handled apart.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
    UPGRADE,
    HTTP2_SETTINGS,
];

/// Fields a client cannot name away by listing them in `Connection`.
fn is_protected(name: &HeaderName) -> bool {
    [HOST, CONTENT_LENGTH, VIA, FORWARDED, X_REAL_IP, X_REQUEST_ID].contains(name)
        || name.as_str().starts_with("x-forwarded-")
}

/// Whether a field may stand in trailers: not what frames, routes, authenticates or identifies (RFC 9110 section 6.5.1).
pub fn allowed_in_trailers(name: &HeaderName) -> bool {
    let text = name.as_str();
    let forbidden = [
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-api-key",
        "x-real-ip",
        "x-request-id",
    ];
    !forbidden.contains(&text) && !text.starts_with("x-forwarded-") && !folded_starts_with(text, "argus-")
}

/// Removes what concerns the hop just made, whatever `Connection` names included.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .filter_map(|n| n.trim().parse().ok())
            .filter(|n| !is_protected(n))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    if headers.contains_key(TRAILER) {
        keep_trailers(headers, allowed_in_trailers);
    }
}

/// A request's trailers hold no credential and nothing that only Argus may say: what `Trailer` does not announce is not
/// sent to the upstream.
pub fn keep_honest_trailers(headers: &mut HeaderMap, identity_prefix: &str, credentials: &[CredentialPlace]) {
    if headers.contains_key(TRAILER) {
        let is_credential = |name: &HeaderName| {
            credentials.iter().any(|place| matches!(place, CredentialPlace::Header(field) if field == name))
        };
        keep_trailers(headers, |name| {
            let text = name.as_str();
            !text.contains('_') && !folded_starts_with(text, identity_prefix) && !is_credential(name)
        });
    }
}

/// `Trailer` announces to the next hop only what may pass.
pub fn keep_trailers(headers: &mut HeaderMap, may_pass: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers
        .get_all(TRAILER)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|n| n.trim().parse().ok())
        .filter(may_pass)
        .collect();
    headers.remove(TRAILER);
    for name in names {
        headers.append(TRAILER, name.into());
    }
}

/// Whether `name` begins with `prefix` after `_` is read as `-`, as CGI and WSGI do.
fn folded_starts_with(name: &str, prefix: &str) -> bool {
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b'-'))
}

/// Removes from a request what only Argus may say, and names with `_`, which some servers read as `-`. `keep` are the
/// fields in which a credential stands that is to be forwarded.
pub fn remove_forgeable(headers: &mut HeaderMap, identity_prefix: &str, keep: &[HeaderName]) {
    let is_bad = |name: &HeaderName| {
        let text = name.as_str();
        (text.contains('_') || folded_starts_with(text, identity_prefix)) && !keep.contains(name)
    };
    while let Some(bad) = headers.keys().find(|n| is_bad(n)).cloned() {
        headers.remove(bad);
    }
}

/// What Argus knows of where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The connection's peer.
    pub peer: IpAddr,
    /// Whether the peer's word in these fields is taken.
    pub trusted: bool,
    /// The client's address.
    pub client: IpAddr,
    /// Whether the request came over TLS.
    pub tls: bool,
    /// `Host` as sent.
    pub host: Option<&'a HeaderValue>,
    /// The listener's port.
    pub port: u16,
    /// HTTP version of the request, as `Via` tells it.
    pub version: http::Version,
}

/// Sets the forwarding fields. What an untrusted peer says of them is deleted; a trusted peer's word is continued.
pub fn set_forwarding(headers: &mut HeaderMap, origin: &Origin<'_>) {
    headers.remove(FORWARDED);
    let peer = address(origin.peer);
    if origin.trusted {
        let chain =
            headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
        let chain = if chain.is_empty() { peer } else { joined(&chain, peer.as_bytes()) };
        headers.insert(X_FORWARDED_FOR, chain);
        headers.entry(X_FORWARDED_PROTO).or_insert_with(|| scheme(origin.tls));
        if let Some(host) = origin.host {
            headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
        }
        headers.entry(X_FORWARDED_PORT).or_insert_with(|| origin.port.into());
    } else {
        while let Some(told) = headers.keys().find(|n| n.as_str().starts_with("x-forwarded-")).cloned() {
            headers.remove(told);
        }
        // They differ where the client was told in another field that is trusted.
        let chain = if origin.client == origin.peer {
            peer
        } else {
            joined(address(origin.client).as_bytes(), peer.as_bytes())
        };
        headers.insert(X_FORWARDED_FOR, chain);
        headers.insert(X_FORWARDED_PROTO, scheme(origin.tls));
        if let Some(host) = origin.host {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
        headers.insert(X_FORWARDED_PORT, origin.port.into());
        headers.remove(VIA);
    }
    headers.insert(X_REAL_IP, address(origin.client));
    headers.append(VIA, via(origin.version));
}

fn scheme(tls: bool) -> HeaderValue {
    HeaderValue::from_static(if tls { "https" } else { "http" })
}

/// `Via` for a message received in `version` (RFC 9110 section 7.6.3).
pub fn via(version: http::Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        http::Version::HTTP_10 => "1.0 argus",
        http::Version::HTTP_2 => "2 argus",
        _ => "1.1 argus",
    })
}

fn address(ip: IpAddr) -> HeaderValue {
    use std::io::Write;
    let mut text = [0_u8; 48];
    let mut rest = &mut text[..];
    // The longest address has 45 characters.
    let _ = write!(rest, "{ip}");
    let len = 48 - rest.len();
    HeaderValue::from_bytes(&text[..len]).unwrap_or(HeaderValue::from_static("unknown"))
}

fn joined(chain: &[u8], last: &[u8]) -> HeaderValue {
    let whole = [chain, b", ", last].concat();
    HeaderValue::from_maybe_shared(bytes::Bytes::from(whole)).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Removes `Expect`, which Argus has answered itself, and `TE` but for `trailers` (RFC 9110 section 10.1.4).
pub fn rebuild_for_upstream(headers: &mut HeaderMap) {
    headers.remove(EXPECT);
    let trailers = headers
        .get_all(TE)
        .iter()
        .any(|v| v.to_str().is_ok_and(|t| t.split(',').any(|w| w.trim().eq_ignore_ascii_case("trailers"))));
    headers.remove(TE);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Joins the pieces in which HTTP/2 may send `Cookie` (RFC 9113 section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let pieces: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..]))
    {
        headers.insert(COOKIE, whole);
    }
}

/// Removes fields by which some servers take a request for one by another method than that which was decided about.
pub fn remove_method_overrides(headers: &mut HeaderMap) {
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        headers.remove(name);
    }
}

/// Cuts the cookie `name` out of `Cookie`, and the field itself if nothing is left.
pub fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    let values: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for value in values {
        let Ok(text) = value.to_str() else { continue };
        let is_other = |pair: &&str| pair.split_once('=').map_or(*pair, |(n, _)| n).trim() != name;
        let kept: Vec<&str> = text.split(';').map(str::trim).filter(|p| !p.is_empty()).filter(is_other).collect();
        if !kept.is_empty()
            && let Ok(value) = HeaderValue::from_str(&kept.join("; "))
        {
            headers.append(COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn one_hop_stays_one_hop() {
        let mut h = map(&[
            ("connection", "close, X-Private, Host, x-forwarded-for"),
            ("x-private", "1"),
            ("host", "a"),
            ("te", "gzip, trailers"),
            ("x-forwarded-for", "1.1.1.1"),
            ("upgrade", "h2c"),
            ("keep-alive", "5"),
            ("proxy-authorization", "x"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x-sum, Authorization"),
            ("accept", "*/*"),
            ("http2-settings", "x"),
        ]);
        remove_hop_by_hop(&mut h);
        rebuild_for_upstream(&mut h);
        assert_eq!(names(&h), ["accept", "host", "te", "trailer", "x-forwarded-for"]);
        assert_eq!((h["te"].to_str().unwrap(), h["trailer"].to_str().unwrap()), ("trailers", "x-sum"));
    }

    #[test]
    fn trailers_say_it_neither() {
        let mut h = map(&[("trailer", "x-sum, ACME_Subject, acme-plan, x-token, x_y")]);
        let places = [CredentialPlace::Header(HeaderName::from_static("x-token"))];
        keep_honest_trailers(&mut h, "acme-", &places);
        assert_eq!(h.get_all("trailer").iter().collect::<Vec<_>>(), ["x-sum"]);
    }

    #[test]
    fn nobody_else_says_who_it_is() {
        let mut h = map(&[
            ("Argus-Subject", "root"),
            ("argus_subject", "root"),
            ("ARGUS_Key-Id", "x"),
            ("x_y", "1"),
            ("arguscope", "ok"),
            ("argus-api-key", "k"),
        ]);
        remove_forgeable(&mut h, "argus-", &[HeaderName::from_static("argus-api-key")]);
        assert_eq!(names(&h), ["argus-api-key", "arguscope"]);
    }

    #[test]
    fn forwarding_fields() {
        let host = HeaderValue::from_static("api.example.com");
        let origin = Origin {
            peer: "10.0.0.1".parse().unwrap(),
            trusted: false,
            client: "10.0.0.1".parse().unwrap(),
            tls: false,
            host: Some(&host),
            port: 8080,
            version: http::Version::HTTP_11,
        };
        let sent = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=6.6.6.6"),
            ("via", "1.1 evil"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-prefix", "/evil"),
        ];
        let mut h = map(&sent);
        set_forwarding(&mut h, &origin);
        assert_eq!(h["x-forwarded-for"], "10.0.0.1");
        assert_eq!(
            (&h["x-forwarded-proto"], &h["x-forwarded-host"], &h["via"]),
            (&HeaderValue::from_static("http"), &host, &HeaderValue::from_static("1.1 argus"))
        );
        assert!(!h.contains_key("forwarded") && !h.contains_key("x-forwarded-prefix"));
        let origin = Origin { client: "203.0.113.9".parse().unwrap(), ..origin };
        let mut h = map(&sent);
        set_forwarding(&mut h, &origin);
        assert_eq!(h["x-forwarded-for"], "203.0.113.9, 10.0.0.1", "the client as a trusted field tells it");
        let mut h = map(&sent);
        set_forwarding(&mut h, &Origin { trusted: true, ..origin });
        assert_eq!(h["x-forwarded-for"], "6.6.6.6, 10.0.0.1");
        assert_eq!(
            (h["x-forwarded-proto"].to_str().unwrap(), h["x-real-ip"].to_str().unwrap()),
            ("https", "203.0.113.9")
        );
        assert_eq!(h.get_all("via").iter().count(), 2);
    }

    #[test]
    fn what_http_2_took_apart_is_put_together() {
        let mut h = map(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        join_cookies(&mut h);
        assert_eq!(h.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn credentials_are_cut_out() {
        let mut h = map(&[("cookie", "a=1; key=secret; b=2"), ("cookie", "key=secret")]);
        remove_cookie(&mut h, "key");
        assert_eq!(h.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
