//! `Forwarded` on its way out (RFC 7239): where a request came from, in one field with a grammar of its own.

use std::fmt::Write;
use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderValue};

use super::headers::Origin;

/// Whether `Forwarded` is sent to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// It is not.
    Off,
    /// It is, and holds what Argus knows itself.
    Anew,
    /// It is, and goes on with what a trusted peer says in it.
    Continued,
}

/// Sets the field, or takes it out.
pub fn set(headers: &mut HeaderMap, origin: &Origin<'_>) {
    let chain = match origin.forwarded {
        Forwarding::Off => {
            headers.remove(FORWARDED);
            return;
        }
        Forwarding::Anew if origin.client == origin.peer => String::new(),
        // The client was told in another field that is trusted.
        Forwarding::Anew => element(origin.client),
        Forwarding::Continued => {
            let said = headers.get_all(FORWARDED).iter().filter_map(|value| value.to_str().ok());
            said.collect::<Vec<_>>().join(", ")
        }
    };
    let mut text = chain;
    if !text.is_empty() {
        text.push_str(", ");
    }
    text.push_str(&element(origin.peer));
    text.push_str(if origin.tls { ";proto=https" } else { ";proto=http" });
    if let Some(host) = origin.host.and_then(|host| host.to_str().ok()) {
        text.push_str(";host=");
        push_value(&mut text, host);
    }
    match HeaderValue::try_from(text) {
        Ok(value) => drop(headers.insert(FORWARDED, value)),
        Err(_) => drop(headers.remove(FORWARDED)),
    }
}

/// `for=192.0.2.1`, `for="[2001:db8::1]"` (section 6).
fn element(address: IpAddr) -> String {
    let mut text = "for=".to_owned();
    // Writing into a `String` cannot fail.
    let _ = match address {
        IpAddr::V4(address) => write!(text, "{address}"),
        IpAddr::V6(address) => write!(text, "\"[{address}]\""),
    };
    text
}

/// A value, in quotes where it is more than a token (RFC 9110 section 5.6.2).
fn push_value(text: &mut String, value: &str) {
    let is_token =
        !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$%&'*+^`|#".contains(&b));
    if is_token {
        text.push_str(value);
        return;
    }
    text.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(forwarded: Forwarding, client: &str, sent: &str, host: &str, becomes: Option<&str>) {
        let mut headers = HeaderMap::new();
        if !sent.is_empty() {
            headers.insert(FORWARDED, sent.parse().unwrap());
        }
        let host = HeaderValue::from_str(host).unwrap();
        let origin = Origin {
            peer: "10.0.0.1".parse().unwrap(),
            trusted: false,
            forwarded,
            client: client.parse().unwrap(),
            tls: true,
            host: Some(&host),
            port: 443,
            version: http::Version::HTTP_11,
        };
        set(&mut headers, &origin);
        assert_eq!(headers.get(FORWARDED).map(|v| v.to_str().unwrap()), becomes);
    }

    #[test]
    fn the_way_is_told() {
        let evil = "for=6.6.6.6;proto=https";
        check(Forwarding::Off, "10.0.0.1", evil, "a", None);
        check(Forwarding::Anew, "10.0.0.1", evil, "a.example", Some("for=10.0.0.1;proto=https;host=a.example"));
        check(
            Forwarding::Anew,
            "2001:db8::1",
            evil,
            "a:8080",
            Some("for=\"[2001:db8::1]\", for=10.0.0.1;proto=https;host=\"a:8080\""),
        );
        check(
            Forwarding::Continued,
            "192.0.2.1",
            "for=192.0.2.1;host=b",
            "[::1]",
            Some("for=192.0.2.1;host=b, for=10.0.0.1;proto=https;host=\"[::1]\""),
        );
        check(Forwarding::Continued, "10.0.0.1", "", "a", Some("for=10.0.0.1;proto=https;host=a"));
    }
}
