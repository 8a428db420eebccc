//! What the cache promises: one query for many, nothing old after a change, bounds, and honesty about a broken store.

use std::sync::atomic::Ordering;

use super::super::build::Documents;
use super::super::refresh::Mutator;
use super::super::tests::*;
use super::super::{Current, build};
use super::*;
use crate::store::Change;

const TOML: &str = "[routes.all]\npaths = [\"/*\"]\nupstream = \"http://127.0.0.1:3000\"\nauth = \"api_key\"\n";
const MIB: u64 = 1024 * 1024;

async fn cache(store: &Arc<FakeStore>, bytes_max: u64) -> Arc<KeyCache> {
    cache_within(store, bytes_max, Duration::from_secs(60)).await
}

async fn cache_within(store: &Arc<FakeStore>, bytes_max: u64, deadline: Duration) -> Arc<KeyCache> {
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    Arc::new(KeyCache::new(store, bytes_max, deadline).await.unwrap())
}

fn name(found: &KeyFound) -> Option<String> {
    match found {
        KeyFound::Known(access) => Some(access.key.name.to_string()),
        KeyFound::Unknown => None,
    }
}

/// Lets every task that can run do so.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn many_lookups_are_one_query() {
    let store = Arc::new(FakeStore::default());
    let digest = store.put(&key("one")).digest(None);
    let (cache, snapshot) = (cache(&store, MIB).await, Arc::new(snapshot(TOML)));
    store.close_gate();
    let lookups: Vec<_> = (0..100)
        .map(|_| {
            let (cache, snapshot) = (Arc::clone(&cache), Arc::clone(&snapshot));
            tokio::spawn(async move { cache.find(&digest, &snapshot, 0).await.unwrap() })
        })
        .collect();
    settle().await;
    assert_eq!(store.lookups(), 1);
    store.open_gate();
    for lookup in lookups {
        assert_eq!(name(&lookup.await.unwrap()).as_deref(), Some("one"));
    }
    assert_eq!(store.lookups(), 1);
    assert_eq!(name(&cache.hit(&digest, &snapshot, 0).unwrap()).as_deref(), Some("one"));
}

#[tokio::test]
async fn a_lookup_that_is_dropped_leaves_the_others_to_ask() {
    let store = Arc::new(FakeStore::default());
    let digest = store.put(&key("one")).digest(None);
    let (cache, snapshot) = (cache(&store, MIB).await, Arc::new(snapshot(TOML)));
    store.close_gate();
    let spawn = || {
        let (cache, snapshot) = (Arc::clone(&cache), Arc::clone(&snapshot));
        tokio::spawn(async move { cache.find(&digest, &snapshot, 0).await })
    };
    let first = spawn();
    settle().await;
    let second = spawn();
    settle().await;
    first.abort();
    settle().await;
    store.open_gate();
    assert_eq!(name(&second.await.unwrap().unwrap()).as_deref(), Some("one"));
    assert_eq!(store.lookups(), 2);
}

