//! Upstreams, named and anonymous.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;

use super::{Context, certificate};
use crate::config::problem::Code;
use crate::config::tree::path;
use crate::config::value::DurationText;
use crate::config::written::{
    BreakerText, EjectionText, HealthText, Http2Text, ProxyProtocolText, RetryText, UpstreamText, UpstreamTlsText,
    Written,
};
use crate::model::id::Name;
use crate::model::upstream::{
    ATTEMPTS_MAX, BreakerSettings, Ejection, HealthCheck, Http2, ProxyProtocol, Retry, RetryOn, SERVERS_MAX, Server,
    ServerUrl, TlsIdentity, Upstream, UpstreamTls, WEIGHT_MAX,
};

/// Most checks or requests in a row that a decision waits for.
const RUN_MAX: u16 = 1_000;
/// Bounds of the requests that a circuit breaker judges by; more are not counted exactly.
const BREAKER_REQUESTS: [u32; 2] = [1, 1_000_000];

impl Context<'_> {
    pub(super) fn upstreams(&mut self, written: &Written) -> Vec<Upstream> {
        let mut out = Vec::new();
        for name in self.in_order("upstreams") {
            if let Some(text) = written.upstreams.as_ref().and_then(|tables| tables.get(&name)) {
                out.extend(self.upstream(&name, text));
            }
        }
        out
    }

    fn upstream(&mut self, name: &str, text: &UpstreamText) -> Option<Upstream> {
        // Everything is looked at, whether or not the name is one.
        let named = self.name("upstreams", name);
        let servers = self.servers(name, text);
        let plain = Upstream::new(named.clone().or_else(|| "unnamed".parse().ok())?, servers);
        let time = |context: &mut Self, field: &str, given: Option<DurationText>, default: Duration| {
            context.positive(&["upstreams", name, field], given.map(|d| d.0), default)
        };
        let request_timeout = time(self, "request_timeout", text.request_timeout, plain.idle_timeout);
        let balance = text.balance.as_ref();
        let upstream = Upstream {
            balance: balance.and_then(|b| self.parse(&path(&["upstreams", name, "balance"]), b)).unwrap_or_default(),
            connect_timeout: time(self, "connect_timeout", text.connect_timeout, plain.connect_timeout),
            first_byte_timeout: time(self, "first_byte_timeout", text.first_byte_timeout, request_timeout),
            idle_timeout: time(self, "idle_timeout", text.idle_timeout, request_timeout),
            timeout: text.timeout.map(|given| time(self, "timeout", Some(given), given.0)),
            retry: text.retry.as_ref().map(|retry| self.retry(name, retry)).unwrap_or_default(),
            http2: match text.http2 {
                None | Some(Http2Text::Never) => Http2::Never,
                Some(Http2Text::Always) => Http2::Always,
                Some(Http2Text::Auto) => Http2::Auto,
            },
            proxy_protocol: text.proxy_protocol.map(|version| match version {
                ProxyProtocolText::V1 => ProxyProtocol::V1,
                ProxyProtocolText::V2 => ProxyProtocol::V2,
            }),
            tls: text.tls.as_ref().map(|tls| self.upstream_tls(name, tls)).unwrap_or_default(),
            resolver: text.resolver.map(|a| a.0),
            health: text.health.as_ref().map(|health| self.health(name, health)),
            ejection: text.ejection.as_ref().map(|ejection| self.ejection(name, ejection)),
            breaker: text.breaker.as_ref().map(|breaker| self.breaker(name, breaker)),
            slow_start: text.slow_start.map_or(plain.slow_start, |d| d.0),
            ..plain
        };
        if upstream.proxy_protocol.is_some() && upstream.http2 != Http2::Never {
            let message = "connections of HTTP/2 are shared by clients, and the PROXY protocol names one";
            self.error(Code::Value, &["upstreams", name, "proxy_protocol"], message).help("http2 = \"never\"");
        }
        if let (Some(tls), false) = (&text.tls, upstream.servers.iter().any(|s| s.url.tls))
            && (tls.certificate.is_some() || tls.key_file.is_some())
            && !upstream.servers.is_empty()
        {
            let message = format!("upstream \"{name}\" has no server that TLS is spoken with");
            self.error(Code::Value, &["upstreams", name, "tls"], message).help("servers = [\"https://…\"]");
        }
        named.map(|_| upstream)
    }

    fn servers(&mut self, name: &str, text: &UpstreamText) -> Vec<Server> {
        let field = ["upstreams", name, "servers"];
        let mut servers: Vec<Server> = Vec::new();
        let given = text.servers.as_ref().map_or(&[][..], |s| &s.0);
        for (n, server) in given.iter().enumerate() {
            let at = self.item(&field, n);
            let Some(url) = &server.url else {
                self.error(Code::Value, &at, "a server has no URL")
                    .help("{ url = \"http://127.0.0.1:3000\", weight = 2 }");
                continue;
            };
            let Some(url) = self.parse::<ServerUrl>(&at, url) else { continue };
            if servers.iter().any(|s| s.url == url) {
                self.error(Code::Value, &at, format!("server {url} is named twice"));
            }
            let at: Vec<&str> = at.iter().map(String::as_str).chain(["weight"]).collect();
            let weight = self.within(&at, server.weight, [1, WEIGHT_MAX], 1);
            servers.push(Server { url, weight });
        }
        if given.is_empty() && !self.problems.any_below(&path(&field)) {
            let message = format!("upstream \"{name}\" has no servers");
            self.gap(Code::NoServers, &field, message).help("servers = [\"http://127.0.0.1:3000\"]");
        }
        if servers.len() > SERVERS_MAX {
            self.error(Code::Value, &field, format!("more than {SERVERS_MAX} servers"));
        }
        servers
    }

    fn health(&mut self, name: &str, text: &HealthText) -> HealthCheck {
        let field = |field: &'static str| ["upstreams", name, "health", field];
        let is_path = |p: &str| {
            p.starts_with('/') && p.bytes().all(|b| b.is_ascii_graphic()) && p.parse::<PathAndQuery>().is_ok()
        };
        let asked = text.path.as_deref().unwrap_or("/");
        if !is_path(asked) {
            let message = format!("`{}` is not a path", crate::config::words::short(asked));
            self.error(Code::Value, &field("path"), message).help("path = \"/healthz\"");
        }
        let expect = text.expect.as_ref().and_then(|e| self.parse(&path(&field("expect")), e));
        HealthCheck {
            path: asked.to_owned(),
            every: self.positive(&field("every"), text.every.map(|d| d.0), Duration::from_secs(5)),
            timeout: self.positive(&field("timeout"), text.timeout.map(|d| d.0), Duration::from_secs(2)),
            healthy_after: self.within(&field("healthy_after"), text.healthy_after, [1, RUN_MAX], 2),
            unhealthy_after: self.within(&field("unhealthy_after"), text.unhealthy_after, [1, RUN_MAX], 3),
            expect: expect.unwrap_or_default(),
        }
    }

    fn ejection(&mut self, name: &str, text: &EjectionText) -> Ejection {
        let field = |field: &'static str| ["upstreams", name, "ejection", field];
        Ejection {
            after: self.within(&field("after"), text.after, [1, RUN_MAX], 5),
            duration: self.positive(&field("duration"), text.duration.map(|d| d.0), Duration::from_secs(30)),
            share_max: text.at_most.map_or(0.5, |share| share.0),
        }
    }

    fn breaker(&mut self, name: &str, text: &BreakerText) -> BreakerSettings {
        let field = |field: &'static str| ["upstreams", name, "breaker", field];
        if text.failures.is_some_and(|share| share.0 <= 0.0) {
            let message = "with `failures = \"0%\"` nothing would ever be sent";
            self.error(Code::Value, &field("failures"), message).help("failures = \"50%\"");
        }
        BreakerSettings {
            failures: text.failures.map_or(0.5, |share| share.0),
            requests_min: self.within(&field("requests"), text.requests, BREAKER_REQUESTS, 20),
            window: self.positive(&field("window"), text.window.map(|d| d.0), Duration::from_secs(10)),
            duration: self.positive(&field("duration"), text.duration.map(|d| d.0), Duration::from_secs(30)),
            probes: self.within(&field("probes"), text.probes, [1, u32::from(RUN_MAX)], 3),
        }
    }

    fn retry(&mut self, name: &str, text: &RetryText) -> Retry {
        let plain = Retry::default();
        let on = text.on.as_ref().map(|on| {
            let field = ["upstreams", name, "retry", "on"];
            let each = on.0.iter().enumerate();
            each.filter_map(|(n, word)| self.parse::<RetryOn>(&self.item(&field, n), word)).collect::<Vec<_>>()
        });
        let methods = text.methods.as_ref().map(|methods| {
            let field = ["upstreams", name, "retry", "methods"];
            let mut out = Vec::new();
            for (n, word) in methods.0.iter().enumerate() {
                match plain.methods.iter().find(|m| m.as_str() == word) {
                    Some(method) => out.push(method.clone()),
                    None => {
                        let all: Vec<&str> = plain.methods.iter().map(Method::as_str).collect();
                        let at = self.item(&field, n);
                        let message =
                            format!("`{}` is no method that may be sent twice", crate::config::words::short(word));
                        self.error(Code::Value, &at, message).help(format!("those that may are {}", all.join(", ")));
                    }
                }
            }
            out
        });
        let is_on = |reason| on.as_ref().is_none_or(|on| on.contains(&reason));
        Retry {
            attempts: self.within(
                &["upstreams", name, "retry", "attempts"],
                text.attempts,
                [1, ATTEMPTS_MAX],
                plain.attempts,
            ),
            on_connect: is_on(RetryOn::Connect),
            on_reset: is_on(RetryOn::Reset),
            methods: methods.unwrap_or(plain.methods),
            budget: text.budget.map_or(plain.budget, |share| share.0),
        }
    }

    fn upstream_tls(&mut self, name: &str, text: &UpstreamTlsText) -> UpstreamTls {
        let field = ["upstreams", name, "tls", "ca"];
        let ca: Option<PathBuf> = text.ca.as_ref().map(|ca| self.watched_file(&field, ca));
        if let Some(Err(error)) = ca.as_deref().map(certificate::read_chain) {
            self.error(Code::Certificate, &field, error.to_string());
        }
        if let Some(server_name) = &text.server_name
            && ServerName::try_from(server_name.as_str()).is_err()
        {
            let message = format!("`{}` is not a host name", crate::config::words::short(server_name));
            self.error(Code::Value, &["upstreams", name, "tls", "server_name"], message);
        }
        UpstreamTls { ca, server_name: text.server_name.clone(), identity: self.upstream_identity(name, text) }
    }

    fn upstream_identity(&mut self, name: &str, text: &UpstreamTlsText) -> Option<TlsIdentity> {
        let table = ["upstreams", name, "tls"];
        let field = |field: &'static str| ["upstreams", name, "tls", field];
        let certificate = text.certificate.as_ref().map(|t| self.watched_file(&field("certificate"), t));
        let key_file = text.key_file.as_ref().map(|t| self.watched_file(&field("key_file"), t));
        self.check_certificate(&table, certificate.as_deref(), key_file.as_deref());
        match (certificate, key_file) {
            (Some(certificate), Some(key_file)) => Some(TlsIdentity { certificate, key_file }),
            (None, None) => None,
            (Some(_), None) => {
                let message = "a certificate is of no use without its key";
                self.gap(Code::Missing, &field("key_file"), message).help("key_file = \"client.key\"");
                None
            }
            (None, Some(_)) => {
                let message = "a key is of no use without its certificate";
                self.gap(Code::Missing, &field("certificate"), message).help("certificate = \"client.crt\"");
                None
            }
        }
    }
}

