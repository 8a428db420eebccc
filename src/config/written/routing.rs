//! Tables a request meets on its way: listeners, TLS, routes, upstreams.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{CorsText, HeaderRulesText, PathRulesText, RewriteText};
use crate::config::value::{AddressText, DurationText, OneOrMany, SameOrEach, SizeOrUnlimited, SizeText};
use crate::model::limit::LimitText;

/// One address on which traffic comes in.
///
/// ```toml
/// [listeners.public]
/// address = ":443"
/// tls     = "public"
///
/// [listeners.plain]
/// address = ":80"
/// insecure_requests = "redirect"
/// limits = { max_body_size = "1MiB" }
///
/// [tls.public]
/// certificate = "tls/tls.crt"
/// key_file    = "tls/tls.key"
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ListenerText {
    /// Where to listen: `:8080` for every address of the machine, `127.0.0.1:8080` for one.
    pub address: Option<AddressText>,
    /// Name of the `[tls.NAME]` table whose certificate is shown, or a list of such names; plain HTTP if absent. Of
    /// several, the client gets the one that holds the host it names: exactly, else by a wildcard, else the first of the
    /// list, which clients that name no host get too. Their `min_version`, `client_auth`, `client_ca` and
    /// `forward_client_cert` must be the same.
    pub tls: Option<OneOrMany<String>>,
    /// What happens to requests when the listener has no TLS: `reject` (403, before any key is looked at), `redirect`
    /// (308 to HTTPS) or `allow`. Where nothing is written, `reject` if another listener has TLS, else `allow`.
    pub insecure_requests: Option<InsecureRequestsText>,
    /// Header fields with `_` in their names, which some servers read as `-`: `drop`, `reject` (400), or `keep`. Those
    /// that could be read as a field that Argus looks at or sets are never passed on.
    #[schemars(extend("default" = "drop"))]
    pub underscores: Option<UnderscoresText>,
    /// Bounds.
    pub limits: Option<ListenerLimitsText>,
    /// HTTP/3; only `false` is possible in this version.
    #[schemars(extend("default" = false))]
    #[expect(dead_code, reason = "one value is possible, and `unsupported` refuses the others")]
    pub http3: Option<bool>,
}

/// What happens to fields with `_` in their names.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum UnderscoresText {
    /// Not passed on.
    Drop,
    /// 400.
    Reject,
    /// Passed on.
    Keep,
}

/// What a listener without TLS does with requests.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum InsecureRequestsText {
    /// 403.
    Reject,
    /// 308 to HTTPS.
    Redirect,
    /// Served.
    Allow,
}

/// Bounds of a listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ListenerLimitsText {
    /// Largest head of a request: request line and headers.
    #[schemars(extend("default" = "32KiB"))]
    pub max_header_size: Option<SizeText>,
    /// Largest body of a request, or `"unlimited"`.
    #[schemars(extend("default" = "10MiB"))]
    pub max_body_size: Option<SizeOrUnlimited>,
    /// Longest wait for the whole head of a request.
    #[schemars(extend("default" = "10s"))]
    pub header_timeout: Option<DurationText>,
    /// Longest wait for the end of a TLS handshake.
    #[schemars(extend("default" = "10s"))]
    pub handshake_timeout: Option<DurationText>,
    /// Most TLS handshakes that are being answered at once, over all workers. A client whose turn does not come within a
    /// second is sent away.
    #[schemars(extend("default" = 1_000))]
    pub max_handshakes: Option<u32>,
    /// Longest silence on a connection.
    #[schemars(extend("default" = "120s"))]
    pub idle_timeout: Option<DurationText>,
    /// Bytes a second with which the body of a request has to come once it was waited for five seconds, or `"0B"` for
    /// as slowly as may be. gRPC calls may be as slow as they like.
    #[schemars(extend("default" = "240B"))]
    pub min_body_rate: Option<SizeText>,
    /// Bytes a second with which a client has to take an answer once it was waited for five seconds, or `"0B"` for as
    /// slowly as may be. Who is slower loses its connection, over HTTP/2 with everything on it. gRPC calls, event streams
    /// and WebSockets may be as slow as they like.
    #[schemars(extend("default" = "0B"))]
    pub min_answer_rate: Option<SizeText>,
    /// Most connections at once.
    #[schemars(extend("default" = 20_000))]
    pub max_connections: Option<u32>,
    /// Most connections of one client address at once; as many as `max_connections` if absent. Trusted proxies are
    /// not counted.
    pub max_connections_per_address: Option<u32>,
}

/// A certificate with its key. Both files are read again when they change.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TlsText {
    /// PEM file of the certificate and those that lead to its issuer.
    pub certificate: Option<String>,
    /// PEM file of the private key.
    pub key_file: Option<String>,
    /// Oldest TLS version taken: `1.2` or `1.3`.
    #[schemars(extend("default" = "1.2"))]
    pub min_version: Option<TlsVersion>,
    /// Whether clients show certificates: `none` (they are not asked), `optional` (one that is shown must be good) or
    /// `required` (without a good one there is no connection). Sessions are not resumed where clients are asked, so that
    /// a certificate is looked at with every connection.
    #[schemars(extend("default" = "none"))]
    pub client_auth: Option<ClientAuthText>,
    /// PEM file of the authorities whose client certificates are good. Read again when it changes; what is connected
    /// already stays so.
    pub client_ca: Option<String>,
    /// PEM files of revocation lists (RFC 5280), each of one or more. Where any is named, a client's certificate is good
    /// only if it and every one between it and `client_ca` is on no list, and their issuers have a list that has not
    /// ended: without a fresh list nobody can tell, and nobody is let in. Read again when they change; what is connected
    /// already stays so.
    pub client_crl: Option<OneOrMany<String>>,
    /// Whether the upstream gets the client's certificate in `Client-Cert` (RFC 9440). What clients send under that name
    /// is removed always, but for trusted proxies.
    #[schemars(extend("default" = false))]
    pub forward_client_cert: Option<bool>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ClientAuthText {
    /// They are not asked.
    None,
    /// They may.
    Optional,
    /// They must.
    Required,
}

