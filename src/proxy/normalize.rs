//! One meaning per request: what two parsers could read differently is refused, not repaired.

use std::borrow::Cow;

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Version};

use crate::model::reason::Reason;
use crate::model::request_path::PathFault;

/// Why a request is refused before anything is decided about its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// The code it is answered with.
    pub reason: Reason,
    /// What is wrong, for the metric.
    pub cause: &'static str,
    /// What is wrong, for people.
    pub detail: &'static str,
}

/// A target that is too long for the upstream once the route has rewritten it.
pub const TARGET_TOO_LONG: Malformed = Malformed {
    reason: Reason::TargetTooLong,
    cause: "target_too_long",
    detail: "The target is too long. Send a shorter one.",
};

impl From<PathFault> for Malformed {
    fn from(fault: PathFault) -> Self {
        malformed(fault.cause(), fault.detail())
    }
}

/// Most fields of one head.
const FIELDS_MAX: usize = 100;

/// Refuses heads with too many fields. Those with too many bytes are refused before they are read whole.
///
/// # Errors
/// When there are too many.
pub fn size(headers: &HeaderMap) -> Result<(), Malformed> {
    if headers.len() > FIELDS_MAX {
        let detail = "The head has more than the 100 fields that are taken here.";
        return Err(Malformed { reason: Reason::HeadersTooLarge, cause: "too_many_fields", detail });
    }
    Ok(())
}

fn malformed(cause: &'static str, detail: &'static str) -> Malformed {
    Malformed { reason: Reason::MalformedRequest, cause, detail }
}

/// The request's host: lower-case, without port or trailing dot.
///
/// # Errors
/// When it is missing, repeated, malformed, or told in two ways that differ.
pub fn host<B>(request: &Request<B>) -> Result<Cow<'_, str>, Malformed> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(malformed("several_hosts", "The request has more than one Host field."));
    }
    let field = match field {
        Some(value) => match value.to_str() {
            Ok(text) => Some(text),
            Err(_) => return Err(malformed("host", "The Host field holds bytes that no host has.")),
        },
        None => None,
    };
    if field == Some("") && request.version() != Version::HTTP_10 {
        return Err(malformed("host", "The Host field is empty."));
    }
    if let Some(field) = field.filter(|f| !f.is_empty() && request.uri().authority().is_some()) {
        // It is not the one that counts, and must be well formed all the same.
        bare_host(field)?;
    }
    let authority = match (request.uri().authority(), field) {
        (Some(authority), Some(field)) if request.version() == Version::HTTP_2 => {
            if bare_host(authority.as_str())? != bare_host(field)? {
                return Err(malformed("authority_mismatch", "The :authority and the Host field differ."));
            }
            authority.as_str()
        }
        (Some(_), None) if request.version() == Version::HTTP_11 => {
            return Err(malformed("no_host", "The request has no Host field."));
        }
        (Some(authority), _) => authority.as_str(),
        (None, Some(field)) => field,
        (None, None) if request.version() == Version::HTTP_10 => "",
        (None, None) => return Err(malformed("no_host", "The request has no Host field.")),
    };
    if authority.is_empty() { Ok(Cow::Borrowed("")) } else { bare_host(authority) }
}

/// An HTTP/1 target that names a scheme names the one that is spoken here.
///
/// # Errors
/// When it names another.
pub fn scheme<B>(request: &Request<B>, is_tls: bool, came_over_tls: bool) -> Result<(), Malformed> {
    if request.version() == Version::HTTP_2 {
        return Ok(());
    }
    match request.uri().scheme_str() {
        None => Ok(()),
        Some("https") if came_over_tls => Ok(()),
        Some("http") if !is_tls => Ok(()),
        Some(_) => Err(malformed("scheme", "The target names a scheme that is not spoken here.")),
    }
}

fn bare_host(authority: &str) -> Result<Cow<'_, str>, Malformed> {
    let wrong = || malformed("host", "The host is not a name or an address.");
    let host = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(wrong)?;
            if address.parse::<std::net::Ipv6Addr>().is_err() || !(port.is_empty() || is_port(port)) {
                return Err(wrong());
            }
            &authority[..address.len() + 2]
        }
        None => {
            let host = match authority.split_once(':') {
                Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && port.len() <= 5 => host,
                Some(_) => return Err(wrong()),
                None => authority,
            };
            let host = host.strip_suffix('.').unwrap_or(host);
            // Without an early end, so that all bytes are looked at in one walk.
            let look = |(is_good, last): (bool, u8), b: u8| {
                let is_known = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$');
                // No label is empty.
                (is_good & is_known & (b != b'.' || last != b'.'), b)
            };
            let (is_good, last) = host.bytes().fold((true, b'.'), look);
            if !is_good || last == b'.' || host.len() > 255 {
                return Err(wrong());
            }
            host
        }
    };
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Ok(Cow::Owned(host.to_ascii_lowercase()))
    } else {
        Ok(Cow::Borrowed(host))
    }
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|p| p.len() <= 5 && p.bytes().all(|b| b.is_ascii_digit()))
}

/// Refuses fields with `_` in their names, which some servers read as `-`.
///
/// # Errors
/// When there is one.
pub fn underscores(headers: &HeaderMap) -> Result<(), Malformed> {
    match headers.keys().any(|name| name.as_str().contains('_')) {
        true => Err(malformed("underscore", "The name of a header field has an underscore, which is not taken here.")),
        false => Ok(()),
    }
}