/// The upstream that a URL in a route stands for: the one already made for this URL, or a new one named after it.
pub(super) fn anonymous(
    upstreams: &mut Vec<Upstream>,
    made: &mut Vec<(ServerUrl, Name)>,
    server: ServerUrl,
) -> Option<Name> {
    if let Some((_, name)) = made.iter().find(|(have, _)| *have == server) {
        return Some(name.clone());
    }
    let file = server.socket.as_deref().map(|s| s.file_name().unwrap_or_default().to_string_lossy());
    let place = file.as_deref().unwrap_or(&server.host);
    let place: String = place.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let place = match place.trim_start_matches(['-', '.']) {
        "" => "local",
        place => place,
    };
    let base = if file.is_some() { place.to_owned() } else { format!("{place}-{}", server.port) };
    let taken = |name: &str| upstreams.iter().any(|u| u.name.as_str() == name);
    let mut name = base.clone();
    let mut n = 1;
    while taken(&name) {
        n += 1;
        name = format!("{base}-{n}");
    }
    // Names of hosts and files may be longer than names of upstreams.
    let name: Name = name.parse().or_else(|_| format!("upstream-{}", upstreams.len() + 1).parse()).ok()?;
    upstreams.push(Upstream::new(name.clone(), vec![server.clone().into()]));
    made.push((server, name.clone()));
    Some(name)
}
