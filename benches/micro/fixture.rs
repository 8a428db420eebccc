//! Keys, configurations and stores that the benches share.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use argus::config::{Source, load};
use argus::model::audit::{Actor, AuditDraft, Target};
use argus::model::clock::Now;
use argus::model::key::{Key, KeyType};
use argus::model::key_format;
use argus::model::secret::PresentedKey;
use argus::snapshot::Snapshot;
use argus::snapshot::build::{Documents, build};
use argus::snapshot::key_cache::KeyCache;
use argus::store::StoredKey;
use argus::store::sqlite::{SqliteOptions, SqliteStore};

const TOML: &str = r#"
listen = "127.0.0.1:0"

[routes.orders]
hosts = ["api.example.com"]
paths = ["/v1/orders/*"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
scopes = { GET = "orders:read", "POST,PUT" = "orders:write" }

[routes.fenced]
paths = ["/fenced/*"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
conditions = ["partners"]
limits = [{ rate = "1000000000/s", by = "ip" }]

[routes.open]
paths = ["/open"]
upstream = "http://127.0.0.1:3000"
auth = "none"

[conditions.partners]
ip = { allow = ["198.51.100.0/24", "2001:db8:42::/48"] }
time = { days = "mon-sun", zone = "Europe/Berlin" }

[keys]
default_plan = "pro"

[plans.pro]
limits = [
  { name = "burst", rate = "1000000000/s", burst = 1000000000, strategy = "token_bucket" },
  { name = "steady", rate = "100000000000/min" },
]

[plans.one]
limits = [{ rate = "100000000000/min" }]
"#;

/// The moment at which the benches stand still.
pub fn now() -> Now {
    Now::at("2026-09-21T13:33:20Z".parse().expect("a moment"))
}

/// Polls a future that does not wait.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a decision on a key in memory does not wait"),
    }
}

fn key(n: usize) -> Key {
    let id = key_format::new_public_id();
    let at = now().wall;
    Key {
        id,
        uuid: uuid::Uuid::from_u128(n as u128 + 1),
        prefix: format!("argus_live_{}", id.public()),
        name: format!("key-{n}").parse().expect("a name"),
        description: String::new(),
        environment: "live".to_owned(),
        r#type: KeyType::Application,
        owner: None,
        scopes: vec!["orders:*".parse().expect("a scope")],
        roles: Vec::new(),
        plan: None,
        conditions: Default::default(),
        condition_names: Vec::new(),
        limits: Vec::new(),
        quota: None,
        not_before: None,
        expires_at: None,
        disabled: false,
        revoked: None,
        replaced_by: None,
        replaces: None,
        exposed: false,
        weak: false,
        meta: Default::default(),
        tags: Vec::new(),
        created_at: at,
        created_by: "bench".to_owned(),
        updated_at: at,
        version: 1,
    }
}

fn draft() -> AuditDraft {
    let word = || "bench".to_owned();
    AuditDraft {
        time: now().wall,
        actor: Actor { r#type: word(), id: word(), name: word(), via: word() },
        action: word(),
        target: Target { r#type: word(), id: word(), name: word() },
        outcome: word(),
        reason: None,
        source_ip: None,
        user_agent: None,
        request_id: None,
        changes: Vec::new(),
    }
}

/// A store with keys in it, all of them in memory.
pub struct Keys {
    /// What the store's answers are waited for on.
    pub runtime: tokio::runtime::Runtime,
    /// The store.
    pub store: Arc<SqliteStore>,
    /// All of its keys in memory.
    pub cache: Arc<KeyCache>,
    /// What is in force.
    pub snapshot: Arc<Snapshot>,
    /// The keys themselves.
    pub secrets: Vec<PresentedKey>,
    _dir: tempfile::TempDir,
}

/// So many keys; the first is on the plan with one limit, the others on that with two.
pub fn keys(count: usize) -> Keys {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let loaded = load(&Source::Text { name: "bench".into(), text: TOML.into() }, &|_| None);
    let mut config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems));
    // Else the address of the wrong keys below would soon not be heard any more.
    config.api_key.failures = None;
    let snapshot = Arc::new(build(Arc::new(config), &Documents::default(), 1).expect("a snapshot"));
    let store = Arc::new(SqliteStore::open(dir.path(), SqliteOptions::default()).expect("a store"));
    let records: Vec<Key> =
        (0..count).map(|n| Key { plan: (n == 0).then(|| "one".parse().expect("a name")), ..key(n) }).collect();
    let secrets: Vec<PresentedKey> = records.iter().map(|k| key_format::generate("argus", "live", k.id)).collect();
    let stored: Vec<StoredKey> =
        records.into_iter().zip(&secrets).map(|(key, secret)| StoredKey { key, digest: secret.digest(None) }).collect();
    let cache = runtime.block_on(async {
        store.seed_keys(stored, draft()).await.expect("seeded");
        let cache = KeyCache::new(Arc::clone(&store) as _, 2 << 30, Duration::from_secs(10)).await.expect("a cache");
        for secret in &secrets {
            cache.find(&secret.digest(None), &snapshot, 0).await.expect("found");
        }
        Arc::new(cache)
    });
    Keys { runtime, store, cache, snapshot, secrets, _dir: dir }
}
