//! Tables about those who call: their address, their keys, where they are, what upstreams are told of them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::value::{DurationOrNever, DurationText, OneOrMany};

/// Who may tell the client's address.
///
/// ```toml
/// [clients]
/// trusted_proxies = ["10.0.0.0/8", "fd00::/8"]
/// address_from    = "x-forwarded-for"
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ClientsText {
    /// Networks whose word about the client's address is taken, as CIDR; nobody's if absent.
    pub trusted_proxies: Option<OneOrMany<String>>,
    /// Where a trusted proxy tells it: `x-forwarded-for`, `forwarded` (RFC 7239), `proxy-protocol` (version 1 or 2, in
    /// front of each connection; then every connection from a trusted proxy must begin with it), or `peer` for nowhere.
    #[schemars(extend("default" = "x-forwarded-for"))]
    pub address_from: Option<AddressFromText>,
    /// Bits of an IPv6 address by which a client is counted: one home network is one client.
    #[schemars(extend("default" = 64))]
    pub ipv6_prefix: Option<u8>,
    /// Whether the upstream gets the field `Forwarded` besides the `X-Forwarded-` fields: `rfc7239`, or `off`.
    #[schemars(extend("default" = "off"))]
    pub forwarded: Option<ForwardedText>,
}

/// Whether `Forwarded` is sent.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ForwardedText {
    /// It is not.
    Off,
    /// It is.
    Rfc7239,
}

/// Where the client's address stands.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum AddressFromText {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded`.
    Forwarded,
    /// The header of the PROXY protocol.
    ProxyProtocol,
    /// The connection's own address.
    Peer,
}

/// How callers prove who they are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AuthText {
    /// API keys.
    pub api_key: Option<ApiKeyText>,
}

/// How API keys are presented.
///
/// ```toml
/// [auth.api_key]
/// from     = ["header:X-API-Key", "bearer"]
/// failures = "20/min"
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ApiKeyText {
    /// Places where a key may stand: `header:NAME`, `bearer` (`Authorization: Bearer …`), `apikey`
    /// (`Authorization: ApiKey …`), `query:NAME`, `cookie:NAME`. Two different keys in one request are refused.
    #[schemars(extend("default" = ["header:X-API-Key", "bearer", "header:Argus-API-Key"]))]
    pub from: Option<OneOrMany<String>>,
    /// Whether the upstream sees the key.
    #[schemars(extend("default" = false))]
    pub forward_credential: Option<bool>,
    /// Failed credentials taken from one address before it is refused unheard, or `"off"`.
    #[schemars(extend("default" = "20/min"))]
    pub failures: Option<String>,
}

/// How keys are made and kept.
///
/// ```toml
/// [keys]
/// prefix       = "acme"
/// default_ttl  = "365d"
/// default_plan = "free"
/// pepper       = "${ARGUS_PEPPER:-only-an-example-of-a-pepper}"
/// rotation     = { overlap = "24h" }
///
/// [plans.free]
/// limits = [{ rate = "60/min" }]
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct KeysText {
    /// The word in front of every key: 2 to 16 lower-case letters and digits, a letter first.
    #[schemars(extend("default" = "argus"))]
    pub prefix: Option<String>,
    /// Words that may name an environment; new keys get the first.
    #[schemars(extend("default" = ["live", "test"]))]
    pub environments: Option<OneOrMany<String>>,
    /// Life of a new key for which none is given, or `"never"` for keys that do not expire.
    #[schemars(extend("default" = "never"))]
    pub default_ttl: Option<DurationOrNever>,
    /// Most live keys of one owner.
    #[schemars(extend("default" = 50))]
    pub max_per_owner: Option<u32>,
    /// Plan of keys that name none. The plan `default` allows 100 requests a minute unless `[plans.default]` says
    /// otherwise.
    #[schemars(extend("default" = "default"))]
    pub default_plan: Option<String>,
    /// Secret, of at least 16 bytes, that makes a stolen table of keys useless on its own. Keys made before it was set
    /// or changed stop working.
    pub pepper: Option<String>,
    /// File that holds the pepper.
    pub pepper_file: Option<String>,
    /// What happens when a key is rotated.
    pub rotation: Option<RotationText>,
}

/// What happens when a key is rotated.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RotationText {
    /// How long the old key goes on working if nothing else is said.
    #[schemars(extend("default" = "24h"))]
    pub overlap: Option<DurationText>,
}

/// Databases that tell the country and the network of an address. None is shipped.
///
/// ```toml
/// [geo]
/// country_db = "geoip/country.mmdb"
/// asn_db     = "geoip/asn.mmdb"
/// unknown    = "deny"
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct GeoText {
    /// File of countries, in MaxMind's format.
    pub country_db: Option<String>,
    /// File of autonomous systems, in MaxMind's format.
    pub asn_db: Option<String>,
    /// Whether a client that no database places passes a country or network condition.
    #[schemars(extend("default" = "deny"))]
    pub unknown: Option<UnknownText>,
    /// Age of a database from which a warning is given.
    #[schemars(extend("default" = "45d"))]
    pub warn_if_older_than: Option<DurationOrNever>,
}

/// What becomes of a client that cannot be placed.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum UnknownText {
    /// It is refused.
    Deny,
    /// It passes.
    Allow,
}

/// What upstreams are told about the caller.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct IdentityHeadersText {
    /// How they are told; only `plain` headers are possible in this version.
    #[schemars(extend("default" = ["plain"]))]
    #[expect(dead_code, reason = "one value is possible, and `unsupported` refuses the others")]
    pub style: Option<OneOrMany<IdentityStyle>>,
    /// What the names of these headers begin with.
    #[schemars(extend("default" = "Argus-"))]
    pub prefix: Option<String>,
}

/// A way of telling identity.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum IdentityStyle {
    /// One header a fact.
    Plain,
}
