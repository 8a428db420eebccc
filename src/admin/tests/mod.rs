//! The API through its router, over a real store.

mod access;
mod bounds;
mod decisions;
mod documents;
mod import;
mod keys;
mod openapi;
mod owners;
mod repeats;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};

use super::call::Peer;
use super::{ConfigProblems, Control, PendingUsage, ReloadReport, Services, router};
use crate::admission::{Engine, EngineParts};
use crate::config::{self, Source};
use crate::geo::GeoDbs;
use crate::limits::EmbeddedCounters;
use crate::model::clock::{Clock, ManualClock};
use crate::model::id::KeyId;
use crate::model::secret::KeyDigest;
use crate::record::decisions::Decisions;
use crate::snapshot::Current;
use crate::snapshot::build::{Documents, build};
use crate::snapshot::key_cache::KeyCache;
use crate::snapshot::refresh::Mutator;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{KeyUsage, Store};

const ADMIN_KEY: &str = "argusadm_live_9f3KtWq2Zc_notARealAdminKeyJustForTheTests";

const CONFIG: &str = r#"
listen = ":8080"
[upstreams.api]
servers = ["http://127.0.0.1:3000"]
[routes.orders]
paths = ["/v1/orders/*"]
upstream = "api"
auth = "api_key"
scopes = "orders:read"
[routes.rest]
paths = ["/*"]
upstream = "api"
auth = "api_key"
[plans.pro]
limits = [{ rate = "5/min" }]
quota = { units = 1000, every = "month" }
[conditions.office]
ip = { allow = ["203.0.113.0/24"] }
"#;

/// What the process was told.
#[derive(Default)]
struct Told {
    flushed: AtomicU64,
    drained: AtomicU64,
}

impl Control for Told {
    fn reload(&self) -> BoxFuture<'_, Result<ReloadReport, ConfigProblems>> {
        let report = ReloadReport { generation: 2, files: vec!["gateway.toml".into()], ms: 1.0, warnings: vec![] };
        async move { Ok(report) }.boxed()
    }

    fn check(&self, toml: String) -> BoxFuture<'_, Result<Vec<String>, ConfigProblems>> {
        let loaded = config::load(&Source::Text { name: "sent.toml".into(), text: toml }, &|_| None);
        let problems = ConfigProblems { rendered: loaded.problems.render(false), problems: loaded.problems.to_json() };
        let checked = if loaded.config.is_some() { Ok(vec![]) } else { Err(problems) };
        async move { checked }.boxed()
    }

    fn runtime(&self) -> BoxFuture<'_, Value> {
        async { json!({"version": "test"}) }.boxed()
    }

    fn drain(&self) {
        self.drained.fetch_add(1, Ordering::Relaxed);
    }

    fn flush_cache(&self, _: Option<KeyId>) -> u64 {
        self.flushed.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl PendingUsage for Told {
    fn pending(&self, _: &[KeyId]) -> BTreeMap<KeyId, KeyUsage> {
        BTreeMap::new()
    }
}

/// The API over a new store, at noon on 21 September 2026.
struct Api {
    services: Arc<Services>,
    clock: Arc<ManualClock>,
    told: Arc<Told>,
    peer: Peer,
    dir: tempfile::TempDir,
}

/// A configuration from its text.
fn configured(text: &str) -> Arc<config::Config> {
    let source = Source::Text { name: "gateway.toml".into(), text: text.to_owned() };
    let loaded = config::load(&source, &|_| None);
    assert!(loaded.config.is_some(), "{}", loaded.problems.render(false));
    Arc::new(loaded.config.unwrap())
}

/// What was answered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Api {
    async fn new() -> Api {
        Api::with(CONFIG).await
    }

    async fn with(config: &str) -> Api {
        let dir = tempfile::tempdir().unwrap();
        let config = configured(config);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path(), SqliteOptions::default()).unwrap());
        let documents = Documents::load(&*store).await.unwrap();
        let current = Arc::new(Current::new(build(config, &documents, 1).unwrap()));
        let cache = KeyCache::new(Arc::clone(&store), 1 << 20, Duration::from_secs(5)).await.unwrap();
        let keys = Arc::new(cache);
        let mutator = Mutator::new(Arc::clone(&store), Arc::clone(&current), Arc::clone(&keys), documents);
        let counter = Arc::new(EmbeddedCounters::new(1 << 20));
        let engine = Arc::new(Engine::new(EngineParts { keys, counter, geo: Arc::new(GeoDbs::none()) }));
        let clock = Arc::new(ManualClock::new("2026-09-21T12:00:00Z".parse().unwrap()));
        let told = Arc::new(Told::default());
        let services = Arc::new(Services {
            store,
            mutator,
            engine,
            current,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            control: Arc::clone(&told) as _,
            decisions: Arc::new(Decisions::default()),
            usage: Arc::clone(&told) as _,
            admin_key: KeyDigest::of(ADMIN_KEY.as_bytes(), None),
            failures: Default::default(),
            running: Default::default(),
            streams: Default::default(),
        });
        Api { services, clock, told, peer: Peer::Unix { uid: 1000 }, dir }
    }

    /// Sends a request as it is.
    async fn send(&self, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(self.peer);
        let response = TowerToHyperService::new(router(Arc::clone(&self.services))).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, text, body }
    }

    /// Sends JSON, with headers.
    async fn send_json(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send_json(Method::GET, path, &[], &Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send_json(Method::POST, path, &[], &body).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send_json(Method::PATCH, path, &[], &body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send_json(Method::DELETE, path, &[], &Value::Null).await
    }

    /// Creates a key with these settings.
    async fn key(&self, settings: Value) -> Value {
        self.post("/v1/keys", settings).await.expect(201)
    }

    /// The actions in the audit, the oldest first.
    async fn audit(&self) -> Vec<String> {
        let list = self.get("/v1/audit?limit=200").await.expect(200);
        let actions = list["data"].as_array().unwrap().iter().rev();
        actions.map(|record| record["action"].as_str().unwrap().to_owned()).collect()
    }
}

impl Answer {
    /// The body, if the status is this one.
    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// A problem, whose body is given.
    #[track_caller]
    fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status.as_u16(), self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], "about:blank");
        assert_eq!(self.body["request_id"].as_str(), self.headers["x-request-id"].to_str().ok());
        self.body
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }
}

/// The pointers of a problem's errors.
fn pointers(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap_or("-")).collect()
}
