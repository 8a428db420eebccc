//! Upstreams and their servers.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::config::value::{AddressText, DurationText, OneOrMany, ShareText};

/// One API behind Argus.
///
/// ```toml
/// [upstreams.orders]
/// servers         = ["http://orders-1:8080", { url = "http://orders-2:8080", weight = 3 }]
/// balance         = "least_requests"
/// connect_timeout = "2s"
/// request_timeout = "30s"
/// health          = { path = "/healthz", every = "5s" }
/// ejection        = { after = 5, duration = "30s" }
/// slow_start      = "10s"
///
/// [upstreams.reports]
/// servers = ["https://reports.internal:8443"]
/// tls     = { server_name = "reports.internal" }
/// ```
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct UpstreamText {
    /// Its servers: URLs of scheme, host and port, or `unix:/PATH` for a socket file, whose server is asked for the host
    /// `localhost` unless the route says otherwise; or tables of a URL and a weight.
    pub servers: Option<OneOrMany<ServerText>>,
    /// Which server takes the next request: `round_robin`; `least_requests` for the less busy of two that are drawn;
    /// or always the same one for the same caller: `hash:owner` (of the key), `hash:key`, `hash:ip`,
    /// `hash:header:NAME`. A caller without an owner is told by its key, one without a key by its address.
    #[schemars(extend("default" = "round_robin"))]
    pub balance: Option<String>,
    /// Longest wait for a connection, TLS included.
    #[schemars(extend("default" = "2s"))]
    pub connect_timeout: Option<DurationText>,
    /// Longest wait for the head of the answer, and then between two pieces of its body.
    #[schemars(extend("default" = "30s"))]
    pub request_timeout: Option<DurationText>,
    /// Longest wait for the head of the answer, from the last byte of the request; `request_timeout` if absent.
    pub first_byte_timeout: Option<DurationText>,
    /// Longest wait between two pieces of the answer's body; `request_timeout` if absent.
    pub idle_timeout: Option<DurationText>,
    /// Longest time for all of it, connections and attempts included, from when the request was let through to the last
    /// byte of its answer; no limit if absent. An answer that has begun by then is cut off. Does not concern WebSockets.
    pub timeout: Option<DurationText>,
    /// When a request is sent again.
    pub retry: Option<RetryText>,
    /// Whether HTTP/2 is spoken: `never`; `always`, which gRPC needs, and for which in the clear the server has to know
    /// beforehand, while over TLS the two have to agree on it; or `auto`, which over TLS is what the server prefers and in
    /// the clear is HTTP/1.1. WebSocket needs HTTP/1.1: with `always` such requests get 502, with `auto` they get
    /// connections of their own. The checks of `health` are made in the same way.
    #[schemars(extend("default" = "never"))]
    pub http2: Option<Http2Text>,
    /// Tells servers the client's address by the PROXY protocol, in front of everything else on a connection: `v1` or `v2`.
    /// A connection then serves requests of one address only, so that many clients need many connections. The port of a
    /// client is told as 0. Not with HTTP/2.
    pub proxy_protocol: Option<ProxyProtocolText>,
    /// TLS to servers whose URL says `https`.
    pub tls: Option<UpstreamTlsText>,
    /// Address of the name server that is asked for the addresses of servers; if absent, the machine's own settings
    /// hold (`/etc/resolv.conf`, `/etc/hosts`). Every address of a name is a server of its own. Names are asked again
    /// when their time is over, and the last good answer stays while there is no other.
    pub resolver: Option<AddressText>,
    /// A request of Argus's own to every server, so that one that fails it gets no traffic. Where all fail, callers get
    /// 503 `no_healthy_upstream`.
    pub health: Option<HealthText>,
    /// Takes a server out of service for a while that fails ordinary requests.
    pub ejection: Option<EjectionText>,
    /// Sends nothing for a while when most of what is sent fails, whichever server it went to. Callers get 503
    /// `no_healthy_upstream` at once.
    pub breaker: Option<BreakerText>,
    /// How long a server that is back in service gets less than its share of the requests, beginning with a tenth.
    #[schemars(extend("default" = "0s"))]
    pub slow_start: Option<DurationText>,
}

/// How servers are checked.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HealthText {
    /// Path that is asked for with GET.
    #[schemars(extend("default" = "/"))]
    pub path: Option<String>,
    /// Time between two checks.
    #[schemars(extend("default" = "5s"))]
    pub every: Option<DurationText>,
    /// Longest wait for the status, connection included.
    #[schemars(extend("default" = "2s"))]
    pub timeout: Option<DurationText>,
    /// Good checks in a row until a server is back in service. The very first check decides alone.
    #[schemars(extend("default" = 2))]
    pub healthy_after: Option<u16>,
    /// Failed checks in a row until a server is out of service.
    #[schemars(extend("default" = 3))]
    pub unhealthy_after: Option<u16>,
    /// What a good status is: one, or a range such as `200-399`.
    #[schemars(extend("default" = "200-299"))]
    pub expect: Option<String>,
}