#[tokio::test]
async fn unknown_digests_are_remembered_for_a_while() {
    let store = Arc::new(FakeStore::default());
    let (cache, snapshot) = (cache(&store, MIB).await, snapshot(TOML));
    let digest = secret_of(&key("nobody")).digest(None);
    assert!(cache.hit(&digest, &snapshot, 0).is_none());
    assert_eq!(name(&cache.find(&digest, &snapshot, 0).await.unwrap()), None);
    for moment in [0, UNKNOWN_FOR_US * 4 / 5 - 1] {
        assert_eq!(cache.hit(&digest, &snapshot, moment).as_ref().map(name), Some(None));
    }
    assert_eq!(store.lookups(), 1);
    let later = UNKNOWN_FOR_US * 6 / 5;
    assert!(cache.hit(&digest, &snapshot, later).is_none());
    assert_eq!(name(&cache.find(&digest, &snapshot, later).await.unwrap()), None);
    assert_eq!(store.lookups(), 2, "and asked for again after it");
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_is_not_an_unknown_key() {
    let store = Arc::new(FakeStore::default());
    let digest = store.put(&key("one")).digest(None);
    let cache = cache_within(&store, MIB, Duration::from_millis(5)).await;
    let snapshot = snapshot(TOML);
    store.broken.store(true, Ordering::SeqCst);
    assert!(matches!(cache.find(&digest, &snapshot, 0).await, Err(KeyLookupError::Store(_))));
    store.broken.store(false, Ordering::SeqCst);
    store.close_gate();
    assert!(matches!(cache.find(&digest, &snapshot, 0).await, Err(KeyLookupError::Timeout(_))));
    store.open_gate();
    assert_eq!(
        name(&cache.find(&digest, &snapshot, 0).await.unwrap()).as_deref(),
        Some("one"),
        "nothing is kept of it"
    );
    store.broken.store(true, Ordering::SeqCst);
    assert!(cache.hit(&digest, &snapshot, 0).is_some(), "a key in memory needs no store");
    assert!(!cache.is_failing());
    assert!(cache.find(&secret_of(&key("nobody")).digest(None), &snapshot, 0).await.is_err() && cache.is_failing());
}

/// A change that is made while a lookup is under way: the lookup has read the old record already.
#[tokio::test]
async fn a_lookup_under_way_leaves_nothing_old_behind() {
    let store = Arc::new(FakeStore::default());
    let record = key("one");
    let digest = store.put(&record).digest(None);
    let (cache, current) = (cache(&store, MIB).await, current(TOML));
    let mutator = Mutator::new(Arc::clone(&store) as _, Arc::clone(&current), Arc::clone(&cache), Documents::default());
    let gate = store.close_gate();
    let spawn = || {
        let (cache, snapshot) = (Arc::clone(&cache), current.load());
        tokio::spawn(async move { cache.find(&digest, &snapshot, 0).await.unwrap() })
    };
    let early = spawn();
    settle().await;
    assert_eq!(store.lookups(), 1, "the old record is read");
    let disabled = Key { disabled: true, ..record };
    mutator.commit(vec![(Change::UpdateKey { key: Box::new(disabled), expect: 1 }, draft())], None).await.unwrap();
    let late = spawn();
    settle().await;
    gate.add_permits(1_000);
    for lookup in [early, late] {
        match lookup.await.unwrap() {
            KeyFound::Known(access) => assert!(access.key.validity.is_disabled),
            KeyFound::Unknown => panic!("the key is there"),
        }
    }
    match cache.hit(&digest, &current.load(), 0) {
        Some(KeyFound::Known(access)) => assert!(access.key.validity.is_disabled),
        other => panic!("{other:?}"),
    }
}

/// The same with real threads: whoever begins after a change was answered sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_change_nobody_sees_the_record_before() {
    const CHANGES: u64 = 300;
    let store = Arc::new(FakeStore::default());
    let record = key("one");
    let digest = store.put(&record).digest(None);
    let (cache, current) = (cache(&store, MIB).await, current(TOML));
    let mutator = Mutator::new(Arc::clone(&store) as _, Arc::clone(&current), Arc::clone(&cache), Documents::default());
    let answered = Arc::new(AtomicU64::new(1));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (cache, answered, snapshot) = (Arc::clone(&cache), Arc::clone(&answered), current.load());
            tokio::spawn(async move {
                let mut seen = 0;
                while seen < CHANGES {
                    let least = answered.load(Ordering::SeqCst);
                    let found = match cache.hit(&digest, &snapshot, 0) {
                        Some(found) => found,
                        None => cache.find(&digest, &snapshot, 0).await.unwrap(),
                    };
                    let KeyFound::Known(access) = found else { panic!("the key is there") };
                    assert!(access.key.version >= least, "saw {} after {least} was answered", access.key.version);
                    seen = access.key.version;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for version in 2..=CHANGES {
        let key = Box::new(Key { version, ..record.clone() });
        mutator.commit(vec![(Change::UpdateKey { key, expect: version - 1 }, draft())], None).await.unwrap();
        answered.store(version, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn a_new_snapshot_asks_no_store() {
    let store = Arc::new(FakeStore::default());
    let digest = store.put(&Key { roles: vec!["reader".parse().unwrap()], ..key("one") }).digest(None);
    let (cache, current) = (cache(&store, MIB).await, current(TOML));
    let old = current.load();
    cache.find(&digest, &old, 0).await.unwrap();
    let documents = Documents {
        roles: [("reader".parse().unwrap(), serde_json::from_str(r#"{"scopes":["orders:read"]}"#).unwrap())].into(),
        ..Documents::default()
    };
    let next = Current::new(build::build(Arc::clone(&old.config), &documents, 2).unwrap()).load();
    let scopes = |snapshot: &Snapshot| match cache.hit(&digest, snapshot, 0) {
        Some(KeyFound::Known(access)) => (access.grant.generation, access.grant.scopes.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!((scopes(&old), scopes(&next)), ((1, 0), (2, 1)));
    assert_eq!(scopes(&old), (1, 0), "a request that began before goes by its own snapshot");
    assert_eq!(store.lookups(), 1);
}

#[tokio::test]
async fn memory_is_bounded() {
    const MAX: u64 = 256 * 1024;
    let store = Arc::new(FakeStore::default());
    let (cache, snapshot) = (cache(&store, MAX).await, snapshot(TOML));
    let mut most = 0;
    for n in 0..2_000 {
        // Two keys with the same scopes, which are many and nobody else's.
        let scopes: Vec<_> = (0..20).map(|m| format!("scope{}-{m}:read", n / 2).parse().unwrap()).collect();
        let digest = store.put(&Key { scopes, ..key(&format!("key{n}")) }).digest(None);
        assert!(name(&cache.find(&digest, &snapshot, 0).await.unwrap()).is_some());
        let unknown = secret_of(&key("nobody")).digest(None);
        assert!(name(&cache.find(&unknown, &snapshot, 0).await.unwrap()).is_none());
        most = most.max(cache.bytes());
    }
    assert!(most <= MAX + 2 * MAX / ROOM_STEPS && cache.len() > 10, "{cache:?}, {most} bytes");
}
