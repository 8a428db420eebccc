//! Usage and counters.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::sample::key_id;
use crate::store::{
    CounterRow, KeyUsage, LastUse, Store, UsageBatch, UsageCounts, UsageGroup, UsageKey, UsageQuery, UsageRow,
};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn last_use(at: &str, ip: &str) -> LastUse {
    LastUse { at: time(at), ip: ip.into(), country: Some("DE".into()), route: "orders".into(), status: 200 }
}

/// A batch of one minute: key, route, outcome, calls. A call costs 2, receives 3 and sends 5 bytes.
pub(in crate::store) fn batch(minute: &str, counts: &[(Option<u32>, &str, &str, u64)]) -> UsageBatch {
    let counts = counts.iter().map(|&(key, route, code, requests)| {
        let key = UsageKey { key: key.map(key_id), route: route.into(), code: code.into() };
        let counts = UsageCounts { requests, cost: 2 * requests, bytes_in: 3 * requests, bytes_out: 5 * requests };
        (key, counts)
    });
    UsageBatch { minute: time(minute), counts: counts.collect(), last_use: BTreeMap::new() }
}

pub(in crate::store) fn query(from: &str, to: &str) -> UsageQuery {
    UsageQuery {
        from: time(from),
        to: time(to),
        group_by: Vec::new(),
        bucket_seconds: None,
        key: None,
        rows_max: 1_000,
    }
}

/// A row as text: bucket, group, calls, refused.
fn shown(row: &UsageRow) -> String {
    let UsageCounts { requests, cost, bytes_in, bytes_out } = row.counts;
    assert_eq!((cost, bytes_in, bytes_out), (2 * requests, 3 * requests, 5 * requests));
    let bucket = row.bucket.map_or("all".into(), |at| at.to_string());
    format!("{bucket} [{}] {requests}/{}", row.group.join(" "), row.refused)
}

async fn check(store: &dyn Store, query: UsageQuery, expected: &[&str]) {
    let rows = store.usage(&query).await.unwrap();
    assert_eq!(rows.iter().map(shown).collect::<Vec<_>>(), expected, "{query:?}");
}

/// Two keys and nobody, over three days.
async fn fill(store: &dyn Store) {
    for batch in [
        batch("2026-03-01T23:59:00Z", &[(Some(1), "orders", "ok", 1)]),
        batch("2026-03-02T00:00:00Z", &[(Some(1), "orders", "ok", 10), (None, "", "missing_credentials", 7)]),
        batch("2026-03-02T12:00:30Z", &[(Some(1), "orders", "rate_limited", 100)]),
        batch("2026-03-02T12:01:00Z", &[(Some(2), "users", "ok", 1_000)]),
        batch("2026-03-02T12:00:00Z", &[(Some(1), "orders", "rate_limited", 100)]),
        batch("2026-03-03T00:01:00Z", &[(Some(1), "users", "ok", 10_000)]),
    ] {
        store.add_usage(batch).await.unwrap();
    }
}

pub(in crate::store) async fn totals_and_last_use(store: &dyn Store) {
    fill(store).await;
    let with_last = |at, ip| {
        let last_use = [(key_id(1), last_use(at, ip))].into();
        UsageBatch { last_use, ..batch("2026-03-03T00:02:00Z", &[]) }
    };
    store.add_usage(with_last("2026-03-03T00:02:05.000000001Z", "192.0.2.1")).await.unwrap();
    // An older batch that comes late changes nothing.
    store.add_usage(with_last("2026-03-03T00:02:05Z", "192.0.2.2")).await.unwrap();
    let found = store.key_usage(&[key_id(1), key_id(2), key_id(3)]).await.unwrap();
    let first = KeyUsage {
        total: 1 + 10 + 200 + 10_000,
        refused: 200,
        last_used: Some(last_use("2026-03-03T00:02:05.000000001Z", "192.0.2.1")),
    };
    let second = KeyUsage { total: 1_000, refused: 0, last_used: None };
    assert_eq!(found, BTreeMap::from([(key_id(1), first), (key_id(2), second)]));
    assert!(store.key_usage(&[]).await.unwrap().is_empty());
}

