//! Every change is in force when it is answered, or was not made.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::key_cache::KeyFound;
use super::super::tests::*;
use super::*;
use crate::model::key::Key;
use crate::store::{Document, StoredKey};

const TOML: &str = r#"
[routes.orders]
paths = ["/*"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
"#;

struct Bench {
    store: Arc<FakeStore>,
    current: Arc<Current>,
    cache: Arc<KeyCache>,
    mutator: Mutator,
}

async fn bench(toml: &str) -> Bench {
    let store = Arc::new(FakeStore::default());
    let as_store: Arc<dyn Store> = Arc::clone(&store) as _;
    let cache = Arc::new(KeyCache::new(Arc::clone(&as_store), 1 << 20, Duration::from_secs(1)).await.unwrap());
    let current = current(toml);
    let mutator = Mutator::new(as_store, Arc::clone(&current), Arc::clone(&cache), Documents::default());
    Bench { store, current, cache, mutator }
}

impl Bench {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        self.mutator.commit(vec![(change, draft())], None).await
    }

    async fn find(&self, digest: &KeyDigest) -> Option<super::super::Access> {
        match self.cache.find(digest, &self.current.load(), 0).await.unwrap() {
            KeyFound::Known(access) => Some(access),
            KeyFound::Unknown => None,
        }
    }
}

fn document(kind: DocumentKind, name: &str, body: &str) -> Change {
    let at = NOW.parse().unwrap();
    let body = serde_json::from_str(body).unwrap();
    let document = Document { kind, name: name.parse().unwrap(), body, created_at: at, updated_at: at, version: 1 };
    Change::PutDocument { document, expect: None }
}

#[tokio::test]
async fn keys() {
    let bench = bench(TOML).await;
    let record = key("one");
    let digest = secret_of(&record).digest(None);
    assert!(bench.find(&digest).await.is_none());
    let stored = Box::new(StoredKey { key: record.clone(), digest });
    bench.commit(Change::InsertKey { stored, max_per_owner: None }).await.unwrap();
    assert!(bench.find(&digest).await.is_some(), "that there was none is forgotten");
    let key = Box::new(Key { disabled: true, ..record.clone() });
    bench.commit(Change::UpdateKey { key, expect: 1 }).await.unwrap();
    assert!(bench.find(&digest).await.unwrap().key.validity.is_disabled);
    bench.commit(Change::DeleteKey { id: record.id, expect: 2, at: NOW.parse().unwrap() }).await.unwrap();
    assert!(bench.find(&digest).await.is_none());
    assert!(!bench.cache.has_foreign_keys());
}

#[tokio::test]
async fn a_foreign_key_opens_the_door_for_its_kind() {
    let bench = bench(TOML).await;
    let record = Key { prefix: "argus_01".to_owned(), ..key("imported") };
    let digest = KeyDigest::of(b"argus_0123456789abcdef0123456789abcdef", None);
    let stored = Box::new(StoredKey { key: record, digest });
    bench.commit(Change::InsertKey { stored, max_per_owner: None }).await.unwrap();
    assert!(bench.cache.has_foreign_keys() && bench.find(&digest).await.is_some());
}

