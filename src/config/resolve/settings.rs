//! Tables of which there is one each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;

use super::Context;
use crate::config::problem::Code;
use crate::config::words::short;
use crate::config::written::{
    AddressLogText, DetailText, HeaderFamily, LogFormatText, LogText, QueryText, UnknownText, Written,
};
use crate::config::{
    AccessLog, AddressLog, Admin, ApiKeyAuth, CredentialPlace, Errors, Geo, Log, LogFormat, Ops, QueryLog,
    RateLimitHeaders, Retention, StoreSettings,
};

const DAY: Duration = Duration::from_secs(86_400);
/// Longest path of a unix socket, in bytes: what `sockaddr_un` holds.
const SOCKET_PATH_MAX: usize = 107;
/// Shortest admin key, in bytes.
const ADMIN_KEY_BYTES_MIN: usize = 16;
/// Most worker threads.
const WORKERS: [u32; 2] = [1, 1_024];
/// Fewest and most requests in progress.
const REQUESTS: [u32; 2] = [1, 10_000_000];
/// Shortest delay of a worker that can be told from the precision of its timers.
const LAG_MIN: Duration = Duration::from_millis(5);
/// Delay of a worker, if nothing else is said. Longer than one that other programs on a busy host cause now and then.
const LAG_MAX: Duration = Duration::from_millis(250);
/// Memory of a table, in bytes.
const MEMORY: [u64; 2] = [1 << 20, 1 << 40];
/// Beginnings of headers that are in common use.
const COMMON_PREFIXES: &[&str] =
    &["accept-", "access-control-", "cache-", "content-", "if-", "proxy-", "sec-", "x-", "x-forwarded-"];
/// Where a package keeps state.
const SYSTEM_STATE_DIR: &str = "/var/lib/argus";
/// Where state is kept by whoever just tries it.
const LOCAL_STATE_DIR: &str = "argus-data";

impl Context<'_> {
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

    pub(super) fn log(&mut self, written: &Written, api_key: &ApiKeyAuth) -> Log {
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
            access: self.access_log(text, api_key),
        }
    }

    fn access_log(&mut self, text: &LogText, api_key: &ApiKeyAuth) -> Option<AccessLog> {
        let none = Default::default();
        let text = text.access.as_ref().unwrap_or(&none);
        let mut headers = Vec::new();
        for (n, header) in text.headers.iter().flat_map(|h| &h.0).enumerate() {
            let at = self.item(&["log", "access", "headers"], n);
            match HeaderName::from_bytes(header.as_bytes()) {
                Ok(name) if is_credential(&name, api_key) => {
                    self.error(Code::Value, &at, format!("`{name}` holds credentials and is never logged"));
                }
                Ok(name) => headers.push(name),
                Err(_) => {
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
        // With such a prefix, headers that have nothing to do with identity would be taken from every request.
        let common = COMMON_PREFIXES.iter().any(|common| given.eq_ignore_ascii_case(common));
        let good = !common
            && given.len() > 2
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

    /// How late a worker may run.
    pub(super) fn lag(&mut self, written: &Written) -> Option<Duration> {
        let given = written.resources.as_ref().and_then(|resources| resources.max_lag.as_ref());
        let lag = given.map_or(Some(LAG_MAX), |d| d.0);
        if lag.is_some_and(|lag| lag < LAG_MIN) {
            self.error(Code::Value, &["resources", "max_lag"], "`max_lag` is shorter than can be kept".to_owned())
                .label("expected \"5ms\" or more, or \"never\"".to_owned());
        }
        lag
    }

    /// Workers, bytes of counters, bytes of cached keys.
    pub(super) fn resources(&mut self, written: &Written) -> (usize, usize, u64, u64) {
        let none = Default::default();
        let text = written.resources.as_ref().unwrap_or(&none);
        let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(WORKERS[1]));
        let workers = self.within(&["resources", "workers"], text.workers, WORKERS, cores.min(WORKERS[1]));
        let counters = self.size(&["resources", "counters"], text.counters.map(|s| s.0), MEMORY, 64 << 20);
        let key_cache = self.size(&["resources", "key_cache"], text.key_cache.map(|s| s.0), MEMORY, 64 << 20);
        let requests = self.within(&["resources", "max_requests"], text.max_requests, REQUESTS, 20_000);
        (workers as usize, requests as usize, counters, key_cache)
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

/// Whether a header may hold what proves who is calling.
fn is_credential(name: &HeaderName, api_key: &ApiKeyAuth) -> bool {
    use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
        || api_key.from.contains(&CredentialPlace::Header(name.clone()))
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
