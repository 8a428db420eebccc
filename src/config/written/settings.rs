//! Tables about running Argus: store, admin side, probes, logs, errors, retention, resources.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::value::{
    AddressOrOff, DurationOrForever, DurationOrNever, DurationText, OneOrMany, ShareText, SizeText,
};

/// Where keys, counters and records are kept.
///
/// ```toml
/// [store]
/// url = "file:/var/lib/argus"
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct StoreText {
    /// `file:DIRECTORY` for the embedded store. If absent: `$STATE_DIRECTORY`, else `./argus-data` where it exists, else
    /// `/var/lib/argus` where it can be written to, else `./argus-data`.
    pub url: Option<String>,
}

/// The admin side.
///
/// ```toml
/// [admin]
/// address = "127.0.0.1:9640"
/// socket  = "/run/argus/admin.sock"
/// hosts   = ["argus.internal"]
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AdminText {
    /// Where it listens, or `"off"` for the socket alone.
    #[schemars(extend("default" = "127.0.0.1:9640"))]
    pub address: Option<AddressOrOff>,
    /// Unix socket that the command line uses on this host; `admin.sock` in the store's directory if absent.
    pub socket: Option<String>,
    /// Key of the TCP side. If neither this nor `key_file` is given, one is made and kept in the store's directory.
    pub key: Option<String>,
    /// File that holds the key.
    pub key_file: Option<String>,
    /// Names under which the admin side is reached, besides loopback and its own address.
    pub hosts: Option<OneOrMany<String>>,
    /// Versions of its API; only `v1` is possible in this version.
    #[schemars(extend("default" = ["v1"]))]
    #[expect(dead_code, reason = "one value is possible, and `unsupported` refuses the others")]
    pub dialects: Option<OneOrMany<DialectText>>,
}

/// A version of the admin API.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum DialectText {
    /// Version 1.
    V1,
}

/// Probes, metrics and the end. Nothing secret is served here.
///
/// ```toml
/// [ops]
/// address = ":9642"
/// drain   = { delay = "5s", grace = "25s" }
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct OpsText {
    /// Where `/livez`, `/readyz` and `/metrics` are served, or `"off"`.
    #[schemars(extend("default" = "127.0.0.1:9642"))]
    pub address: Option<AddressOrOff>,
    /// What happens between the signal to stop and the end.
    pub drain: Option<DrainText>,
}

/// What happens between the signal to stop and the end.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct DrainText {
    /// How long new connections are still taken, until load balancers have noticed. If absent: `0s` when started
    /// without a file or by systemd, else `5s`.
    #[schemars(extend("default" = "5s"))]
    pub delay: Option<DurationText>,
    /// How long requests in flight may take after that.
    #[schemars(extend("default" = "25s"))]
    pub grace: Option<DurationText>,
}

/// Logs.
///
/// ```toml
/// [log]
/// level  = "info"
/// format = "json"
/// access = { sample = "10%", query = "drop", ip = "truncated" }
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct LogText {
    /// `error`, `warn`, `info`, `debug` or `trace`; also by module, as in `info,argus::proxy=debug`.
    #[schemars(extend("default" = "info"))]
    pub level: Option<String>,
    /// How lines look: `auto` is `pretty` on a terminal and `json` elsewhere.
    #[schemars(extend("default" = "auto"))]
    pub format: Option<LogFormatText>,
    /// The access log, one line a request.
    pub access: Option<AccessText>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum LogFormatText {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// JSON.
    Json,
    /// For people.
    Pretty,
}

/// What the access log holds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AccessText {
    /// Whether it is written at all.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Share of admitted requests that are logged. Refusals and failures always are.
    #[schemars(extend("default" = "100%"))]
    pub sample: Option<ShareText>,
    /// Request headers that are logged besides. Credentials never are.
    pub headers: Option<OneOrMany<String>>,
    /// What becomes of the query: `redact` tells that there was one, `keep` leaves it but for credentials, `drop`
    /// leaves it out.
    #[schemars(extend("default" = "redact"))]
    pub query: Option<QueryText>,
    /// What becomes of the client's address: `full`, `truncated` to /24 or /48, or `hashed`.
    #[schemars(extend("default" = "full"))]
    pub ip: Option<AddressLogText>,
}

