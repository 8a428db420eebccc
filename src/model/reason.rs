//! Reasons: why a call was refused, as stable codes.

use http::StatusCode;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $status:ident, $proxy:literal;)+) => {
        /// Why Argus itself answered with a status of 400 or more. The code is stable for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// Every reason, in order of evaluation.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The machine word: in bodies, `Proxy-Status`, logs, metrics and the CLI.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code,)+ }
            }

            /// The HTTP status it answers with.
            pub fn status(self) -> StatusCode {
                match self { $(Reason::$variant => StatusCode::$status,)+ }
            }

            /// The error type of `Proxy-Status` (RFC 9209 section 2.3).
            pub fn proxy_error(self) -> &'static str {
                match self { $(Reason::$variant => $proxy,)+ }
            }

            /// One sentence for the reference pages.
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// The request itself is malformed or could mean two things.
    MalformedRequest = "malformed_request", BAD_REQUEST, "http_request_error";
    /// The request came over plain HTTP where only TLS is served.
    InsecureTransport = "insecure_transport", FORBIDDEN, "http_request_denied";
    /// No route takes this host and path.
    RouteNotFound = "route_not_found", NOT_FOUND, "destination_not_found";
    /// A route takes this host and path, but not by this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "http_request_denied";
    /// No credential was sent.
    MissingCredentials = "missing_credentials", UNAUTHORIZED, "http_request_denied";
    /// Several different credentials were sent.
    MultipleCredentials = "multiple_credentials", BAD_REQUEST, "http_request_denied";
    /// The credential opens nothing here.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "http_request_denied";
    /// Too many failed credentials came from this address.
    TooManyFailures = "too_many_failures", TOO_MANY_REQUESTS, "http_request_denied";
    /// The key was revoked.
    KeyRevoked = "key_revoked", UNAUTHORIZED, "http_request_denied";
    /// The key is switched off.
    KeyDisabled = "key_disabled", UNAUTHORIZED, "http_request_denied";
    /// The key's time is over.
    KeyExpired = "key_expired", UNAUTHORIZED, "http_request_denied";
    /// The key's time has not begun.
    KeyNotYetValid = "key_not_yet_valid", UNAUTHORIZED, "http_request_denied";
    /// The client's address is not allowed.
    IpNotAllowed = "ip_not_allowed", FORBIDDEN, "http_request_denied";
    /// The client's country is not allowed.
    CountryNotAllowed = "country_not_allowed", FORBIDDEN, "http_request_denied";
    /// The client's network is not allowed.
    NetworkNotAllowed = "network_not_allowed", FORBIDDEN, "http_request_denied";
    /// The moment is outside the allowed time window.
    OutsideTimeWindow = "outside_time_window", FORBIDDEN, "http_request_denied";
    /// The page that calls is not allowed.
    ReferrerNotAllowed = "referrer_not_allowed", FORBIDDEN, "http_request_denied";
    /// A condition does not hold, and the configuration keeps to itself which.
    ConditionsNotMet = "conditions_not_met", FORBIDDEN, "http_request_denied";
    /// The key lacks a scope.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "http_request_denied";
    /// A rate is used up.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "http_request_denied";
    /// A quota is used up.
    QuotaExceeded = "quota_exceeded", TOO_MANY_REQUESTS, "http_request_denied";
    /// The body is larger than the listener or the route takes.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "http_request_error";
    /// The header is larger than the listener takes.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "http_request_error";
    /// The request target is longer than the listener takes.
    TargetTooLong = "target_too_long", URI_TOO_LONG, "http_request_error";
    /// The client took too long over the request's head or body.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "http_request_error";
    /// The request asks for something only some protocols can, such as an upgrade that is not a WebSocket.
    UpgradeRefused = "upgrade_refused", BAD_REQUEST, "http_request_error";
    /// An `Expect` that is not `100-continue`.
    ExpectationFailed = "expectation_failed", EXPECTATION_FAILED, "http_request_error";
    /// The upstream could not be reached.
    UpstreamUnreachable = "upstream_unreachable", BAD_GATEWAY, "connection_refused";
    /// The upstream sent something that is not HTTP, or broke off before its answer.
    UpstreamInvalid = "upstream_invalid", BAD_GATEWAY, "http_protocol_error";
    /// The upstream's answer is larger than the route lets through.
    ResponseTooLarge = "response_too_large", BAD_GATEWAY, "http_response_body_size";
    /// The upstream took too long.
    UpstreamTimeout = "upstream_timeout", GATEWAY_TIMEOUT, "connection_timeout";
    /// No server of the upstream is in service.
    NoHealthyUpstream = "no_healthy_upstream", SERVICE_UNAVAILABLE, "destination_unavailable";
    /// Argus has more to do than it may.
    GatewayOverloaded = "gateway_overloaded", SERVICE_UNAVAILABLE, "connection_limit_reached";
    /// The key store cannot be asked.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "proxy_internal_error";
    /// Argus itself failed.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "proxy_internal_error";
}

impl Reason {
    /// Reads a code back.
    pub fn from_code(code: &str) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|r| r.code() == code)
    }

    /// Whether the caller may be told limit headers with this refusal: only once the key is proven and allowed.
    pub fn tells_limits(self) -> bool {
        matches!(self, Reason::RateLimited | Reason::QuotaExceeded)
    }
}

/// The reference of all reasons, as `docs/reasons.md` holds it.
pub fn reference() -> String {
    let mut out = String::from(
        "# Reasons\n\nWhy Argus itself answered with a status of 400 or more. The code is in the body (`code`), in `Proxy-Status`, in the \
         access log, in\n`argus_decisions_total` and in what the CLI prints. It is stable for ever. Steps are taken in this order, and the \
         first that fails answers.\n\n| code | status | meaning |\n| --- | --- | --- |\n",
    );
    for reason in Reason::ALL {
        out.push_str(&format!("| `{}` | {} | {} |\n", reason.code(), reason.status().as_u16(), reason.meaning()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_what_the_repository_holds() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reasons.md");
        if std::env::var_os("ARGUS_WRITE_DOCS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), reference(), "run the test with ARGUS_WRITE_DOCS=1");
    }

    #[test]
    fn codes_are_unique_and_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            assert!(reason.status().as_u16() >= 400);
            assert!(reason.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
    }
}
