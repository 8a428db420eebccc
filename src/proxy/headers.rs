//! Headers on their way through: what concerns one hop stays on it, what a client might forge never passes, and what
//! Argus knows is added.

mod concerns;

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client_addr::{X_FORWARDED_FOR, X_FORWARDED_PROTO};
use super::client_cert::{CLIENT_CERT, CLIENT_CERT_CHAIN};
use super::forwarded::{self, Forwarding};
use crate::config::CredentialPlace;
use crate::model::fields::Fields;
use crate::model::header_rules::Underscores;
pub use concerns::Concerns;

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

/// Fields by which some servers take a request for one by another method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Fields a client cannot name away by listing them in `Connection`.
fn is_protected(name: &HeaderName) -> bool {
    [HOST, CONTENT_LENGTH, VIA, FORWARDED, X_REAL_IP, X_REQUEST_ID, CLIENT_CERT, CLIENT_CERT_CHAIN].contains(name)
        || name.as_str().starts_with("x-forwarded-")
}

/// Whether a field may stand in trailers: not what frames, routes, authenticates or identifies (RFC 9110 section 6.5.1).
pub fn allowed_in_trailers(name: &HeaderName) -> bool {
    let text = name.as_str();
    let forbidden = [
        "authorization",
        "cache-control",
        "client-cert",
        "client-cert-chain",
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
    // What it usually says names no field.
    let is_usual =
        |v: &HeaderValue| [&b"keep-alive"[..], b"close"].iter().any(|w| v.as_bytes().eq_ignore_ascii_case(w));
    if headers.get_all(CONNECTION).iter().any(|v| !is_usual(v)) {
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
    headers.remove(CONNECTION);
    if Concerns::of_answer(headers).has(Concerns::HOP) {
        for name in HOP_BY_HOP {
            headers.remove(name);
        }
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

/// Removes from a request what only Argus may say, and names with `_`, which some servers read as `-`: all of them, or
/// where they are kept those that could be read as a field that Argus looks at or sets. `keep` are the fields in which a
/// credential stands that is to be forwarded.
pub fn remove_forgeable(headers: &mut HeaderMap, identity_prefix: &str, underscores: Underscores, keep: &[HeaderName]) {
    let is_bad = |name: &HeaderName| {
        let text = name.as_str();
        let with_underscore = text.contains('_') && (underscores != Underscores::Keep || is_read_as_ours(text));
        (with_underscore || folded_starts_with(text, identity_prefix)) && !keep.contains(name)
    };
    while let Some(bad) = headers.keys().find(|n| is_bad(n)).cloned() {
        headers.remove(bad);
    }
}

/// Whether a name with `_` is, with `-`, one that frames, routes or authenticates, or that tells the way.
fn is_read_as_ours(name: &str) -> bool {
    let name = name.replace('_', "-");
    HeaderName::from_bytes(name.as_bytes())
        .is_ok_and(|name| !allowed_in_trailers(&name) || METHOD_OVERRIDES.contains(&name.as_str()))
}

/// What Argus knows of where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The connection's peer.
    pub peer: IpAddr,
    /// Whether the peer's word in these fields is taken.
    pub trusted: bool,
    /// What becomes of `Forwarded`.
    pub forwarded: Forwarding,
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
    forwarded::set(headers, origin);
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

/// Removes all that tells the way a request came and its id, as nobody's word is taken for it.
pub fn remove_way(headers: &mut HeaderMap) {
    while let Some(told) = headers.keys().find(|n| n.as_str().starts_with("x-forwarded-")).cloned() {
        headers.remove(told);
    }
    for name in [FORWARDED, VIA, X_REAL_IP, X_REQUEST_ID] {
        headers.remove(name);
    }
}

/// What is told of the way of every request of a connection, but for `Via` and the host, where no peer is believed.
pub fn way_of_connection(client: IpAddr, tls: bool, port: u16) -> Fields {
    let client = address(client);
    let mut fields = Fields::default();
    fields.push(&X_FORWARDED_FOR, &client);
    fields.push(&X_FORWARDED_PROTO, &scheme(tls));
    fields.push(&X_FORWARDED_PORT, &port.into());
    fields.push(&X_REAL_IP, &client);
    fields.shrink();
    fields
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
    for name in METHOD_OVERRIDES {
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
mod tests;
