//! Commits: all or nothing, in order, against the version that was read.

use super::sample::{add, document, draft, edit, insertion, key, key_id, make, moment, next, owner};
use crate::store::{Change, DocumentKind, IdempotencyRecord, Store, StoreError};

pub(in crate::store) async fn all_or_nothing(store: &dyn Store) {
    add(store, 1, key(1, "one")).await;
    let record = IdempotencyRecord { request_hash: [1; 32], status: 201, body: "{}".into(), at: moment(0) };
    let changes = vec![
        insertion(2, key(2, "two")),
        (Change::InsertOwner(Box::new(owner("own_1", "acme"))), draft("owner.create", "own_1")),
        insertion(3, key(3, "one")),
    ];
    let refused = store.commit(changes, Some(("idem".into(), record))).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })));
    assert_eq!(store.revision().await.unwrap(), 1);
    assert_eq!(store.key_count().await.unwrap(), 1);
    assert!(store.find_key("two").await.unwrap().is_none());
    assert!(store.find_owner("acme").await.unwrap().is_none());
    assert!(store.idempotency("idem").await.unwrap().is_none());
    assert_eq!(store.audit(None, &Default::default()).await.unwrap().rows.len(), 1);
}

pub(in crate::store) async fn versions_are_compared(store: &dyn Store) {
    let conflict = |kind, result| {
        assert!(matches!(result, Err(StoreError::Conflict { kind: found }) if found == kind), "{kind}");
    };
    let missing = |kind, result| {
        assert!(matches!(result, Err(StoreError::NotFound { kind: found }) if found == kind), "{kind}");
    };
    let one = add(store, 1, key(1, "one")).await;
    let acme = owner("own_1", "acme");
    make(store, Change::InsertOwner(Box::new(acme.clone()))).await.unwrap();
    let role = document(DocumentKind::Role, "ops");
    make(store, Change::PutDocument { document: role.clone(), expect: None }).await.unwrap();

    let update = |expect| Change::UpdateKey { key: Box::new(next(&one, |_| ())), expect };
    conflict("key", make(store, update(2)).await);
    make(store, update(1)).await.unwrap();
    conflict("key", make(store, update(1)).await);
    conflict("key", make(store, Change::DeleteKey { id: one.id, expect: 1, at: moment(0) }).await);
    missing("key", make(store, Change::DeleteKey { id: key_id(9), expect: 1, at: moment(0) }).await);

    conflict("owner", make(store, Change::UpdateOwner { owner: Box::new(acme.clone()), expect: 2 }).await);
    conflict("owner", make(store, Change::DeleteOwner { id: acme.id.clone(), expect: 2 }).await);
    missing("owner", make(store, Change::DeleteOwner { id: "own_2".parse().unwrap(), expect: 1 }).await);

    conflict("role", make(store, Change::PutDocument { document: role.clone(), expect: Some(2) }).await);
    let other = document(DocumentKind::Plan, "ops");
    missing("plan", make(store, Change::PutDocument { document: other, expect: Some(1) }).await);
    let delete = |expect| Change::DeleteDocument { kind: DocumentKind::Role, name: role.name.clone(), expect };
    conflict("role", make(store, delete(2)).await);
    make(store, delete(1)).await.unwrap();
    missing("role", make(store, delete(1)).await);
}

pub(in crate::store) async fn later_changes_see_earlier_ones(store: &dyn Store) {
    let old = add(store, 1, key(1, "one")).await;
    let rotated = next(&old, |key| key.replaced_by = Some(key_id(2)));
    let update = Change::UpdateKey { key: Box::new(rotated), expect: 1 };
    let committed =
        store.commit(vec![(update, draft("key.rotate", "x")), insertion(2, key(2, "one"))], None).await.unwrap();
    assert_eq!((committed.revision, committed.audit_seq), (2, 3));
    assert_eq!(store.find_key("one").await.unwrap().unwrap().key.id, key_id(2));
    assert_eq!(store.key_count().await.unwrap(), 2);
}

pub(in crate::store) async fn revisions_grow(store: &dyn Store) {
    assert_eq!(store.revision().await.unwrap(), 0);
    let one = add(store, 1, key(1, "one")).await;
    edit(store, &one, |key| key.disabled = true).await;
    assert_eq!(store.revision().await.unwrap(), 2);
    store.ping().await.unwrap();
    assert_eq!(store.revision().await.unwrap(), 2);
}

pub(in crate::store) async fn idempotency_keys_keep_others_out(store: &dyn Store) {
    let record = |hash: u8, at| IdempotencyRecord { request_hash: [hash; 32], status: 201, body: "{}".into(), at };
    let kept_s = IdempotencyRecord::KEPT.as_secs();
    let commit = async |number, record: &IdempotencyRecord| {
        let idempotency = Some(("idem".to_owned(), record.clone()));
        store.commit(vec![insertion(number, key(number, &format!("key-{number}")))], idempotency).await
    };
    let first = record(1, moment(0));
    commit(1, &first).await.unwrap();
    assert_eq!(store.idempotency("idem").await.unwrap(), Some(first));
    assert_eq!(store.idempotency("other").await.unwrap(), None);
    let refused = commit(2, &record(2, moment(kept_s - 1))).await;
    assert!(matches!(refused, Err(StoreError::Conflict { kind: "idempotency key" })));
    assert_eq!(store.key_count().await.unwrap(), 1);
    let later = record(2, moment(kept_s));
    commit(2, &later).await.unwrap();
    assert_eq!(store.idempotency("idem").await.unwrap(), Some(later));
}