/// What is allowed through, and where to. The most specific route wins: an exact host before a wildcard before none,
/// then the longest path, then one that names methods, then one that names headers. Order does not matter, and two
/// routes that are equally specific are an error.
///
/// ```toml
/// [routes.orders]
/// hosts    = ["api.example.com"]
/// paths    = ["/v1/orders/*"]
/// upstream = "http://127.0.0.1:3000"
/// auth     = "api_key"
/// scopes   = { GET = "orders:read", "POST,PUT,PATCH,DELETE" = "orders:write" }
/// cost     = { POST = 5 }
/// limits   = [{ rate = "10/s", by = "ip" }]
///
/// [routes.status]
/// paths    = ["/status"]
/// methods  = ["GET", "HEAD"]
/// upstream = "http://127.0.0.1:3000"
/// auth     = "none"
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RouteText {
    /// Hosts, such as `api.example.com` or `*.example.com` for every name below it; any host if absent.
    pub hosts: Option<OneOrMany<String>>,
    /// Paths: `/status` alone, or `/v1/orders/*` for `/v1/orders` and everything below it.
    pub paths: Option<OneOrMany<String>>,
    /// Methods; any if absent. Where `scopes` is a table by method and this is absent, the methods named there.
    pub methods: Option<OneOrMany<String>>,
    /// Headers that must be there: a text for the value they must have, `true` for any value.
    pub headers: Option<BTreeMap<String, HeaderMatchText>>,
    /// Where to: the name of an `[upstreams.NAME]` table, or a URL.
    pub upstream: Option<String>,
    /// How callers prove who they are: `"api_key"`, or `"none"` for a public route. There is no default.
    pub auth: Option<OneOrMany<AuthWord>>,
    /// What a key must be able to do: a scope, several joined by `AND`, `OR` and parentheses, or a table of these by
    /// method. `HEAD` follows `GET`.
    pub scopes: Option<SameOrEach<String>>,
    /// Units a request takes from each limit: a number, or a table of numbers by method.
    #[schemars(extend("default" = 1))]
    pub cost: Option<SameOrEach<u64>>,
    /// Names of `[conditions.NAME]` tables that must all hold.
    pub conditions: Option<OneOrMany<String>>,
    /// Limits of the route itself, besides those of a key's plan.
    pub limits: Option<Vec<LimitText>>,
    /// Cut from the front of the path before forwarding: short for a `rewrite` to `/`.
    pub strip_prefix: Option<String>,
    /// Another front for the path that the upstream gets.
    pub rewrite: Option<RewriteText>,
    /// What is taken in a path that is refused elsewhere.
    pub path_rules: Option<PathRulesText>,
    /// The host the upstream is told: `client` for the one the client named, `upstream` for the one in the URL of its
    /// server, or a name.
    #[schemars(extend("default" = "client"))]
    pub upstream_host: Option<String>,
    /// What becomes of the header fields of requests.
    pub request_headers: Option<HeaderRulesText>,
    /// What becomes of the header fields of the upstream's answers. Fields of Argus's own come after.
    pub response_headers: Option<HeaderRulesText>,
    /// Largest body of a request, or `"unlimited"`, in place of the listener's.
    pub max_body_size: Option<SizeOrUnlimited>,
    /// Largest body of an answer. One that says it is larger is a 502; one that turns out to be is cut off.
    pub max_response_size: Option<SizeText>,
    /// Which pages of other origins may call from a browser.
    pub cors: Option<CorsText>,
    /// Environments whose keys are taken, such as `"live"`; any if absent.
    pub environment: Option<OneOrMany<String>>,
    /// How refusals look on this route.
    pub errors: Option<RouteErrorsText>,
}

/// What a header must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum HeaderMatchText {
    Present,
    Equals(String),
}

impl<'de> Deserialize<'de> for HeaderMatchText {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Match;

        impl serde::de::Visitor<'_> for Match {
            type Value = HeaderMatchText;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text in quotes, or true for any value")
            }

            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<HeaderMatchText, E> {
                Ok(HeaderMatchText::Equals(v.to_owned()))
            }

            fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<HeaderMatchText, E> {
                if v {
                    Ok(HeaderMatchText::Present)
                } else {
                    Err(E::custom("a route cannot ask for the absence of a header: write `true` or the value"))
                }
            }
        }

        d.deserialize_any(Match)
    }
}

impl JsonSchema for HeaderMatchText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderMatch".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [{"type": "string"}, {"const": true}]})
    }
}

/// A way to prove who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum AuthWord {
    /// By an API key.
    ApiKey,
    /// Not at all.
    None,
}

/// How refusals look on a route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RouteErrorsText {
    /// `problem` for `application/problem+json` (RFC 9457), `argus` for `{"success":false,"error":"…"}`.
    #[schemars(extend("default" = "problem"))]
    pub style: Option<ErrorStyleText>,
}

/// A style of refusals.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ErrorStyleText {
    /// `application/problem+json`.
    Problem,
    /// `{"success":false,"error":"…"}`.
    Argus,
}