pub(in crate::store) async fn buckets_and_groups(store: &dyn Store) {
    fill(store).await;
    let day = query("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
    let bucket = |seconds| UsageQuery { bucket_seconds: Some(seconds), ..day.clone() };
    check(
        store,
        bucket(60),
        &["2026-03-02T00:00:00Z [] 17/7", "2026-03-02T12:00:00Z [] 200/200", "2026-03-02T12:01:00Z [] 1000/0"],
    )
    .await;
    // Nothing is finer than a minute.
    check(
        store,
        bucket(1),
        &["2026-03-02T00:00:00Z [] 17/7", "2026-03-02T12:00:00Z [] 200/200", "2026-03-02T12:01:00Z [] 1000/0"],
    )
    .await;
    check(store, bucket(3_600), &["2026-03-02T00:00:00Z [] 17/7", "2026-03-02T12:00:00Z [] 1200/200"]).await;
    check(store, bucket(86_400), &["2026-03-02T00:00:00Z [] 1217/207"]).await;
    let grouped = UsageQuery {
        group_by: vec![UsageGroup::Code, UsageGroup::Key, UsageGroup::Route],
        bucket_seconds: Some(86_400),
        ..query("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z")
    };
    check(
        store,
        grouped,
        &[
            "2026-03-01T00:00:00Z [ok key_0000000001 orders] 1/0",
            "2026-03-02T00:00:00Z [missing_credentials - ] 7/7",
            "2026-03-02T00:00:00Z [ok key_0000000001 orders] 10/0",
            "2026-03-02T00:00:00Z [ok key_0000000002 users] 1000/0",
            "2026-03-02T00:00:00Z [rate_limited key_0000000001 orders] 200/200",
            "2026-03-03T00:00:00Z [ok key_0000000001 users] 10000/0",
        ],
    )
    .await;
}

pub(in crate::store) async fn spans_without_buckets(store: &dyn Store) {
    fill(store).await;
    for (from, to, expected) in [
        ("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z", "all [] 11218/207"),
        ("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z", "all [] 1217/207"),
        ("2026-03-01T23:59:00Z", "2026-03-03T00:01:00Z", "all [] 1218/207"),
        ("2026-03-01T23:59:00Z", "2026-03-03T00:02:00Z", "all [] 11218/207"),
        ("2026-03-01T23:59:00.000000001Z", "2026-03-03T00:01:00.000000001Z", "all [] 11217/207"),
        ("2026-03-02T12:00:00Z", "2026-03-02T12:01:00Z", "all [] 200/200"),
        ("2026-03-01T23:00:00Z", "2026-03-02T00:00:00Z", "all [] 1/0"),
    ] {
        check(store, query(from, to), &[expected]).await;
    }
    check(store, query("2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z"), &[]).await;
    check(store, query("2026-03-03T00:00:00Z", "2026-03-01T00:00:00Z"), &[]).await;
}

pub(in crate::store) async fn keys_alone(store: &dyn Store) {
    fill(store).await;
    for bucket_seconds in [None, Some(3_600), Some(86_400)] {
        let of = |number| UsageQuery {
            key: Some(key_id(number)),
            bucket_seconds,
            ..query("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z")
        };
        let total = async |number| {
            let rows = store.usage(&of(number)).await.unwrap();
            rows.iter().map(|row| row.counts.requests).sum::<u64>()
        };
        assert_eq!((total(1).await, total(2).await, total(3).await), (10_211, 1_000, 0));
    }
}

pub(in crate::store) async fn rows_are_bounded(store: &dyn Store) {
    fill(store).await;
    let bounded =
        UsageQuery { bucket_seconds: Some(60), rows_max: 2, ..query("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z") };
    check(store, bounded, &["2026-03-01T23:59:00Z [] 1/0", "2026-03-02T00:00:00Z [] 17/7"]).await;
}

pub(in crate::store) async fn counters_are_replaced(store: &dyn Store) {
    let row = |number: u64| CounterRow {
        key: u128::from(number) << 64 | 7,
        state: [number, u64::MAX, 0],
        expires_us: if number.is_multiple_of(2) { 100 } else { 101 },
    };
    assert_eq!(store.load_counters(0).await.unwrap(), []);
    let rows: Vec<_> = (0..3_000).map(row).collect();
    store.save_counters(rows.clone()).await.unwrap();
    let sorted = |mut rows: Vec<CounterRow>| {
        rows.sort_by_key(|row| row.key);
        rows
    };
    assert_eq!(sorted(store.load_counters(99).await.unwrap()), rows);
    let odd: Vec<_> = rows.iter().copied().filter(|row| row.expires_us == 101).collect();
    assert_eq!(sorted(store.load_counters(100).await.unwrap()), odd);
    store.save_counters(vec![row(5)]).await.unwrap();
    assert_eq!(store.load_counters(0).await.unwrap(), [row(5)]);
    store.save_counters(Vec::new()).await.unwrap();
    assert_eq!(store.load_counters(0).await.unwrap(), []);
}
