//! Verdicts, through the one door there is: a request, and what becomes of it.

mod explained;
mod fenced;
mod limited;
mod steps;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;

use super::*;
use crate::limits::EmbeddedCounters;
use crate::model::clock::{Clock, ManualClock};
use crate::model::key::Key;
use crate::model::secret::PresentedKey;
use crate::snapshot::build::{Documents, build};
use crate::snapshot::key_cache::KeyCache;
use crate::snapshot::tests::{FakeStore, NOW, config};
use crate::store::Store;

/// An engine over a store in memory, and a clock that stands still.
struct Gate {
    engine: Engine,
    snapshot: Arc<Snapshot>,
    store: Arc<FakeStore>,
    clock: ManualClock,
}

impl Gate {
    async fn new(toml: &str) -> Self {
        Gate::with(toml, Documents::default(), GeoDbs::none(), 8 << 20).await
    }

    async fn with(toml: &str, documents: Documents, geo: GeoDbs, counter_bytes: u64) -> Self {
        let store = Arc::new(FakeStore::default());
        Gate::over(store, toml, documents, geo, counter_bytes).await
    }

    async fn over(store: Arc<FakeStore>, toml: &str, documents: Documents, geo: GeoDbs, counter_bytes: u64) -> Self {
        let as_store: Arc<dyn Store> = Arc::clone(&store) as _;
        let keys = KeyCache::new(as_store, 1 << 20, Duration::from_secs(60)).await.unwrap();
        let counter = Arc::new(EmbeddedCounters::new(counter_bytes));
        let engine = Engine::new(EngineParts { keys: Arc::new(keys), counter, geo: Arc::new(geo) });
        let snapshot = Arc::new(build(Arc::new(config(toml)), &documents, 1).unwrap());
        Gate { engine, snapshot, store, clock: ManualClock::new(NOW.parse().unwrap()) }
    }

    /// Stores `key` and answers with its secret.
    fn put(&self, key: &Key) -> PresentedKey {
        self.store.put(key)
    }

    async fn ask(&self, call: &Call) -> Decision {
        let path = call.target.split('?').next().unwrap();
        let head = Head {
            method: &call.method,
            host: call.host,
            path,
            query: call.target.split_once('?').map(|(_, q)| q),
            body_bytes: 0,
            body_bytes_max: None,
            headers: &call.headers,
            client: &call.client,
            secure: call.secure,
            insecure: call.insecure,
            now: self.clock.now(),
        };
        self.engine.decide(&self.snapshot, &head).await
    }
}

/// A request.
struct Call {
    method: Method,
    host: &'static str,
    target: String,
    headers: HeaderMap,
    client: ClientFacts,
    secure: bool,
    insecure: InsecureRequests,
}

/// `call("GET /v1/orders")`, from a documentation address over TLS.
fn call(line: &str) -> Call {
    let (method, target) = line.split_once(' ').unwrap();
    Call {
        method: method.parse().unwrap(),
        host: "api.example.com",
        target: target.to_owned(),
        headers: HeaderMap::new(),
        client: ClientFacts::new("198.51.100.7".parse().unwrap(), 64),
        secure: true,
        insecure: InsecureRequests::Reject,
    }
}

impl Call {
    fn field(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    fn key(self, secret: &PresentedKey) -> Self {
        let text = std::str::from_utf8(secret.expose()).unwrap().to_owned();
        self.field("x-api-key", &text)
    }

    fn from(mut self, ip: &str) -> Self {
        self.client = ClientFacts::new(ip.parse::<IpAddr>().unwrap(), 64);
        self
    }
}

/// `ok`, or the code of the reason.
fn code(decision: &Decision) -> &'static str {
    match &decision.outcome {
        Ok(_) => "ok",
        Err(refusal) => refusal.reason.code(),
    }
}

fn refusal(decision: &Decision) -> &Refusal {
    match &decision.outcome {
        Ok(_) => panic!("admitted: {decision:?}"),
        Err(refusal) => refusal,
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// Every request in flight carries the future of its decision.
#[tokio::test]
async fn decisions_are_small() {
    let gate = Gate::new("[routes.a]\npaths = [\"/*\"]\nupstream = \"http://127.0.0.1:1\"\nauth = \"none\"").await;
    let call = call("GET /");
    let head = Head {
        method: &call.method,
        host: call.host,
        path: "/",
        query: None,
        body_bytes: 0,
        body_bytes_max: None,
        headers: &call.headers,
        client: &call.client,
        secure: true,
        insecure: InsecureRequests::Allow,
        now: gate.clock.now(),
    };
    let future = gate.engine.decide(&gate.snapshot, &head);
    assert!(size_of_val(&future) <= 1_536, "{} bytes", size_of_val(&future));
    assert!(size_of::<Decision>() <= 256, "{} bytes", size_of::<Decision>());
}

#[test]
fn decisions_travel_between_threads() {
    fn sent<T: Send>(_: impl FnOnce(&'static Engine, &'static Arc<Snapshot>, &'static Head<'static>) -> T) {}
    sent(|engine, snapshot, head| engine.decide(snapshot, head));
}