/// Refuses requests whose framing or target could be read in two ways. The path is looked at by
/// [`crate::admission::settle`].
///
/// # Errors
/// The first thing found wrong.
pub fn check<B>(request: &Request<B>) -> Result<(), Malformed> {
    framing(request.version(), request.headers())?;
    if request.version() == Version::HTTP_2 && request.headers().values().any(is_padded) {
        return Err(malformed("padded_value", "A field's value begins or ends with a space."));
    }
    match *request.method() {
        Method::CONNECT => return Err(not_served("connect", "CONNECT is not served here.")),
        Method::TRACE => return Err(not_served("trace", "TRACE is not served here.")),
        _ => {}
    }
    let target = request.uri();
    if target.path() == "*" {
        let cause = malformed("asterisk", "The target `*` goes with OPTIONS alone.");
        return if *request.method() == Method::OPTIONS { Ok(()) } else { Err(cause) };
    }
    if target.query().is_some_and(|q| !q.is_ascii() || q.contains('\\')) {
        return Err(malformed("query", "The query holds bytes that must be percent-encoded."));
    }
    match request.headers().get(EXPECT) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Err(Malformed {
            reason: Reason::ExpectationFailed,
            cause: "expect",
            detail: "The only expectation served is 100-continue.",
        }),
        _ => Ok(()),
    }
}

/// Whether a value begins or ends with white space. Over HTTP/1 that is no part of it; over HTTP/2 nothing takes it away,
/// and it must not be there (RFC 9113 section 8.2.1).
fn is_padded(value: &HeaderValue) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_space(value.as_bytes().first()) || is_space(value.as_bytes().last())
}

fn not_served(cause: &'static str, detail: &'static str) -> Malformed {
    Malformed { reason: Reason::MethodNotAllowed, cause, detail }
}

/// RFC 9112 section 6.3, the strict choice: one length, told in one way.
fn framing(version: Version, headers: &HeaderMap) -> Result<(), Malformed> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() || length.is_some_and(|l| !l.as_bytes().iter().all(u8::is_ascii_digit) || l.is_empty())
    {
        return Err(malformed("content_length", "Content-Length is repeated or not a plain number."));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if length.is_some() {
        return Err(malformed("two_lengths", "The request has both Content-Length and Transfer-Encoding."));
    }
    if version != Version::HTTP_11 || codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(malformed("transfer_encoding", "The only transfer coding served is chunked, once, in HTTP/1.1."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_told_twice() {
        let with = |fields: &[(&str, &str)], version| {
            let mut request = Request::post("/").version(version);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            check(&request.body(()).unwrap()).err().map(|m| m.cause)
        };
        let v11 = Version::HTTP_11;
        assert_eq!(with(&[("content-length", "5")], v11), None);
        assert_eq!(with(&[("transfer-encoding", "Chunked")], v11), None);
        assert_eq!(with(&[("content-length", "5"), ("transfer-encoding", "chunked")], v11), Some("two_lengths"));
        assert_eq!(with(&[("content-length", "5"), ("content-length", "5")], v11), Some("content_length"));
        for bad in ["+5", "5, 5", "0x5", ""] {
            assert_eq!(with(&[("content-length", bad)], v11), Some("content_length"), "{bad}");
        }
        for bad in ["identity", "gzip, chunked", "xchunked"] {
            assert_eq!(with(&[("transfer-encoding", bad)], v11), Some("transfer_encoding"), "{bad}");
        }
        assert_eq!(with(&[("transfer-encoding", "chunked")], Version::HTTP_10), Some("transfer_encoding"));
        assert_eq!(with(&[("expect", "banana")], v11), Some("expect"));
    }

    #[test]
    fn hosts() {
        let of = |fields: &[&str]| {
            let mut request = Request::get("/");
            for value in fields {
                request = request.header("host", *value);
            }
            let request = request.body(()).unwrap();
            host(&request).map(|h| h.into_owned()).map_err(|m| m.cause)
        };
        assert_eq!(of(&["API.Example.com.:8080"]).unwrap(), "api.example.com");
        assert_eq!(of(&["[::1]:80"]).unwrap(), "[::1]");
        assert_eq!(of(&[]), Err("no_host"));
        assert_eq!(of(&["a", "a"]), Err("several_hosts"));
        for bad in ["a b", "a..b", ".a", "a..", "u@a", "a/b", "a:b", "[::1", "[::1]x", ":80"] {
            assert_eq!(of(&[bad]), Err("host"), "{bad}");
        }
    }

    #[test]
    fn absolute_targets() {
        let of = |target: &str, host: Option<&str>| {
            let request = Request::get(target).version(Version::HTTP_11);
            let request = host.into_iter().fold(request, |r, h| r.header("host", h)).body(()).unwrap();
            let host = super::host(&request).map(|h| h.into_owned()).map_err(|m| m.cause);
            (host, scheme(&request, false, false).is_ok(), scheme(&request, true, true).is_ok())
        };
        assert_eq!(of("http://a/x", Some("b")), (Ok("a".to_owned()), true, false));
        assert_eq!(of("https://a/x", Some("b")), (Ok("a".to_owned()), false, true));
        assert_eq!(of("ftp://a/x", Some("b")), (Ok("a".to_owned()), false, false));
        assert_eq!(of("http://a/x", Some("u@b")).0, Err("host"));
        assert_eq!(of("http://a/x", None).0, Err("no_host"));
    }

    #[test]
    fn an_http2_request_names_its_host_once() {
        let request = |field: &str| {
            Request::get("https://api.example.com/").version(Version::HTTP_2).header("host", field).body(()).unwrap()
        };
        assert!(host(&request("API.example.com")).is_ok());
        assert_eq!(host(&request("other.example.com")).unwrap_err().cause, "authority_mismatch");
    }
}
