//! gRPC: refusals as its clients read them, and its deadlines.
//!
//! A gRPC client expects status 200 whatever became of its call, and reads the outcome from `grpc-status` and
//! `grpc-message`. An answer without messages carries both in its head ("Trailers-Only").

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::model::reason::Reason;

/// `grpc-status`.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `grpc-message`.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What is encoded in `grpc-message`: all but printable ASCII, and the percent sign.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');
/// Most digits of `grpc-timeout`.
const DIGITS_MAX: usize = 8;

/// The content type of answers to gRPC calls; `None` if the request is none.
pub fn content_type(headers: &HeaderMap) -> Option<&'static str> {
    const GRPC: &str = "application/grpc";
    let asked = headers.get(CONTENT_TYPE)?.as_bytes();
    let (start, rest) = asked.split_at_checked(GRPC.len())?;
    if !start.eq_ignore_ascii_case(GRPC.as_bytes()) {
        return None;
    }
    match rest {
        [] | [b'+' | b';' | b' ', ..] => Some(GRPC),
        _ if rest.starts_with(b"-web-text") => Some("application/grpc-web-text"),
        _ if rest.starts_with(b"-web") => Some("application/grpc-web"),
        _ => None,
    }
}

/// The status by which gRPC clients know a refusal.
pub fn status(reason: Reason, status: StatusCode) -> u8 {
    const INVALID_ARGUMENT: u8 = 3;
    const DEADLINE_EXCEEDED: u8 = 4;
    const PERMISSION_DENIED: u8 = 7;
    const RESOURCE_EXHAUSTED: u8 = 8;
    const UNIMPLEMENTED: u8 = 12;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    const UNAUTHENTICATED: u8 = 16;
    match (reason, status.as_u16()) {
        (Reason::UpstreamTimeout | Reason::RequestTimeout, _) => DEADLINE_EXCEEDED,
        (Reason::RouteNotFound | Reason::MethodNotAllowed, _) => UNIMPLEMENTED,
        (_, 401) => UNAUTHENTICATED,
        (_, 403) => PERMISSION_DENIED,
        (_, 413 | 414 | 429 | 431) => RESOURCE_EXHAUSTED,
        (_, 502..=504) => UNAVAILABLE,
        (_, 500) => INTERNAL,
        _ => INVALID_ARGUMENT,
    }
}

/// `grpc-message`: the code, then what it says to people.
pub fn message(reason: Reason, detail: &str) -> HeaderValue {
    let text = format!("{}: {}", reason.code(), utf8_percent_encode(detail, ENCODED));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// How long a gRPC caller waits: `1` to `99999999`, then `H`, `M`, `S`, `m`, `u` or `n`. Anything else is none.
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(GRPC_TIMEOUT)?.as_bytes().split_last()?;
    if digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(n * 3_600)),
        b'M' => Some(Duration::from_secs(n * 60)),
        b'S' => Some(Duration::from_secs(n)),
        b'm' => Some(Duration::from_millis(n)),
        b'u' => Some(Duration::from_micros(n)),
        b'n' => Some(Duration::from_nanos(n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn calls_are_known_by_their_type() {
        for (asked, answered) in [
            ("application/grpc", Some("application/grpc")),
            ("Application/gRPC+proto", Some("application/grpc")),
            ("application/grpc; charset=utf-8", Some("application/grpc")),
            ("application/grpc-web+proto", Some("application/grpc-web")),
            ("application/grpc-web-text", Some("application/grpc-web-text")),
            ("application/grpcx", None),
            ("application/json", None),
        ] {
            assert_eq!(content_type(&with(CONTENT_TYPE, asked)), answered, "{asked}");
        }
    }

    #[test]
    fn every_reason_has_a_status() {
        for (reason, expected) in [
            (Reason::MalformedRequest, 3),
            (Reason::RouteNotFound, 12),
            (Reason::MissingCredentials, 16),
            (Reason::KeyRevoked, 16),
            (Reason::IpNotAllowed, 7),
            (Reason::InsufficientScope, 7),
            (Reason::RateLimited, 8),
            (Reason::TooManyFailures, 8),
            (Reason::BodyTooLarge, 8),
            (Reason::UpstreamUnreachable, 14),
            (Reason::UpstreamInvalid, 14),
            (Reason::UpstreamTimeout, 4),
            (Reason::GatewayOverloaded, 14),
            (Reason::StoreUnavailable, 14),
            (Reason::InternalError, 13),
        ] {
            assert_eq!(status(reason, reason.status()), expected, "{reason:?}");
        }
    }

    #[test]
    fn messages_are_printable() {
        let text = message(Reason::KeyRevoked, "100 % «no»\n");
        assert_eq!(text, "key_revoked: 100 %25 %C2%ABno%C2%BB%0A");
    }

    #[test]
    fn times_by_their_units() {
        let of = |text: &str| timeout(&with(GRPC_TIMEOUT, text));
        let ms = Duration::from_millis;
        assert_eq!(["1S", "250m", "2M", "1H"].map(of), [ms(1_000), ms(250), ms(120_000), ms(3_600_000)].map(Some));
        assert_eq!(["5000u", "7000000n", "99999999H"].map(|t| of(t).is_some()), [true; 3]);
        assert_eq!(["", "S", "1", "123456789S", "-1S", "1s", "1.5S"].map(of), [None; 7]);
    }
}
