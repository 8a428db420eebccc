//! Tables of which there is one each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::Context;
use super::policy::DEFAULT_PLAN;
use crate::config::problem::Code;
use crate::config::secrets::{SECRET_BYTES_MAX, read_secret};
use crate::config::tree::path;
use crate::config::words::short;
use crate::config::written::{
    AddressFromText, AddressLogText, DetailText, HeaderFamily, LogFormatText, LogText, QueryText, UnknownText, Written,
};
use crate::config::{
    AccessLog, AddressFrom, AddressLog, Admin, ApiKeyAuth, Clients, CredentialPlace, Errors, Geo, KeyRules, Log,
    LogFormat, Ops, QueryLog, RateLimitHeaders, Retention, StoreSettings,
};
use crate::model::id::Name;
use crate::model::key_format::{ADMIN_PREFIX, ENVIRONMENT_LEN_MAX, is_environment, is_prefix};
use crate::model::limit::Rate;
use crate::model::network::{AddressSet, Cidr};
use crate::model::secret::{Pepper, Secret};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Longest path of a unix socket, in bytes: what `sockaddr_un` holds.
const SOCKET_PATH_MAX: usize = 107;
/// Shortest admin key, in bytes.
const ADMIN_KEY_BYTES_MIN: usize = 16;
/// Most worker threads.
const WORKERS: [u32; 2] = [1, 1_024];
/// Memory of a table, in bytes.
const MEMORY: [u64; 2] = [1 << 20, 1 << 40];
/// Where a package keeps state.
const SYSTEM_STATE_DIR: &str = "/var/lib/argus";
/// Where state is kept by whoever just tries it.
const LOCAL_STATE_DIR: &str = "argus-data";

