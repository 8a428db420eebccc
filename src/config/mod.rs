//! The configuration: how it is written, and what leaves this module once nothing is wrong with it.
//!
//! `gateway.toml` and `conf.d/*.toml` are read into a tree that knows where everything stands, checked as a whole so
//! that all problems are told at once, and resolved into [`Config`]. Only the resolved form leaves.

mod expand;
mod init;
mod listener;
mod load;
mod mount;
mod nearest;
mod overrides;
mod problem;
mod read;
mod reference;
mod render;
mod resolve;
mod schema;
mod secrets;
mod show;
mod source;
mod tree;
mod unsupported;
mod value;
mod words;
mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::model::condition::{Condition, ConditionText};
use crate::model::id::Name;
use crate::model::limit::{Limit, Rate};
use crate::model::network::AddressSet;
use crate::model::plan::PlanText;
use crate::model::route::{Origin, Route};
use crate::model::secret::{Pepper, Secret};
use crate::model::upstream::Upstream;

pub use init::{Answers, init_template};
pub use listener::{
    CERTIFICATE_SOON, ClientAuthorities, ClientCertificates, InsecureRequests, Listener, ListenerLimits, ListenerTls,
    TlsCertificate,
};
pub use load::{FILE_BYTES_MAX, FILES_MAX, Loaded, Source, load};
pub use problem::{Code, Problem, Problems, Severity};
pub use reference::{help, reference};
pub use schema::schema;
pub use show::Shown;
pub use value::{ValueError, parse_address, parse_duration, parse_size};

/// Answers for variables of the environment, so that tests need not change the real one.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything that can be configured, resolved and checked.
#[derive(Debug)]
pub struct Config {
    /// Files this was read from, in order; empty when made from the command line.
    pub files: Vec<PathBuf>,
    /// Where traffic comes in, at least one.
    pub listeners: Vec<Listener>,
    /// Who may tell the client's address.
    pub clients: Clients,
    /// Upstreams by name, those written as a URL in a route included.
    pub upstreams: Vec<Upstream>,
    /// Routes, in the order written.
    pub routes: Vec<Route>,
    /// How keys are presented.
    pub api_key: ApiKeyAuth,
    /// How keys are made and kept.
    pub keys: KeyRules,
    /// Plans of the file.
    pub plans: BTreeMap<Name, FilePlan>,
    /// Conditions of the file.
    pub conditions: BTreeMap<Name, FileCondition>,
    /// Geo databases.
    pub geo: Geo,
    /// Where state lives.
    pub store: StoreSettings,
    /// The admin side.
    pub admin: Admin,
    /// Probes and metrics.
    pub ops: Ops,
    /// Logs.
    pub log: Log,
    /// How refusals look.
    pub errors: Errors,
    /// Header families that tell limits.
    pub ratelimit_headers: RateLimitHeaders,
    /// Prefix of the identity headers the upstream gets, such as `argus-` (lower-case, ends in `-`).
    pub identity_prefix: String,
    /// How long records are kept.
    pub retention: Retention,
    /// Data-plane threads.
    pub workers: usize,
    /// Requests in progress at once, over all workers.
    pub requests_max: usize,
    /// How late a worker may run before requests are turned away; `None` for as late as may be.
    pub lag_max: Option<Duration>,
    /// Bytes the table of counters may take.
    pub counter_bytes_max: u64,
    /// Bytes the cache of keys may take.
    pub key_cache_bytes_max: u64,
}

/// Who may tell the client's address.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Peers whose word is taken; empty means nobody's.
    pub trusted_proxies: AddressSet,
    /// Where they tell it.
    pub address_from: AddressFrom,
    /// Bits of an IPv6 address by which a client is counted.
    pub ipv6_prefix: u8,
    /// Whether the upstream gets `Forwarded` (RFC 7239) besides the `X-Forwarded-` fields.
    pub sends_forwarded: bool,
}

/// Where the client's address stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFrom {
    /// `X-Forwarded-For`, from the right.
    XForwardedFor,
    /// `Forwarded` (RFC 7239), from the right.
    Forwarded,
    /// The header of the PROXY protocol in front of a connection.
    ProxyProtocol,
    /// The connection's own address.
    Peer,
}

/// How keys are presented.
#[derive(Debug, Clone)]
pub struct ApiKeyAuth {
    /// Places looked at; all of them, as two different keys are refused.
    pub from: Vec<CredentialPlace>,
    /// Whether the upstream sees the key.
    pub forward_credential: bool,
    /// Failed credentials taken from one address before it is refused unheard; `None` switches this off.
    pub failures: Option<Rate>,
}

