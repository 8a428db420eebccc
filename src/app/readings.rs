//! Metrics that are read when they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::listeners::Listeners;
use super::ops::Health;
use crate::geo::GeoDbs;
use crate::model::clock::Clock;
use crate::model::upstream::RetryOn;
use crate::proxy::upstream::{Circuit, Prepared};
use crate::record::exposition::{Reading, Readings};
use crate::snapshot::key_cache::KeyCache;

/// What became of reloads.
#[derive(Debug, Default)]
pub struct ReloadCounts {
    /// Put in force.
    pub good: AtomicU64,
    /// Refused.
    pub bad: AtomicU64,
    /// Whether the last one was put in force.
    pub last_failed: AtomicU64,
    /// When the last one was put in force, in Unix seconds.
    pub last_success: AtomicI64,
}

/// Where the readings come from.
pub struct Sources {
    /// Listeners, for their certificates.
    pub listeners: Arc<Listeners>,
    /// The store's health.
    pub health: Arc<Health>,
    /// Geo databases.
    pub geo: Arc<GeoDbs>,
    /// Keys in memory.
    pub keys: Arc<KeyCache>,
    /// Reloads.
    pub reloads: Arc<ReloadCounts>,
    /// Upstreams, for their servers.
    pub upstreams: Arc<ArcSwap<Vec<Arc<Prepared>>>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// When the process started, in Unix seconds.
    pub started: i64,
}

/// Reads them.
pub fn readings(sources: Sources) -> Readings {
    Arc::new(move || read(&sources))
}

fn servers(s: &Sources) -> Vec<(Vec<(&'static str, String)>, f64)> {
    let now = Instant::now();
    let mut values = Vec::new();
    for prepared in s.upstreams.load().iter() {
        for endpoint in &prepared.endpoints().list {
            let labels = vec![("upstream", prepared.settings.name.to_string()), ("server", endpoint.to_string())];
            values.push((labels, if endpoint.in_service(now) { 1.0 } else { 0.0 }));
        }
    }
    values
}

/// Circuit breakers of upstreams that have one.
fn circuits(s: &Sources) -> [Reading; 2] {
    let now = Instant::now();
    let (mut states, mut refused) = (Vec::new(), Vec::new());
    for prepared in s.upstreams.load().iter() {
        let Some((circuit, n)) = prepared.circuit(now) else { continue };
        let labels = vec![("upstream", prepared.settings.name.to_string())];
        let state = match circuit {
            Circuit::Closed => 0.0,
            Circuit::HalfOpen => 1.0,
            Circuit::Open => 2.0,
        };
        states.push((labels.clone(), state));
        refused.push((labels, n as f64));
    }
    [
        Reading {
            name: "upstream_circuit_state",
            help: "The circuit breaker of an upstream: 0 closed, 1 half open, 2 open",
            counter: false,
            values: states,
        },
        Reading {
            name: "upstream_circuit_refused",
            help: "Requests that a circuit breaker did not let through",
            counter: true,
            values: refused,
        },
    ]
}

/// What was tried again, and what was not to keep to the budget.
fn retries(s: &Sources) -> [Reading; 2] {
    let (mut made, mut over) = (Vec::new(), Vec::new());
    for prepared in s.upstreams.load().iter() {
        let upstream = ("upstream", prepared.settings.name.to_string());
        for (word, reason) in [("connect", RetryOn::Connect), ("reset", RetryOn::Reset)] {
            let labels = vec![upstream.clone(), ("reason", word.to_owned())];
            made.push((labels, prepared.tally.retries(reason) as f64));
        }
        over.push((vec![upstream], prepared.tally.over_budget() as f64));
    }
    let counter = |name, help, values| Reading { name, help, counter: true, values };
    [
        counter("upstream_retries", "Requests tried again, by what had failed", made),
        counter("upstream_retries_over_budget", "Requests not tried again, to keep to the budget", over),
    ]
}

fn read(s: &Sources) -> Vec<Reading> {
    let [circuit_state, circuit_refused] = circuits(s);
    let [retries, retries_over_budget] = retries(s);
    let gauge = |name, help, value: f64| Reading { name, help, counter: false, values: vec![(Vec::new(), value)] };
    let n = |a: &AtomicU64| a.load(Ordering::Relaxed) as f64;
    let certificates = s.listeners.certificates().into_iter();
    let certificates =
        certificates.map(|(files, ends)| (vec![("name", files.name.to_string())], ends.as_second() as f64));
    let crls = s.listeners.revocation_lists().into_iter();
    let geo = s.geo.info();
    let geo = geo.iter().map(|db| (vec![("kind", db.kind.as_str().to_owned())], db.built_at.as_second() as f64));
    let up = if s.health.store_failing_since().is_none() { 1.0 } else { 0.0 };
    let version = (vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0);
    let labelled = |name, help, values| Reading { name, help, counter: false, values };
    let results = vec![
        (vec![("result", "success".to_owned())], n(&s.reloads.good)),
        (vec![("result", "failure".to_owned())], n(&s.reloads.bad)),
    ];
    vec![
        labelled("build_info", "The version that runs", vec![version]),
        gauge("keys", "Keys that are not deleted", s.health.keys() as f64),
        labelled("store_up", "Whether the store answers", vec![(vec![("store", "embedded".to_owned())], up)]),
        labelled(
            "tls_certificate_expiry_timestamp_seconds",
            "When a listener's certificate ends",
            certificates.collect(),
        ),
        labelled(
            "tls_crl_expiry_timestamp_seconds",
            "When a list of revoked client certificates ends",
            crls.map(|(file, ends)| (vec![("file", file.display().to_string())], ends.as_second() as f64)).collect(),
        ),
        labelled("upstream_up", "Whether requests go to a server", servers(s)),
        circuit_state,
        circuit_refused,
        retries,
        retries_over_budget,
        labelled("geo_db_timestamp_seconds", "When a geo database was built", geo.collect()),
        Reading { name: "config_reloads", help: "Reloads by result", counter: true, values: results },
        gauge(
            "config_last_reload_success",
            "Whether the last reload was put in force",
            1.0 - n(&s.reloads.last_failed).min(1.0),
        ),
        gauge(
            "config_last_reload_timestamp_seconds",
            "When a configuration was last put in force",
            s.reloads.last_success.load(Ordering::Relaxed) as f64,
        ),
        gauge("key_cache_entries", "Keys in memory, unknown ones included", s.keys.len() as f64),
        gauge("key_cache_bytes", "Bytes of keys in memory", s.keys.bytes() as f64),
        Reading {
            name: "key_store_lookups",
            help: "Keys looked up in the store",
            counter: true,
            values: vec![(Vec::new(), s.keys.store_lookups() as f64)],
        },
        gauge("uptime_seconds", "Time since the start", (s.clock.now().wall.as_second() - s.started) as f64),
    ]
}
