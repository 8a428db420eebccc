//! The configuration from the outside: text in, problems or a resolved configuration out.

mod loading;
mod made;
mod mistakes;
mod printed;
mod properties;

use super::*;

/// Loads a text as `gateway.toml`, with an environment that holds nothing.
pub(super) fn text(toml: &str) -> Loaded {
    load(&Source::Text { name: "gateway.toml".into(), text: toml.into() }, &|_| None)
}

/// The configuration of a text in which nothing is wrong.
#[track_caller]
pub(super) fn good(toml: &str) -> Config {
    let loaded = text(toml);
    assert_eq!(loaded.problems.render(false), "", "{toml}");
    loaded.config.expect("no problem was found")
}

const SIX_LINES: &str = r#"
listen = ":8080"

[routes.api]
paths = ["/*"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
"#;

const REALISTIC: &str = r#"
version = 1
ratelimit_headers = ["ietf", "legacy"]

[listeners.public]
address = ":8443"
http3   = false

[listeners.plain]
address = ":8080"
insecure_requests = "reject"

[listeners.public.limits]
max_header_size   = "32KiB"
max_body_size     = "10MiB"
header_timeout    = "10s"
idle_timeout      = "120s"
max_connections   = 20_000

[clients]
trusted_proxies = ["10.0.0.0/8", "fd00::/8"]
address_from    = "x-forwarded-for"
ipv6_prefix     = 64

[upstreams.orders]
servers         = ["http://orders-1:8080", "http://orders-2:8080"]
balance         = "least_requests"
connect_timeout = "2s"
request_timeout = "30s"

[upstreams.reports]
servers = ["https://reports.internal:8443"]
tls     = { server_name = "reports.internal" }

[routes.orders]
hosts    = ["api.example.com"]
paths    = ["/v1/orders/*"]
upstream = "orders"
auth     = ["api_key"]
scopes   = { GET = "orders:read", "POST,PUT,PATCH,DELETE" = "orders:write" }
cost     = { GET = 1, POST = 5 }

[routes.reports]
hosts      = ["api.example.com"]
paths      = ["/v1/reports/*"]
upstream   = "reports"
auth       = "api_key"
scopes     = "reports:read"
conditions = ["office_hours"]
limits     = [{ rate = "10/min", by = "key" }]
strip_prefix = "/v1"
environment = "live"
errors.style = "argus"

[routes.status]
paths    = ["/status"]
upstream = "orders"
auth     = "none"

[auth.api_key]
from = ["header:X-API-Key", "bearer", "header:Argus-API-Key"]
forward_credential = false

[keys]
prefix        = "argus"
default_ttl   = "365d"
max_per_owner = 50
default_plan  = "free"
rotation      = { overlap = "24h" }

[plans.free]
limits = [{ rate = "60/min", burst = 20, strategy = "token_bucket" }]
quota  = { units = 10_000, every = "month", resets = "calendar" }

[plans.pro]
limits = [
  { name = "burst",  rate = "50/s",     burst = 100, strategy = "token_bucket" },
  { name = "steady", rate = "3000/min", strategy = "sliding_window" },
]
quota       = { units = 2_000_000, every = "month" }

[conditions.office_hours]
time = { days = "mon-fri", from = "07:00", to = "19:00", zone = "Europe/Berlin" }

[conditions.partners]
ip       = { allow = ["198.51.100.0/24", "2001:db8:42::/48"], deny = ["198.51.100.66"] }
referrer = { allow = ["https://*.example.com"] }

[geo]
unknown    = "deny"
warn_if_older_than = "45d"

[store]
url = "file:/var/lib/argus"

[admin]
address   = "127.0.0.1:9640"
socket    = "/run/argus/admin.sock"
dialects  = ["v1"]

[ops]
address = ":9642"
drain   = { delay = "5s", grace = "25s" }

[identity_headers]
style  = ["plain"]
prefix = "Argus-"

[log]
level  = "info"
format = "auto"
access = { sample = "100%", headers = [], query = "redact", ip = "full" }

[metrics]
prometheus = true
key_labels = false

[retention]
usage_minutes = "30d"
usage_days    = "400d"
audit         = "400d"
deleted_keys  = "400d"
client_ip     = { truncate_after = "7d" }
"#;

#[test]
fn six_lines_are_enough() {
    let config = good(SIX_LINES);
    assert_eq!(config.listeners[0].address.port(), 8080);
    assert_eq!(config.listeners[0].insecure_requests, InsecureRequests::Allow);
    assert_eq!(config.upstreams[0].name.as_str(), "127.0.0.1-3000");
    assert_eq!(config.routes[0].upstream.as_str(), "127.0.0.1-3000");
    assert_eq!(config.keys.default_plan.as_ref().map(Name::as_str), Some("default"));
    assert_eq!(config.plans["default"].limits[0].to_string(), "100/min");
    assert_eq!(config.routes[0].origin.to_string(), "gateway.toml:4");
}

#[test]
fn a_realistic_file_is_resolved() {
    let config = good(REALISTIC);
    assert_eq!(config.listeners.len(), 2);
    let orders = &config.routes[0];
    assert_eq!(orders.methods.len(), 6, "five named, and HEAD after GET");
    assert_eq!(orders.cost_of(&http::Method::POST), 5);
    assert_eq!(config.routes[1].rules.rewrite, Some(crate::model::rewrite::Rewrite::new("/v1", "")));
    assert_eq!(config.plans["pro"].limits.len(), 3);
}