impl Context<'_> {
    pub(super) fn clients(&mut self, written: &Written) -> Clients {
        let text = written.clients.as_ref();
        let field = ["clients", "trusted_proxies"];
        let mut networks = Vec::new();
        let mut everybody = None;
        for (n, network) in text.and_then(|c| c.trusted_proxies.as_ref()).iter().flat_map(|t| &t.0).enumerate() {
            let at = self.item(&field, n);
            let Some(cidr) = self.parse::<Cidr>(&at, network) else { continue };
            if cidr.net().prefix_len() == 0 {
                everybody = everybody.or(Some(at));
            }
            networks.push(cidr);
        }
        let nets: Vec<_> = networks.iter().map(Cidr::net).collect();
        if everybody.is_none() && ipnet::IpNet::aggregate(&nets).iter().any(|n| n.prefix_len() == 0) {
            everybody = Some(path(&field));
        }
        if let Some(at) = everybody {
            self.trusts_everybody(&at, written);
        }
        Clients {
            trusted_proxies: networks.into_iter().collect::<AddressSet>(),
            address_from: match text.and_then(|c| c.address_from) {
                None | Some(AddressFromText::XForwardedFor) => AddressFrom::XForwardedFor,
                Some(AddressFromText::Forwarded) => AddressFrom::Forwarded,
                Some(AddressFromText::Peer) => AddressFrom::Peer,
            },
            ipv6_prefix: self.within(&["clients", "ipv6_prefix"], text.and_then(|c| c.ipv6_prefix), [1, 128], 64),
        }
    }

    fn trusts_everybody(&mut self, at: &[String], written: &Written) {
        let protects = written.conditions.iter().flatten().find(|(_, c)| c.ip.is_some()).map(|(name, _)| name);
        let nothing = match protects {
            Some(name) => format!("so `conditions.{name}.ip` protects nothing"),
            None => "so no limit or condition by address holds".to_owned(),
        };
        self.error(Code::TrustsEverybody, at, "everyone would be trusted to state the client's address")
            .label(format!("this lets any caller choose its own IP, {nothing}"))
            .help("name the networks your load balancer sends from, for example [\"10.0.0.0/8\"]")
            .help("nothing in front of argus? remove the line; the connection's own address is used");
    }

    pub(super) fn api_key(&mut self, written: &Written) -> ApiKeyAuth {
        let text = written.auth.as_ref().and_then(|a| a.api_key.as_ref());
        let field = ["auth", "api_key", "from"];
        let mut from = Vec::new();
        match text.and_then(|t| t.from.as_ref()) {
            Some(places) => {
                for (n, place) in places.0.iter().enumerate() {
                    let at = self.item(&field, n);
                    from.extend(self.credential_place(&at, place).filter(|p| !from.contains(p)));
                }
                if places.0.is_empty() && !self.problems.any_below(&path(&field)) {
                    self.error(Code::Value, &field, "no place is named where a key may stand");
                }
            }
            None => from.extend([
                CredentialPlace::Header(HeaderName::from_static("x-api-key")),
                CredentialPlace::Bearer,
                CredentialPlace::Header(HeaderName::from_static("argus-api-key")),
            ]),
        }
        let failures = match text.and_then(|t| t.failures.as_deref()) {
            Some("off") => None,
            Some(rate) => self.parse(&path(&["auth", "api_key", "failures"]), rate),
            None => "20/min".parse::<Rate>().ok(),
        };
        ApiKeyAuth { from, forward_credential: text.and_then(|t| t.forward_credential).unwrap_or(false), failures }
    }

    fn credential_place(&mut self, at: &[String], text: &str) -> Option<CredentialPlace> {
        let token = |name: &str| !name.is_empty() && HeaderName::from_bytes(name.as_bytes()).is_ok();
        let place = match text.split_once(':') {
            None if text == "bearer" => Some(CredentialPlace::Bearer),
            None if text == "apikey" => Some(CredentialPlace::ApiKeyScheme),
            Some(("header", name)) => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(AUTHORIZATION) => None,
                Ok(name) => Some(CredentialPlace::Header(name)),
                Err(_) => None,
            },
            Some(("query", name)) if token(name) => Some(CredentialPlace::Query(name.into())),
            Some(("cookie", name)) if token(name) => Some(CredentialPlace::Cookie(name.into())),
            _ => None,
        };
        if place.is_none() {
            self.error(Code::Value, at, format!("`{}` is not a place where a key may stand", short(text))).label(
                "expected \"header:NAME\", \"bearer\", \"apikey\", \"query:NAME\" or \"cookie:NAME\"; \
                 `Authorization` is read by \"bearer\" and \"apikey\"",
            );
        }
        place
    }

    pub(super) fn keys(&mut self, written: &Written) -> KeyRules {
        let none = Default::default();
        let text = written.keys.as_ref().unwrap_or(&none);
        let prefix = text.prefix.as_deref().unwrap_or("argus");
        if !is_prefix(prefix) || prefix == ADMIN_PREFIX {
            self.error(Code::Value, &["keys", "prefix"], format!("`{}` cannot stand in front of keys", short(prefix)))
                .label(format!(
                    "expected 2 to 16 lower-case letters and digits, a letter first, and not \"{ADMIN_PREFIX}\""
                ));
        }
        if let Some(None) = text.default_ttl.map(|ttl| ttl.0) {
            self.warning(Code::KeysForEver, &["keys", "default_ttl"], "new keys never expire unless they are told to")
                .help("default_ttl = \"365d\"");
        }
        if text.default_ttl.and_then(|t| t.0).is_some_and(|t| t.is_zero()) {
            self.error(Code::Value, &["keys", "default_ttl"], "`default_ttl` must be longer than nothing");
        }
        KeyRules {
            prefix: prefix.into(),
            environments: self.environments(text.environments.as_ref().map(|e| e.0.as_slice())),
            default_ttl: text.default_ttl.and_then(|t| t.0),
            max_per_owner: self.within(&["keys", "max_per_owner"], text.max_per_owner, [1, 1_000_000], 50),
            pepper: self.pepper(text.pepper.as_deref(), text.pepper_file.as_deref()),
            rotation_overlap: text.rotation.as_ref().and_then(|r| r.overlap).map_or(24 * HOUR, |d| d.0),
            default_plan: self.default_plan(text.default_plan.as_deref(), written),
        }
    }

    fn environments(&mut self, given: Option<&[String]>) -> Vec<Box<str>> {
        let field = ["keys", "environments"];
        let Some(given) = given else { return vec!["live".into(), "test".into()] };
        if given.is_empty() && !self.problems.any_below(&path(&field)) {
            self.error(Code::Value, &field, "no environment is named").label("at least one, such as [\"live\"]");
        }
        let mut out: Vec<Box<str>> = Vec::new();
        for (n, word) in given.iter().enumerate() {
            let at = self.item(&field, n);
            if !is_environment(word) {
                self.error(Code::Value, &at, format!("`{}` cannot name an environment", short(word)))
                    .label(format!("expected 1 to {ENVIRONMENT_LEN_MAX} lower-case letters and digits"));
            } else if out.iter().any(|have| **have == **word) {
                self.error(Code::Value, &at, format!("`{word}` is named twice"));
            }
            out.push(word.as_str().into());
        }
        out
    }

    fn default_plan(&mut self, given: Option<&str>, written: &Written) -> Option<Name> {
        let plan = given.unwrap_or(DEFAULT_PLAN);
        if plan != DEFAULT_PLAN && !written.plans.as_ref().is_some_and(|plans| plans.contains_key(plan)) {
            let defined = self.in_order("plans");
            let defined = defined.iter().map(String::as_str);
            self.undefined(Code::PlanUnknown, path(&["keys", "default_plan"]), "plans", plan, defined);
            return None;
        }
        plan.parse().ok()
    }

    /// The secret in `table`, given as it is or by a file. `None` too where it cannot be had, which was told then.
    fn secret(&mut self, table: &str, field: &str, given: Option<&str>, file: Option<&str>) -> Option<Secret> {
        let file_field = format!("{field}_file");
        if given.is_some() && file.is_some() {
            let message = format!("`{field}` and `{file_field}` are both given");
            self.error(Code::SecretTwice, &[table, &file_field], message).label("keep one of them");
            return None;
        }
        if let Some(file) = file {
            let at = [table, file_field.as_str()];
            let file = self.watched_file(&at, file);
            let place = self.at(&at);
            return read_secret(&file, place, path(&at), self.problems).map(|t| Secret::new(t.to_string()));
        }
        given.map(|text| Secret::new(text.to_owned()))
    }

    /// Whether a secret's length is within bounds; told at whichever field gave it.
    fn secret_length(&mut self, table: &str, field: &str, secret: &Secret, least: usize) -> bool {
        let good = (least..=SECRET_BYTES_MAX).contains(&secret.expose().len());
        if !good {
            let file_field = format!("{field}_file");
            let at = if self.has(&[table, &file_field]) { file_field } else { field.to_owned() };
            let place = self.tree.find(&[table, &at]).and_then(|n| n.key);
            let message = format!("`{field}` must have {least} to {SECRET_BYTES_MAX} bytes");
            let problem = self.error(Code::SecretShape, &[table, &at], message).help("openssl rand -base64 32");
            if let Some(place) = place {
                problem.at(place);
            }
        }
        good
    }

    fn pepper(&mut self, given: Option<&str>, file: Option<&str>) -> Option<Arc<Pepper>> {
        let secret = self.secret("keys", "pepper", given, file)?;
        if !self.secret_length("keys", "pepper", &secret, Pepper::LEN_MIN) {
            return None;
        }
        Pepper::new(secret.expose().as_bytes().to_vec()).map(Arc::new)
    }

    pub(super) fn geo(&mut self, written: &Written) -> Geo {
        let none = Default::default();
        let text = written.geo.as_ref().unwrap_or(&none);
        Geo {
            country_db: text.country_db.as_deref().map(|file| self.geo_file("country_db", file)),
            asn_db: text.asn_db.as_deref().map(|file| self.geo_file("asn_db", file)),
            allow_unknown: matches!(text.unknown, Some(UnknownText::Allow)),
            warn_if_older_than: text.warn_if_older_than.map_or(Some(45 * DAY), |d| d.0),
        }
    }

    fn geo_file(&mut self, field: &'static str, file: &str) -> PathBuf {
        let path = self.watched_file(&["geo", field], file);
        let readable = std::fs::File::open(&path).and_then(|f| f.metadata()).and_then(|m| {
            if m.is_file() { Ok(()) } else { Err(std::io::Error::from(std::io::ErrorKind::IsADirectory)) }
        });
        if let Err(error) = readable {
            let message =
                format!("database {} cannot be read: {}", path.display(), crate::config::secrets::reason(&error));
            self.error(Code::GeoFile, &["geo", field], message)
                .help("no database is shipped: geoip/README.md tells where they come from");
        }
        path
    }

    pub(super) fn store(&mut self, written: &Written) -> StoreSettings {
        let field = ["store", "url"];
        let Some(url) = written.store.as_ref().and_then(|s| s.url.as_deref()) else {
            return StoreSettings { dir: state_dir(self.env) };
        };
        let dir = url.strip_prefix("file://").or_else(|| url.strip_prefix("file:")).filter(|dir| !dir.is_empty());
        let Some(dir) = dir else {
            self.error(Code::Value, &field, "this kind of store is not known").label("expected \"file:DIRECTORY\"");
            return StoreSettings { dir: LOCAL_STATE_DIR.into() };
        };
        let dir = self.file_path(&field, dir);
        if dir.is_file() {
            self.error(Code::Value, &field, format!("{} is a file, not a directory", dir.display()));
        }
        StoreSettings { dir }
    }

    pub(super) fn admin(&mut self, written: &Written, store: &StoreSettings) -> Admin {
        let none = Default::default();
        let text = written.admin.as_ref().unwrap_or(&none);
        let socket = match &text.socket {
            Some(socket) => self.file_path(&["admin", "socket"], socket),
            None => store.dir.join("admin.sock"),
        };
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            let message = format!("the path of the admin socket is longer than {SOCKET_PATH_MAX} bytes");
            self.error(Code::Value, &["admin", "socket"], message).help("[admin]\nsocket = \"/run/argus/admin.sock\"");
        }
        let key = self.secret("admin", "key", text.key.as_deref(), text.key_file.as_deref());
        let key = key.filter(|key| self.secret_length("admin", "key", key, ADMIN_KEY_BYTES_MIN));
        let mut hosts: Vec<String> = Vec::new();
        for (n, host) in text.hosts.iter().flat_map(|h| &h.0).enumerate() {
            let bare =
                host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host.as_str(), |h| h.0);
            if bare.parse::<crate::model::route::HostPattern>().is_err() || bare.starts_with('*') {
                let at = self.item(&["admin", "hosts"], n);
                self.error(Code::Value, &at, format!("`{}` is not the name of a host", short(host)));
            }
            hosts.push(host.to_ascii_lowercase());
        }
        let address = text.address.map_or_else(|| Some(([127, 0, 0, 1], 9640).into()), |a| a.0);
        Admin { address, socket, key, hosts }
    }

    pub(super) fn ops(&mut self, written: &Written) -> Ops {
        let none = Default::default();
        let text = written.ops.as_ref().unwrap_or(&none);
        let drain = text.drain.as_ref();
        let delay = drain.and_then(|d| d.delay).map(|d| d.0);
        Ops {
            address: text.address.map_or_else(|| Some(([127, 0, 0, 1], 9642).into()), |a| a.0),
            drain_delay: delay.unwrap_or(Duration::from_secs(5)),
            drain_delay_given: delay.is_some(),
            drain_grace: drain.and_then(|d| d.grace).map_or(Duration::from_secs(25), |d| d.0),
        }
    }

    pub(super) fn log(&mut self, written: &Written) -> Log {
        let none = Default::default();
        let text = written.log.as_ref().unwrap_or(&none);
        let level = text.level.as_deref().unwrap_or("info");
        if !is_directive(level) {
            self.error(Code::Value, &["log", "level"], format!("`{}` is not a level", short(level)))
                .label("expected error, warn, info, debug or trace, or for example \"info,argus::proxy=debug\"");
        }
        Log {
            level: level.to_owned(),
            format: match text.format {
                None | Some(LogFormatText::Auto) => LogFormat::Auto,
                Some(LogFormatText::Json) => LogFormat::Json,
                Some(LogFormatText::Pretty) => LogFormat::Pretty,
            },
            access: self.access_log(text),
        }
    }

    fn access_log(&mut self, text: &LogText) -> Option<AccessLog> {
        let none = Default::default();
        let text = text.access.as_ref().unwrap_or(&none);
        let mut headers = Vec::new();
        for (n, header) in text.headers.iter().flat_map(|h| &h.0).enumerate() {
            match HeaderName::from_bytes(header.as_bytes()) {
                Ok(name) => headers.push(name),
                Err(_) => {
                    let at = self.item(&["log", "access", "headers"], n);
                    self.error(Code::Value, &at, format!("`{}` is not the name of a header", short(header)));
                }
            }
        }
        text.enabled.unwrap_or(true).then_some(AccessLog {
            sample: text.sample.map_or(1.0, |s| s.0),
            headers,
            query: match text.query {
                None | Some(QueryText::Redact) => QueryLog::Redact,
                Some(QueryText::Keep) => QueryLog::Keep,
                Some(QueryText::Drop) => QueryLog::Drop,
            },
            ip: match text.ip {
                None | Some(AddressLogText::Full) => AddressLog::Full,
                Some(AddressLogText::Truncated) => AddressLog::Truncated,
                Some(AddressLogText::Hashed) => AddressLog::Hashed,
            },
        })
    }

    pub(super) fn errors(&mut self, written: &Written) -> Errors {
        let none = Default::default();
        let text = written.errors.as_ref().unwrap_or(&none);
        if let Some(base) = &text.type_base {
            let url = base.parse::<http::Uri>().ok().filter(|u| matches!(u.scheme_str(), Some("http" | "https")));
            if url.is_none_or(|u| u.host().is_none_or(str::is_empty)) {
                self.error(Code::Value, &["errors", "type_base"], format!("`{}` is not a URL", short(base)))
                    .label("expected for example \"https://docs.example.com/errors/\"");
            }
        }
        Errors {
            type_base: text.type_base.clone(),
            hide_routes: text.hide_routes.unwrap_or(false),
            minimal_detail: matches!(text.detail, Some(DetailText::Minimal)),
        }
    }

    pub(super) fn ratelimit_headers(&mut self, written: &Written) -> RateLimitHeaders {
        match &written.ratelimit_headers {
            None => RateLimitHeaders { ietf: true, legacy: true },
            Some(list) => RateLimitHeaders {
                ietf: list.0.contains(&HeaderFamily::Ietf),
                legacy: list.0.contains(&HeaderFamily::Legacy),
            },
        }
    }

    pub(super) fn identity_prefix(&mut self, written: &Written) -> String {
        let given = written.identity_headers.as_ref().and_then(|i| i.prefix.as_deref()).unwrap_or("Argus-");
        let good = given.len() > 2
            && given.len() <= 40
            && given.ends_with('-')
            && HeaderName::from_bytes(given.as_bytes()).is_ok();
        if !good {
            let message = format!("`{}` cannot begin the names of headers", short(given));
            self.error(Code::Value, &["identity_headers", "prefix"], message).label("expected for example \"Argus-\"");
        }
        given.to_ascii_lowercase()
    }

    pub(super) fn retention(&mut self, written: &Written) -> Retention {
        let none = Default::default();
        let text = written.retention.as_ref().unwrap_or(&none);
        let kept =
            |given: Option<crate::config::value::DurationOrForever>, days: u32| given.map_or(Some(days * DAY), |d| d.0);
        Retention {
            usage_minutes: kept(text.usage_minutes, 30),
            usage_days: kept(text.usage_days, 400),
            audit: kept(text.audit, 400),
            deleted_keys: kept(text.deleted_keys, 400),
            truncate_ip_after: text.client_ip.as_ref().and_then(|c| c.truncate_after).map_or(Some(7 * DAY), |d| d.0),
        }
    }

    /// Workers, bytes of counters, bytes of cached keys.
    pub(super) fn resources(&mut self, written: &Written) -> (usize, u64, u64) {
        let none = Default::default();
        let text = written.resources.as_ref().unwrap_or(&none);
        let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(WORKERS[1]));
        let workers = self.within(&["resources", "workers"], text.workers, WORKERS, cores.min(WORKERS[1]));
        let counters = self.size(&["resources", "counters"], text.counters.map(|s| s.0), MEMORY, 64 << 20);
        let key_cache = self.size(&["resources", "key_cache"], text.key_cache.map(|s| s.0), MEMORY, 64 << 20);
        (workers as usize, counters, key_cache)
    }
}

