//! What the admin side may ask of the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::listeners::Listeners;
use super::ops::Health;
use super::reload::{NotReloaded, Reloader, environment};
use super::usage::UsageFlush;
use crate::admin::{ConfigProblems, Control, PendingUsage, ReloadReport};
use crate::config::{self, Severity, Source};
use crate::geo::GeoDbs;
use crate::model::clock::Clock;
use crate::model::id::KeyId;
use crate::snapshot::Current;
use crate::snapshot::key_cache::KeyCache;
use crate::store::KeyUsage;

/// The process, as the admin side sees it.
pub struct ProcessControl {
    /// Reloads.
    pub reloader: Arc<Reloader>,
    /// What is in force.
    pub current: Arc<Current>,
    /// Listeners.
    pub listeners: Arc<Listeners>,
    /// Keys in memory.
    pub keys: Arc<KeyCache>,
    /// Geo databases.
    pub geo: Arc<GeoDbs>,
    /// The store's health.
    pub health: Arc<Health>,
    /// Told when the process is to end.
    pub drain: Arc<Notify>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// When the process started.
    pub started: Timestamp,
}

impl Control for ProcessControl {
    fn reload(&self) -> BoxFuture<'_, Result<ReloadReport, ConfigProblems>> {
        async {
            let begun = std::time::Instant::now();
            let reloader = Arc::clone(&self.reloader);
            // Once begun it runs to its end, even if whoever asked goes away.
            let reloading = tokio::spawn(async move { reloader.reload().await });
            let reloaded = reloading.await.unwrap_or_else(|e| Err(NotReloaded::plain(format!("error: {e}"))));
            match reloaded {
                Ok(done) => Ok(ReloadReport {
                    generation: done.generation,
                    files: done.files.iter().map(|f| f.display().to_string()).collect(),
                    ms: begun.elapsed().as_secs_f64() * 1e3,
                    warnings: done.warnings,
                }),
                Err(refused) => Err(ConfigProblems { rendered: refused.rendered, problems: refused.problems }),
            }
        }
        .boxed()
    }

    fn check(&self, toml: String) -> BoxFuture<'_, Result<Vec<String>, ConfigProblems>> {
        async {
            let source = Source::Text { name: "gateway.toml".into(), text: toml };
            let read = tokio::task::spawn_blocking(move || config::load(&source, &environment)).await;
            let loaded = read.map_err(|error| {
                let rendered = format!("error: the configuration could not be read: {error}");
                ConfigProblems { problems: json!([{ "severity": "error", "message": rendered }]), rendered }
            })?;
            if loaded.config.is_none() {
                let problems = loaded.problems.to_json();
                return Err(ConfigProblems { rendered: loaded.problems.render(false), problems });
            }
            let warnings = loaded.problems.iter().filter(|p| p.severity == Severity::Warning);
            Ok(warnings.map(|p| p.message.clone()).collect())
        }
        .boxed()
    }

    fn runtime(&self) -> BoxFuture<'_, Value> {
        async {
            let shown = self.reloader.shown().await;
            self.describe(shown)
        }
        .boxed()
    }

    fn drain(&self) {
        self.drain.notify_one();
    }

    fn flush_cache(&self, key: Option<KeyId>) -> u64 {
        let before = self.keys.len();
        match key {
            Some(key) => self.keys.forget_key(key),
            None => self.keys.forget_all(),
        }
        u64::try_from(before.saturating_sub(self.keys.len())).unwrap_or(u64::MAX)
    }
}

impl ProcessControl {
    fn describe(&self, shown: Vec<config::Shown>) -> Value {
        let snapshot = self.current.load();
        let config = &snapshot.config;
        let now = self.clock.now().wall;
        let values: Vec<Value> =
            shown.into_iter().map(|s| json!({ "field": s.field, "value": s.value, "from": s.from })).collect();
        let states = self.listeners.states();
        let listeners: Vec<Value> = states
            .iter()
            .map(|state| {
                json!({
                    "name": state.label.name,
                    "address": state.address.to_string(),
                    "tls": state.tls.is_some(),
                    "open_connections": state.open.load(std::sync::atomic::Ordering::Relaxed),
                    "max_connections": state.settings.limits.max_connections,
                    "origin": state.settings.origin.to_string(),
                })
            })
            .collect();
        let certificates = self.listeners.certificates().into_iter().map(|(files, ends)| {
            json!({
                "name": files.name,
                "file": files.certificate.display().to_string(),
                "expires_at": ends,
            })
        });
        let routes: Vec<Value> = snapshot.routes.iter().map(|r| route(&r.route)).collect();
        let upstreams: Vec<Value> = config
            .upstreams
            .iter()
            .map(
                |u| json!({ "name": u.name, "servers": u.servers.iter().map(|s| s.url.to_string()).collect::<Vec<_>>() }),
            )
            .collect();
        let geo: Vec<Value> = self
            .geo
            .info()
            .iter()
            .map(|db| {
                let age = now.duration_since(db.built_at).as_hours() / 24;
                json!({
                    "kind": db.kind.as_str(), "file": db.path.display().to_string(), "type": db.database_type,
                    "built_at": db.built_at, "age_days": age,
                })
            })
            .collect();
        json!({
            "object": "runtime",
            "version": env!("CARGO_PKG_VERSION"),
            "node": { "pid": std::process::id(), "started_at": self.started, "time": now, "workers": config.workers },
            "config": {
                "generation": snapshot.generation,
                "files": config.files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>(),
                "values": values,
            },
            "listeners": listeners,
            "admin": {
                "address": config.admin.address.map(|a| a.to_string()),
                "socket": config.admin.socket.display().to_string(),
            },
            "ops": { "address": config.ops.address.map(|a| a.to_string()) },
            "routes": routes,
            "upstreams": upstreams,
            "certificates": certificates.collect::<Vec<_>>(),
            "store": {
                "kind": "embedded",
                "dir": config.store.dir.display().to_string(),
                "failing_since": self.health.store_failing_since(),
            },
            "cache": { "keys": self.keys.len(), "bytes": self.keys.bytes(), "store_lookups": self.keys.store_lookups() },
            "geo": geo,
        })
    }
}

fn route(route: &crate::model::route::Route) -> Value {
    use crate::model::route::{ByMethod, RouteAuth};
    let scopes = match &route.scopes {
        None => Value::Null,
        Some(ByMethod::Same(query)) => query.to_string().into(),
        Some(ByMethod::Each(list)) => list.iter().map(|(m, q)| (m.to_string(), Value::from(q.to_string()))).collect(),
    };
    json!({
        "name": route.name,
        "hosts": route.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "paths": route.paths.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "methods": route.methods.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "upstream": route.upstream,
        "auth": match route.auth { RouteAuth::ApiKey => "api_key", RouteAuth::None => "none" },
        "scopes": scopes,
        "conditions": route.conditions,
        "limits": route.limits.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "origin": route.origin.to_string(),
    })
}

/// Usage not stored yet, as the admin side sees it.
pub struct NotStoredYet {
    /// Usage on its way.
    pub usage: Arc<UsageFlush>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl PendingUsage for NotStoredYet {
    fn pending(&self, keys: &[KeyId]) -> BTreeMap<KeyId, KeyUsage> {
        self.usage.pending(keys, self.clock.now().wall)
    }
}
