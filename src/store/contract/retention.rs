//! Retention.

use super::sample::{add, days, draft, insertion, key, key_id, make, moment, remove};
use super::usage::{batch, query};
use crate::model::audit::AuditDraft;
use crate::store::{
    AuditVerdict, Change, IdempotencyRecord, LastUse, PageRequest, PurgeBefore, Purged, Store, UsageBatch, UsageQuery,
};

/// Purges on a day long after everything.
async fn purge(store: &dyn Store, before: PurgeBefore) -> Purged {
    let draft = AuditDraft { time: moment(0) + days(400), ..draft("retention.purge", "store") };
    store.purge(before, draft).await.unwrap()
}

pub(in crate::store) async fn old_usage_goes(store: &dyn Store) {
    let ok = |minute| batch(minute, &[(Some(1), "orders", "ok", 1), (Some(2), "orders", "ok", 1)]);
    for minute in ["2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z", "2026-03-02T10:01:00Z"] {
        store.add_usage(ok(minute)).await.unwrap();
    }
    let total = async |bucket_seconds| {
        let query = UsageQuery { bucket_seconds, ..query("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z") };
        store.usage(&query).await.unwrap().iter().map(|row| row.counts.requests).sum::<u64>()
    };
    let at = |text: &str| Some(text.parse().unwrap());
    let purged = purge(store, PurgeBefore { usage_minutes: at("2026-03-02T10:01:00Z"), ..Default::default() }).await;
    assert_eq!(purged, Purged { usage: 4, ..Purged::default() });
    assert_eq!((total(Some(60)).await, total(Some(86_400)).await), (2, 6));
    let purged = purge(store, PurgeBefore { usage_days: at("2026-03-02T00:00:00Z"), ..Default::default() }).await;
    assert_eq!(purged, Purged { usage: 2, ..Purged::default() });
    assert_eq!((total(Some(60)).await, total(Some(86_400)).await), (2, 4));
    // What a key has done altogether stays.
    assert_eq!(store.key_usage(&[key_id(1)]).await.unwrap()[&key_id(1)].total, 3);
    // A series that went and comes back is counted again.
    let all = PurgeBefore {
        usage_minutes: at("2027-01-01T00:00:00Z"),
        usage_days: at("2027-01-01T00:00:00Z"),
        ..Default::default()
    };
    purge(store, all).await;
    assert_eq!((total(Some(60)).await, total(Some(86_400)).await), (0, 0));
    store.add_usage(ok("2026-03-02T10:01:00Z")).await.unwrap();
    assert_eq!((total(Some(60)).await, total(Some(86_400)).await), (2, 2));
}

pub(in crate::store) async fn audit_goes_from_the_start(store: &dyn Store) {
    // The third is older than the second, as clocks go: it stays with it.
    for (number, time) in [(1, 10), (2, 30), (3, 20), (4, 40)] {
        let (change, draft) = insertion(number, key(number, &format!("key-{number}")));
        store.commit(vec![(change, AuditDraft { time: moment(time), ..draft })], None).await.unwrap();
    }
    let purged = purge(store, PurgeBefore { audit: Some(moment(25)), ..Default::default() }).await;
    assert_eq!(purged, Purged { audit: 1, ..Purged::default() });
    let page = store.audit(None, &PageRequest::default()).await.unwrap();
    assert_eq!(page.rows.iter().map(|record| record.seq).collect::<Vec<_>>(), [5, 4, 3, 2]);
    let note = &page.rows[0].draft;
    assert_eq!((note.action.as_str(), note.changes.len()), ("retention.purge", 1));
    assert_eq!((note.changes[0].path.as_str(), &note.changes[0].before), ("/audit", &serde_json::json!(1)));
    let verdict = store.verify_audit().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Ok { records: 4, first_seq: 2, last_seq: 5, .. }), "{verdict:?}");

    // Everything but the purge's own record may go, and the chain goes on from there.
    let purged = purge(store, PurgeBefore { audit: Some(moment(0) + days(401)), ..Default::default() }).await;
    assert_eq!(purged.audit, 3);
    make(store, Change::RecordOnly).await.unwrap();
    let verdict = store.verify_audit().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Ok { first_seq: 5, .. }), "{verdict:?}");
}

pub(in crate::store) async fn tombstones_and_totals_go(store: &dyn Store) {
    let gone = add(store, 1, key(1, "one")).await;
    store.add_usage(batch("2026-03-01T10:00:00Z", &[(Some(1), "orders", "ok", 1)])).await.unwrap();
    remove(store, &gone).await;
    let record = IdempotencyRecord { request_hash: [1; 32], status: 201, body: "{}".into(), at: moment(5) };
    store.commit(Vec::new(), Some(("idem".into(), record))).await.unwrap();

    let before = |at| PurgeBefore { tombstones: Some(moment(at)), idempotency: Some(moment(at)), ..Default::default() };
    assert_eq!(purge(store, before(5)).await, Purged::default());
    assert!(store.tombstone(gone.id).await.unwrap().is_some());
    assert!(store.idempotency("idem").await.unwrap().is_some());
    let purged = purge(store, before(2_001)).await;
    assert_eq!(purged, Purged { tombstones: 1, idempotency: 1, ..Purged::default() });
    assert_eq!(store.tombstone(gone.id).await.unwrap(), None);
    assert_eq!(store.idempotency("idem").await.unwrap(), None);
    assert!(store.key_usage(&[gone.id]).await.unwrap().is_empty());
}

pub(in crate::store) async fn addresses_are_cut(store: &dyn Store) {
    let used = async |number, at, ip: &str| {
        let last = LastUse { at: moment(at), ip: ip.into(), country: None, route: "r".into(), status: 200 };
        let last_use = [(key_id(number), last)].into();
        store.add_usage(UsageBatch { minute: moment(0), counts: Default::default(), last_use }).await.unwrap();
    };
    used(1, 10, "192.0.2.77").await;
    used(2, 10, "2001:db8:1:2::3").await;
    used(3, 20, "192.0.2.77").await;
    let ip = async |number| {
        let last = store.key_usage(&[key_id(number)]).await.unwrap().remove(&key_id(number)).unwrap().last_used;
        last.unwrap().ip
    };
    let before = |at| PurgeBefore { addresses: Some(moment(at)), ..Default::default() };
    assert_eq!(purge(store, before(20)).await, Purged { addresses: 2, ..Purged::default() });
    assert_eq!((ip(1).await.as_str(), ip(2).await.as_str()), ("192.0.2.0", "2001:db8:1::"));
    assert_eq!(ip(3).await, "192.0.2.77");
    assert_eq!(purge(store, before(20)).await, Purged::default());
    used(1, 30, "192.0.2.78").await;
    assert_eq!(ip(1).await, "192.0.2.78");
    assert_eq!(purge(store, before(40)).await.addresses, 2);
}

pub(in crate::store) async fn nothing_to_do_is_not_recorded(store: &dyn Store) {
    add(store, 1, key(1, "one")).await;
    let all = Some(moment(-1));
    let before = PurgeBefore {
        usage_minutes: all,
        usage_days: all,
        audit: all,
        tombstones: all,
        addresses: all,
        idempotency: all,
    };
    assert_eq!(purge(store, before).await, Purged::default());
    assert_eq!(purge(store, PurgeBefore::default()).await, Purged::default());
    assert_eq!(store.audit(None, &PageRequest::default()).await.unwrap().rows.len(), 1);
}