/// What becomes of a query in the log.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum QueryText {
    /// A mark that there was one.
    Redact,
    /// As sent, without credentials.
    Keep,
    /// Left out.
    Drop,
}

/// What becomes of an address in the log.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum AddressLogText {
    /// Whole.
    Full,
    /// Cut to its network.
    Truncated,
    /// A hash that changes with every start.
    Hashed,
}

/// Metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MetricsText {
    /// Whether `/metrics` is served in Prometheus' formats; `[ops] address = "off"` switches it off.
    #[schemars(extend("default" = true))]
    #[expect(dead_code, reason = "one value is possible, and `unsupported` refuses the others")]
    pub prometheus: Option<bool>,
    /// Whether there is a series for each key; only `false` is possible in this version.
    #[schemars(extend("default" = false))]
    #[expect(dead_code, reason = "one value is possible, and `unsupported` refuses the others")]
    pub key_labels: Option<bool>,
}

/// How refusals look.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ErrorsText {
    /// URL that the `type` of refusals begins with; the reason's code follows. `about:blank` if absent.
    pub type_base: Option<String>,
    /// Answer 401 instead of 404 to callers without a key, so that nobody learns which routes there are.
    #[schemars(extend("default" = false))]
    pub hide_routes: Option<bool>,
    /// `full` tells which condition does not hold, `minimal` only that one does not.
    #[schemars(extend("default" = "full"))]
    pub detail: Option<DetailText>,
}

/// How much a refusal tells.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum DetailText {
    /// Which condition does not hold.
    Full,
    /// That one does not hold.
    Minimal,
}

/// How long records are kept: a duration, or `"forever"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RetentionText {
    /// Usage by the minute.
    #[schemars(extend("default" = "30d"))]
    pub usage_minutes: Option<DurationOrForever>,
    /// Usage by the day.
    #[schemars(extend("default" = "400d"))]
    pub usage_days: Option<DurationOrForever>,
    /// Audit records.
    #[schemars(extend("default" = "400d"))]
    pub audit: Option<DurationOrForever>,
    /// What is left of deleted keys: id, name, owner and reason.
    #[schemars(extend("default" = "400d"))]
    pub deleted_keys: Option<DurationOrForever>,
    /// Addresses of clients.
    pub client_ip: Option<ClientIpText>,
}

/// What becomes of kept addresses.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ClientIpText {
    /// Age at which they are cut to /24 and /48, or `"never"`.
    #[schemars(extend("default" = "7d"))]
    pub truncate_after: Option<DurationOrNever>,
}

/// Threads and memory.
///
/// ```toml
/// [resources]
/// workers   = 4
/// counters  = "64MiB"
/// key_cache = "64MiB"
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ResourcesText {
    /// Threads that carry traffic; as many as there are cores if absent.
    pub workers: Option<u32>,
    /// Most requests in progress at once. Each worker has its share; what comes beyond it is refused with 503 before
    /// anything is decided about it, so that those in progress are not held up.
    #[schemars(extend("default" = 20_000))]
    pub max_requests: Option<u32>,
    /// How late a worker may run what it has to do, or `never`. While it is later than that all the time, a growing share
    /// of new requests is refused with 503, so that those it takes are answered in time.
    #[schemars(extend("default" = "250ms"))]
    pub max_lag: Option<DurationOrNever>,
    /// Memory for the counters of limits. When it is full, new counters are refused.
    #[schemars(extend("default" = "64MiB"))]
    pub counters: Option<SizeText>,
    /// Memory for keys that were looked up.
    #[schemars(extend("default" = "64MiB"))]
    pub key_cache: Option<SizeText>,
}
