//! No hot question walks over all keys: the steps the engine takes do not grow with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::{fresh, path};
use crate::store::contract::sample::{digest, draft, key, key_id, make, moment, owner};
use crate::store::contract::usage::{batch, query};
use crate::store::sqlite::fault::Fault;
use crate::store::sqlite::{keys, usage};
use crate::store::{Change, KeyFilter, Store, StoredKey, UsageQuery};

const KEYS: u32 = 3_000;

/// Steps of the engine's machine that no question below may exceed: a lookup takes some twenty, a page of fifty rows
/// some thousand, a walk over all keys ten for each.
const STEPS_MAX: u64 = 5_000;

type Question = fn(&Connection) -> Result<(), Fault>;

#[tokio::test]
async fn steps_do_not_grow_with_keys() {
    let fresh = fresh();
    make(&fresh.store, Change::InsertOwner(Box::new(owner("own_1", "acme")))).await.unwrap();
    let seeded = (0..KEYS).map(|number| {
        let mut key = key(number, &format!("key-{number}"));
        key.owner = Some("own_1".parse().unwrap());
        key.plan = Some("pro".parse().unwrap());
        key.scopes = vec!["orders:read".parse().unwrap()];
        StoredKey { key, digest: digest(number) }
    });
    fresh.store.seed_keys(seeded, draft("key.import", "all")).await.unwrap();
    for minute in 0..60 {
        let counts: Vec<_> = (0..50).map(|number| (Some(number), "orders", "ok", 1)).collect();
        fresh.store.add_usage(batch(&format!("2026-03-02T10:{minute:02}:00Z"), &counts)).await.unwrap();
    }

    let mut c = Connection::open(path(&fresh.dir, "argus.db")).unwrap();
    c.execute("ATTACH ?1 AS usage", [path(&fresh.dir, "usage.db").to_str().unwrap()]).unwrap();
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    c.progress_handler(
        1,
        Some(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        }),
    )
    .unwrap();

    let questions: [(&str, Question); 11] = [
        ("digest", |c| keys::by_digest(c, &digest(7)).map(|found| assert!(found.is_some()))),
        ("no digest", |c| keys::by_digest(c, &digest(KEYS)).map(|found| assert!(found.is_none()))),
        ("id", |c| keys::by_id(c, key_id(7)).map(|found| assert!(found.is_some()))),
        ("name", |c| keys::find(c, "key-7").map(|found| assert!(found.is_some()))),
        ("nothing", |c| keys::find(c, "nobody").map(|found| assert!(found.is_none()))),
        ("count", |c| keys::count(c).map(|count| assert_eq!(count, u64::from(KEYS)))),
        ("foreign", |c| keys::any_foreign(c).map(|foreign| assert!(!foreign))),
        ("first page", |c| page(c, KeyFilter::default())),
        ("by owner", |c| page(c, KeyFilter { owner: Some("own_1".parse().unwrap()), ..KeyFilter::default() })),
        ("by scope", |c| page(c, KeyFilter { scope: Some("orders:read".into()), ..KeyFilter::default() })),
        ("usage of a key", |c| {
            let of_key = UsageQuery {
                key: Some(key_id(7)),
                bucket_seconds: Some(3_600),
                ..query("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")
            };
            usage::answer(c, &of_key).map(|rows| assert_eq!(rows[0].counts.requests, 60))
        }),
    ];
    for (what, question) in questions {
        steps.store(0, Ordering::Relaxed);
        question(&c).unwrap();
        let taken = steps.load(Ordering::Relaxed);
        assert!((1..STEPS_MAX).contains(&taken), "{what} took {taken} steps");
    }
    // The measure notices a walk.
    steps.store(0, Ordering::Relaxed);
    page(&c, KeyFilter { text: Some("nowhere".into()), at: Some(moment(0)), ..KeyFilter::default() }).unwrap();
    assert!(steps.load(Ordering::Relaxed) > STEPS_MAX);
}

fn page(c: &Connection, filter: KeyFilter) -> Result<(), Fault> {
    keys::page(c, &filter, &Default::default()).map(|_| ())
}