/// Where state lives if nothing is written: what systemd names, else what is there and can be used.
fn state_dir(env: crate::config::Environment<'_>) -> PathBuf {
    let named = env("STATE_DIRECTORY").and_then(|list| list.split(':').next().map(PathBuf::from));
    if let Some(dir) = named.filter(|dir| dir.is_absolute()) {
        return dir;
    }
    let system = Path::new(SYSTEM_STATE_DIR);
    if Path::new(LOCAL_STATE_DIR).is_dir() || !writable(system) { LOCAL_STATE_DIR.into() } else { system.to_owned() }
}

/// Whether files can be made in the directory.
fn writable(dir: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(text) = std::ffi::CString::new(dir.as_os_str().as_bytes()) else { return false };
    // SAFETY: `text` is a C string that lives until the call is over; `access` only reads it.
    dir.is_dir() && unsafe { libc::access(text.as_ptr(), libc::W_OK | libc::X_OK) } == 0
}

/// `info`, or `info,argus::proxy=debug`.
fn is_directive(text: &str) -> bool {
    let level = |word: &str| matches!(word, "off" | "error" | "warn" | "info" | "debug" | "trace");
    let module = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-'))
    };
    !text.is_empty()
        && text.split(',').all(|part| match part.trim().split_once('=') {
            Some((name, word)) => module(name) && level(word),
            None => level(part.trim()),
        })
}