#[tokio::test]
async fn owners_and_their_limits() {
    let bench = bench(TOML).await;
    let mut acme = owner("own_acme");
    bench.commit(Change::InsertOwner(Box::new(acme.clone()))).await.unwrap();
    let digest = bench.store.put(&Key { owner: Some(acme.id.clone()), ..key("one") }).digest(None);
    let other = bench.store.put(&key("other")).digest(None);
    assert_eq!(bench.find(&digest).await.unwrap().grant.limits.len(), 1);
    bench.find(&other).await.unwrap();
    acme.limits = serde_json::from_str(r#"[{"rate":"5/min"}]"#).unwrap();
    bench.commit(Change::UpdateOwner { owner: Box::new(acme), expect: 1 }).await.unwrap();
    let asked = bench.store.lookups();
    bench.find(&other).await.unwrap();
    assert_eq!(bench.store.lookups(), asked, "other keys stay in memory");
    let access = bench.find(&digest).await.unwrap();
    assert_eq!(access.grant.limits.last().unwrap().label.as_str(), "owner.minute");
    assert_eq!(access.grant.limits.last().unwrap().limit.by, [crate::model::limit::LimitBy::Owner]);
}

#[tokio::test]
async fn documents_make_a_new_snapshot() {
    let bench = bench(TOML).await;
    let named = Key { roles: vec!["reader".parse().unwrap()], plan: Some("pro".parse().unwrap()), ..key("one") };
    let digest = bench.store.put(&named).digest(None);
    let before = bench.find(&digest).await.unwrap();
    assert_eq!((before.grant.scopes.len(), before.grant.plan.name.as_str()), (0, "default"));
    bench.commit(document(DocumentKind::Role, "reader", r#"{"scopes":["orders:read"]}"#)).await.unwrap();
    bench.commit(document(DocumentKind::Plan, "pro", r#"{"limits":[{"rate":"7/s"}]}"#)).await.unwrap();
    let after = bench.find(&digest).await.unwrap();
    assert_eq!(
        (after.grant.scopes.len(), after.grant.plan.name.as_str(), after.grant.limits[0].limit.units),
        (1, "pro", 7)
    );
    let gone = Change::DeleteDocument { kind: DocumentKind::Role, name: "reader".parse().unwrap(), expect: 1 };
    bench.commit(gone).await.unwrap();
    assert_eq!(bench.find(&digest).await.unwrap().grant.scopes.len(), 0);
    assert_eq!(bench.current.generation(), 4);
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_not_stored() {
    let bench = bench(TOML).await;
    for (kind, body) in [
        (DocumentKind::Plan, r#"{"limits":[{"rate":"many"}]}"#),
        (DocumentKind::Condition, r#"{"time":{"zone":"Mars/Olympus"}}"#),
        (DocumentKind::Role, r#"{"scope":"typo"}"#),
    ] {
        assert!(matches!(bench.commit(document(kind, "bad", body)).await, Err(StoreError::Bound(_))), "{body}");
    }
    assert!(bench.store.documents.lock().is_empty());
    assert_eq!(bench.current.generation(), 1);
}

#[tokio::test]
async fn a_condition_that_a_route_names_stays() {
    let bench = bench(TOML).await;
    bench.commit(document(DocumentKind::Condition, "office", r#"{"time":{"days":"mon-fri"}}"#)).await.unwrap();
    let mut routed = config(TOML);
    routed.routes[0].conditions = vec!["office".parse().unwrap()];
    assert_eq!(bench.mutator.reconfigure(Arc::new(routed)).await.unwrap(), 3);
    let gone = || Change::DeleteDocument { kind: DocumentKind::Condition, name: "office".parse().unwrap(), expect: 1 };
    assert!(matches!(bench.commit(gone()).await, Err(StoreError::InUse { .. })));
    bench.mutator.reconfigure(Arc::new(config(TOML))).await.unwrap();
    bench.commit(gone()).await.unwrap();
    let mut routed = config(TOML);
    routed.routes[0].conditions = vec!["office".parse().unwrap()];
    let error = bench.mutator.reconfigure(Arc::new(routed)).await.unwrap_err();
    assert!(error.to_string().contains("office") && error.to_string().contains("orders"), "{error}");
    assert_eq!(bench.current.generation(), 5, "the old one stays in force");
}

#[tokio::test]
async fn a_commit_that_fails_changes_nothing() {
    let bench = bench(TOML).await;
    let record = key("one");
    let digest = bench.store.put(&record).digest(None);
    bench.find(&digest).await.unwrap();
    bench.store.broken.store(true, Ordering::SeqCst);
    let key = Box::new(Key { disabled: true, ..record });
    assert!(bench.commit(Change::UpdateKey { key, expect: 1 }).await.is_err());
    assert!(bench.commit(document(DocumentKind::Role, "r", r#"{"scopes":[]}"#)).await.is_err());
    bench.store.broken.store(false, Ordering::SeqCst);
    assert!(!bench.find(&digest).await.unwrap().key.validity.is_disabled);
    assert!(bench.current.load().roles.is_empty());
}

/// The store made the change and its answer was lost: memory must not go on with what was before.
#[tokio::test]
async fn a_commit_of_unknown_outcome_is_read_again() {
    let bench = bench(TOML).await;
    let record = key("one");
    let digest = bench.store.put(&record).digest(None);
    bench.find(&digest).await.unwrap();
    bench.store.forgetful.store(true, Ordering::SeqCst);
    let key = Box::new(Key { disabled: true, ..record });
    assert!(bench.commit(Change::UpdateKey { key, expect: 1 }).await.is_err());
    assert!(bench.find(&digest).await.unwrap().key.validity.is_disabled);
    assert!(bench.commit(document(DocumentKind::Role, "r", r#"{"scopes":["a:b"]}"#)).await.is_err());
    assert_eq!(bench.current.load().roles.len(), 1);
}

/// Whoever asked for the change goes away in the middle of it.
#[tokio::test]
async fn a_change_once_begun_is_put_in_force() {
    let bench = bench(TOML).await;
    let record = key("one");
    let digest = bench.store.put(&record).digest(None);
    bench.find(&digest).await.unwrap();
    let key = Box::new(Key { disabled: true, ..record });
    let mut commit = Box::pin(bench.commit(Change::UpdateKey { key, expect: 1 }));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(commit.as_mut().poll(&mut context).is_pending());
    drop(commit);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(bench.find(&digest).await.unwrap().key.validity.is_disabled);
}
