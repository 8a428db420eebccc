//! The ops listener: probes and metrics, nothing secret.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::record::exposition::Exposition;

/// Whether Argus is ready, and how its parts are.
#[derive(Default)]
pub struct Health {
    started: AtomicBool,
    draining: AtomicBool,
    store_failing_since: Mutex<Option<Timestamp>>,
    keys: AtomicU64,
}

impl Health {
    /// Everything is loaded and bound.
    pub fn has_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// No new traffic is wanted.
    pub fn is_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Notes how the store answered, and logs when that changes.
    pub fn store_answered(&self, error: Option<&crate::store::StoreError>, now: Timestamp) {
        let mut since = self.store_failing_since.lock();
        match (error, *since) {
            (Some(error), None) => {
                tracing::error!(%error, "the store does not answer; known keys are served from memory");
                *since = Some(now);
            }
            (None, Some(_)) => {
                tracing::info!("the store answers again");
                *since = None;
            }
            _ => {}
        }
    }

    /// Notes how many keys the store holds.
    pub fn store_holds(&self, keys: u64) {
        self.keys.store(keys, Ordering::Relaxed);
    }

    /// How many keys the store held when it was last asked.
    pub fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    /// Since when the store has not answered.
    pub fn store_failing_since(&self) -> Option<Timestamp> {
        *self.store_failing_since.lock()
    }

    fn is_ready(&self) -> bool {
        self.started.load(Ordering::Acquire) && !self.draining.load(Ordering::Acquire)
    }

    /// One line a part. Readiness does not depend on the store: one shared part that fails must not take every node
    /// out of service.
    fn verbose(&self) -> String {
        let mut out = String::new();
        let mut line = |good: bool, text: &str| {
            let _ = writeln!(out, "[{}]{text}", if good { '+' } else { '-' });
        };
        let started = self.started.load(Ordering::Acquire);
        line(started, if started { "config ok" } else { "config loading" });
        line(started, if started { "listeners ok" } else { "listeners not bound yet" });
        match self.store_failing_since() {
            None => line(true, "store ok"),
            Some(since) => {
                let since = since.strftime("%H:%M");
                line(false, &format!("store degraded since {since} (serving known keys from memory)"));
            }
        }
        if self.draining.load(Ordering::Acquire) {
            line(false, "draining");
        }
        out
    }
}

struct Ops {
    health: Arc<Health>,
    exposition: Exposition,
}

/// `/livez`, `/readyz`, `/startupz` and `/metrics`.
pub fn router(health: Arc<Health>, exposition: Exposition) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Ops { health, exposition }))
}

async fn readyz(State(ops): State<Arc<Ops>>, RawQuery(query): RawQuery) -> Response {
    let ready = ops.health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose = query.is_some_and(|q| q.split('&').any(|p| p == "verbose" || p.starts_with("verbose=")));
    let text = match (verbose, ready) {
        (true, _) => ops.health.verbose(),
        (false, true) => "ok\n".to_owned(),
        (false, false) => "not ready; ask /readyz?verbose\n".to_owned(),
    };
    (status, text).into_response()
}

async fn startupz(State(ops): State<Arc<Ops>>) -> Response {
    match ops.health.started.load(Ordering::Acquire) {
        true => "ok\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
    }
}

async fn metrics(State(ops): State<Arc<Ops>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or("");
    if accept.contains("application/openmetrics-text") {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(header::CONTENT_TYPE, kind)], ops.exposition.openmetrics()).into_response()
    } else {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        ([(header::CONTENT_TYPE, kind)], ops.exposition.text()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_does_not_depend_on_the_store() {
        let health = Health::default();
        assert!(!health.is_ready());
        health.has_started();
        let error = crate::store::StoreError::Engine("gone".into());
        health.store_answered(Some(&error), "2026-09-21T14:02:00Z".parse().unwrap());
        assert!(health.is_ready());
        assert_eq!(
            health.verbose(),
            "[+]config ok\n[+]listeners ok\n[-]store degraded since 14:02 (serving known keys from memory)\n"
        );
        health.is_draining();
        assert!(!health.is_ready());
    }
}
