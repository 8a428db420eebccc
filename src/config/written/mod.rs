//! The written form: what may stand in `gateway.toml`, field by field.
//!
//! These types are the one description of the file: reading, the JSON Schema, the reference and the help on the
//! command line are made from them. A field's doc comment is what operators read about it, and its `default` is what
//! holds where nothing is written.

mod callers;
mod route_rules;
mod routing;
mod settings;
mod upstreams;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use callers::*;
pub(super) use route_rules::*;
pub(super) use routing::*;
pub(super) use settings::*;
pub(super) use upstreams::*;

use super::value::{AddressText, OneOrMany};
use crate::model::condition::ConditionText;
use crate::model::plan::PlanText;

/// The configuration of Argus.
///
/// Durations are written `"250ms"`, `"30s"`, `"1h30m"`, `"90d"`; sizes `"64KiB"`, `"10MB"`; rates `"100/min"`.
/// Any text may hold `${VAR}`, `${VAR:-default}` or `${VAR:?why it is needed}`; `$$` is a dollar sign.
/// Relative paths start from the directory of the file they stand in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "gateway.toml")]
pub(super) struct Written {
    /// Version of the format.
    #[schemars(extend("default" = 1))]
    pub version: Option<u64>,
    /// Where to listen: short for `address` of `[listeners.default]`.
    pub listen: Option<AddressText>,
    /// Header families that tell callers their limits; an empty list for none.
    #[schemars(extend("default" = ["ietf", "legacy"]))]
    pub ratelimit_headers: Option<OneOrMany<HeaderFamily>>,
    /// Where traffic comes in.
    pub listeners: Option<BTreeMap<String, ListenerText>>,
    /// Certificates that listeners refer to.
    pub tls: Option<BTreeMap<String, TlsText>>,
    /// Who may tell the client's address.
    pub clients: Option<ClientsText>,
    /// The APIs behind Argus.
    pub upstreams: Option<BTreeMap<String, UpstreamText>>,
    /// What is allowed through, and where to.
    pub routes: Option<BTreeMap<String, RouteText>>,
    /// How callers prove who they are.
    pub auth: Option<AuthText>,
    /// How keys are made and kept.
    pub keys: Option<KeysText>,
    /// Named limits that keys refer to. All limits of a plan apply together.
    ///
    /// ```toml
    /// [plans.free]
    /// limits = [{ rate = "60/min", burst = 20 }]
    /// quota  = { units = 10_000, every = "month" }
    /// ```
    pub plans: Option<BTreeMap<String, PlanText>>,
    /// Named conditions that routes and keys refer to. Everything a condition names must hold.
    ///
    /// ```toml
    /// [conditions.office_hours]
    /// time = { days = "mon-fri", from = "07:00", to = "19:00", zone = "Europe/Berlin" }
    ///
    /// [conditions.partners]
    /// ip       = { allow = ["198.51.100.0/24", "2001:db8:42::/48"], deny = ["198.51.100.66"] }
    /// referrer = { allow = ["https://*.example.com"] }
    /// ```
    pub conditions: Option<BTreeMap<String, ConditionText>>,
    /// Databases that tell the country and the network of an address.
    pub geo: Option<GeoText>,
    /// Where keys, counters and records are kept.
    pub store: Option<StoreText>,
    /// The admin side: the REST API that the command line uses.
    pub admin: Option<AdminText>,
    /// Probes, metrics and the end.
    pub ops: Option<OpsText>,
    /// What upstreams are told about the caller.
    pub identity_headers: Option<IdentityHeadersText>,
    /// Logs.
    pub log: Option<LogText>,
    /// Metrics; they are served on the address of `[ops]`.
    #[expect(dead_code, reason = "its fields have one value each, and `unsupported` refuses the others")]
    pub metrics: Option<MetricsText>,
    /// How refusals look.
    pub errors: Option<ErrorsText>,
    /// How long records are kept.
    pub retention: Option<RetentionText>,
    /// Threads and memory.
    pub resources: Option<ResourcesText>,
}

/// A family of headers that tell limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HeaderFamily {
    /// `RateLimit-Policy` and `RateLimit`.
    Ietf,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    Legacy,
}
