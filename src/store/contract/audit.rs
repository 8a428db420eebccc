//! The audit chain as others see it. Who tampers with it needs the database itself: see each store's own tests.

use super::sample::{add, document, draft, insertion, key, make, moment};
use crate::model::audit::{AuditRecord, FieldChange, GENESIS};
use crate::store::{AuditVerdict, Change, DocumentKind, PageRequest, Store};

async fn all(store: &dyn Store) -> Vec<AuditRecord> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.audit(None, &PageRequest { limit: 2, cursor }).await.unwrap();
        found.extend(page.rows);
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
    }
}

pub(in crate::store) async fn every_change_is_recorded(store: &dyn Store) {
    let mut rich = draft("key.create", "key_0000000001");
    rich.time = "2026-09-21T13:33:20.123456789Z".parse().unwrap();
    rich.reason = Some("because „so“".into());
    rich.changes = vec![FieldChange {
        path: "/limits".into(),
        before: serde_json::Value::Null,
        after: serde_json::json!({ "b": [1, { "z": "ä", "a": u64::MAX }], "a": true }),
    }];
    let (change, _) = insertion(1, key(1, "one"));
    store.commit(vec![(change, rich.clone()), insertion(2, key(2, "two"))], None).await.unwrap();
    add(store, 3, key(3, "three")).await;

    let mut records = all(store).await;
    records.reverse();
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(records[0].draft, rich);
    let mut last = GENESIS;
    for record in &records {
        assert_eq!(record.prev_hash, hex::encode(last));
        last = record.compute(&last);
        assert_eq!(record.hash, hex::encode(last));
        assert_eq!(record.id.get_version_num(), 7);
    }
}

pub(in crate::store) async fn targets_are_found(store: &dyn Store) {
    for number in 1..=3 {
        add(store, number, key(number, &format!("key-{number}"))).await;
    }
    make(store, Change::RecordOnly).await.unwrap();
    let page = store.audit(Some("key_0000000002"), &PageRequest::default()).await.unwrap();
    assert_eq!(page.rows.iter().map(|record| record.seq).collect::<Vec<_>>(), [2]);
    let none = store.audit(Some("key_000000000"), &PageRequest::default()).await.unwrap();
    assert!(none.rows.is_empty() && none.next.is_none());
}

pub(in crate::store) async fn chain_verifies(store: &dyn Store) {
    let empty = AuditVerdict::Ok { records: 0, first_seq: 1, last_seq: 0, head: hex::encode(GENESIS) };
    assert_eq!(store.verify_audit().await.unwrap(), empty);
    for number in 1..=5 {
        add(store, number, key(number, &format!("key-{number}"))).await;
    }
    let head = store.audit(None, &PageRequest::default()).await.unwrap().rows[0].hash.clone();
    let whole = AuditVerdict::Ok { records: 5, first_seq: 1, last_seq: 5, head };
    assert_eq!(store.verify_audit().await.unwrap(), whole);
}

pub(in crate::store) async fn record_only(store: &dyn Store) {
    let committed = store.commit(vec![(Change::RecordOnly, draft("config.reload", "gateway"))], None).await.unwrap();
    assert_eq!((committed.revision, committed.audit_seq), (0, 1));
    assert_eq!(store.revision().await.unwrap(), 0);
    let put = Change::PutDocument { document: document(DocumentKind::Role, "ops"), expect: None };
    let both = vec![(Change::RecordOnly, draft("a", "b")), (put, draft("role.create", "ops"))];
    let committed = store.commit(both, None).await.unwrap();
    assert_eq!((committed.revision, committed.audit_seq), (1, 3));
    assert_eq!(store.audit(Some("gateway"), &PageRequest::default()).await.unwrap().rows[0].draft.time, moment(0));
}