/// When a server that fails is left alone.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct EjectionText {
    /// Failures in a row: no connection, no answer in time, an answer that is not HTTP, or a status of 500 or more.
    #[schemars(extend("default" = 5))]
    pub after: Option<u16>,
    /// How long it is out the first time. Each time again it is as much longer, up to ten times as long.
    #[schemars(extend("default" = "30s"))]
    pub duration: Option<DurationText>,
    /// Largest share of the servers that may be out at once.
    #[schemars(extend("default" = "50%"))]
    pub at_most: Option<ShareText>,
}

/// When nothing is sent to an upstream for a while. All workers count together.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct BreakerText {
    /// Share of the requests of one `window` that fail: no connection, no answer in time, an answer that is not HTTP, or a
    /// status of 500 or more.
    #[schemars(extend("default" = "50%"))]
    pub failures: Option<ShareText>,
    /// Fewest requests of one `window` that this share is taken of.
    #[schemars(extend("default" = 20))]
    pub requests: Option<u32>,
    /// How long requests are counted; then counting begins anew.
    #[schemars(extend("default" = "10s"))]
    pub window: Option<DurationText>,
    /// How long nothing is sent.
    #[schemars(extend("default" = "30s"))]
    pub duration: Option<DurationText>,
    /// Requests at once that are sent after that, until as many have ended well and all are sent again, or one has failed
    /// and none is for another `duration`.
    #[schemars(extend("default" = 3))]
    pub probes: Option<u32>,
}

/// Whether HTTP/2 is spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Http2Text {
    /// HTTP/1.1 is.
    Never,
    /// To every server.
    Always,
    /// To servers that choose it.
    Auto,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ProxyProtocolText {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

/// A server: its URL alone, or with more about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct ServerText {
    pub url: Option<String>,
    pub weight: Option<u16>,
}

/// A server with more than its URL.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ServerTable {
    /// Scheme, host and port; or `unix:/PATH`.
    pub url: Option<String>,
    /// Its share of the requests in relation to the weights of the others, 1 to 100.
    #[schemars(extend("default" = 1))]
    pub weight: Option<u16>,
}

impl<'de> Deserialize<'de> for ServerText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = ServerText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL in quotes, or a table such as { url = \"http://127.0.0.1:3000\", weight = 2 }")
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<ServerText, E> {
                Ok(ServerText { url: Some(v.to_owned()), weight: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServerText, A::Error> {
                let ServerTable { url, weight } = ServerTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ServerText { url, weight })
            }
        }

        d.deserialize_any(Either)
    }
}

impl JsonSchema for ServerText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Server".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ServerTable>();
        json_schema!({"anyOf": [{"type": "string"}, table]})
    }
}

/// When a request is sent again: only where no server can have begun to work on it, or where its method says that doing
/// it twice does what doing it once does and it has no body. A connection that cannot be made is tried at another server.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RetryText {
    /// Times that one request is tried, the first included, 1 to 5; `1` sends nothing again.
    #[schemars(extend("default" = 3))]
    pub attempts: Option<usize>,
    /// After what: `connect` for a connection that could not be made, or that broke with nothing of the request written;
    /// `reset` for a kept connection that broke before a byte of the answer.
    #[schemars(extend("default" = ["connect", "reset"]))]
    pub on: Option<OneOrMany<String>>,
    /// Methods that are sent again after `reset`; all idempotent ones if absent, and no others.
    pub methods: Option<OneOrMany<String>>,
    /// Requests tried again because a new connection failed, as a share of all to this upstream, 100 of which can be
    /// saved up. Ten in a second are tried again in any case. What is sent again because a kept connection broke costs
    /// nothing: there is one only where a request before was answered.
    #[schemars(extend("default" = "20%"))]
    pub budget: Option<ShareText>,
}

/// How TLS is spoken to an upstream.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct UpstreamTlsText {
    /// PEM file of the certificates that are trusted, instead of the built-in ones.
    pub ca: Option<String>,
    /// Name expected in the server's certificate, where it is not the URL's host.
    pub server_name: Option<String>,
    /// PEM file of the certificate that Argus shows to servers which ask for one, with those that lead to its authority.
    /// Read again with every reload and when it changes.
    pub certificate: Option<String>,
    /// PEM file of its private key.
    pub key_file: Option<String>,
}