/// A place where a key may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialPlace {
    /// The whole value of a field.
    Header(HeaderName),
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: ApiKey …`.
    ApiKeyScheme,
    /// A query parameter; cut from the forwarded URL and from logs.
    Query(Box<str>),
    /// A cookie; cut from the forwarded request.
    Cookie(Box<str>),
}

/// How keys are made and kept.
#[derive(Debug)]
pub struct KeyRules {
    /// The word in front of every key.
    pub prefix: Box<str>,
    /// Words that may name an environment, the first being the default for new keys.
    pub environments: Vec<Box<str>>,
    /// Life of a new key for which none is given; `None` for ever.
    pub default_ttl: Option<Duration>,
    /// Most live keys of one owner.
    pub max_per_owner: u32,
    /// Key of the HMAC under which keys are stored.
    pub pepper: Option<Arc<Pepper>>,
    /// How long a rotated key goes on working if nothing else is said.
    pub rotation_overlap: Duration,
    /// Plan of keys that name none.
    pub default_plan: Option<Name>,
}

/// A plan of the file.
#[derive(Debug, Clone)]
pub struct FilePlan {
    /// As written.
    pub text: PlanText,
    /// As counted.
    pub limits: Vec<Limit>,
    /// Where it stands.
    pub origin: Origin,
}

/// A condition of the file.
#[derive(Debug, Clone)]
pub struct FileCondition {
    /// As written.
    pub text: ConditionText,
    /// As asked.
    pub condition: Condition,
    /// Where it stands.
    pub origin: Origin,
}

/// Geo databases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Geo {
    /// File of countries.
    pub country_db: Option<PathBuf>,
    /// File of autonomous systems.
    pub asn_db: Option<PathBuf>,
    /// Whether a client that cannot be placed passes a country or network condition.
    pub allow_unknown: bool,
    /// Age of a database from which a warning is given.
    pub warn_if_older_than: Option<Duration>,
}

/// Where state lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Directory of the embedded store.
    pub dir: PathBuf,
}

/// The admin side.
#[derive(Debug)]
pub struct Admin {
    /// TCP address; `None` for the socket alone.
    pub address: Option<SocketAddr>,
    /// Unix socket.
    pub socket: PathBuf,
    /// Key of the TCP side; when absent one is made and kept in the store's directory as `admin-key`.
    pub key: Option<Secret>,
    /// Names and addresses a `Host` field may hold, besides loopback and the listening address.
    pub hosts: Vec<String>,
}

/// Probes, metrics and the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ops {
    /// Where probes and metrics listen; `None` for nowhere.
    pub address: Option<SocketAddr>,
    /// How long new connections are still taken after the signal to stop.
    pub drain_delay: Duration,
    /// Whether `drain_delay` was asked for; what starts Argus may choose another where it was not.
    pub drain_delay_given: bool,
    /// How long requests in flight may take after that.
    pub drain_grace: Duration,
}

/// Logs.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Directive of what is logged, such as `info`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// The access log; `None` for none.
    pub access: Option<AccessLog>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// JSON.
    Json,
    /// For people.
    Pretty,
}

/// What an access-log line holds.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    /// Share of admitted requests that are logged, 0 to 1. Refusals and failures always are.
    pub sample: f64,
    /// Request headers that are logged besides, lower-case.
    pub headers: Vec<HeaderName>,
    /// What becomes of the query.
    pub query: QueryLog,
    /// What becomes of the client's address.
    pub ip: AddressLog,
}

/// What becomes of a query in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryLog {
    /// `[redacted]` where there was one.
    Redact,
    /// As sent, without credentials.
    Keep,
    /// Left out.
    Drop,
}

/// What becomes of an address in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressLog {
    /// Whole.
    Full,
    /// Cut to /24 and /48.
    Truncated,
    /// A keyed hash that changes with every start.
    Hashed,
}

/// How refusals look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors {
    /// Base of the problem types; `about:blank` if absent.
    pub type_base: Option<String>,
    /// Answer 401 instead of 404 to callers without a key.
    pub hide_routes: bool,
    /// Tell only that a condition does not hold, not which.
    pub minimal_detail: bool,
}

/// Header families that tell limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitHeaders {
    /// `RateLimit-Policy` and `RateLimit`.
    pub ietf: bool,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    pub legacy: bool,
}

/// How long records are kept; `None` for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Usage by the minute.
    pub usage_minutes: Option<Duration>,
    /// Usage by the day.
    pub usage_days: Option<Duration>,
    /// Audit records.
    pub audit: Option<Duration>,
    /// Tombstones of deleted keys.
    pub deleted_keys: Option<Duration>,
    /// Age at which client addresses are cut to /24 and /48.
    pub truncate_ip_after: Option<Duration>,
}

#[cfg(test)]
mod tests;
