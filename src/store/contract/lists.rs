//! Lists: pages, cursors and filters.

use jiff::{SignedDuration, Timestamp};

use super::sample::{add, insertion, key, key_id, make, moment, owner, remove, revocation};
use crate::model::key::{Key, KeyStatus};
use crate::store::page::PAGE_MAX;
use crate::store::{Change, KeyFilter, LastUse, PageRequest, Store, StoreError, UsageBatch};

fn request(limit: usize, cursor: Option<String>) -> PageRequest {
    PageRequest { limit, cursor }
}

/// All pages of a list of keys, by their ids.
async fn all(store: &dyn Store, filter: &KeyFilter, limit: usize) -> Vec<Vec<Key>> {
    let mut pages = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.keys(filter, &request(limit, cursor)).await.unwrap();
        pages.push(page.rows);
        cursor = page.next;
        if cursor.is_none() {
            return pages;
        }
    }
}

/// Names of the keys a filter lets through, newest first.
async fn names(store: &dyn Store, filter: KeyFilter) -> Vec<String> {
    all(store, &filter, 2).await.concat().iter().map(|key| key.name.to_string()).collect()
}

pub(in crate::store) async fn pages_are_complete_and_in_order(store: &dyn Store) {
    let count = u32::try_from(PAGE_MAX).unwrap() + 5;
    let changes = (0..count).map(|number| insertion(number, key(number, &format!("key-{number}")))).collect();
    store.commit(changes, None).await.unwrap();
    let newest_first: Vec<_> = (0..count).rev().map(key_id).collect();
    for (limit, sizes) in [(100, vec![100, 100, 5]), (205, vec![200, 5]), (usize::MAX, vec![200, 5]), (41, vec![41; 5])]
    {
        let pages = all(store, &KeyFilter::default(), limit).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "limit {limit}");
        assert_eq!(pages.concat().iter().map(|key| key.id).collect::<Vec<_>>(), newest_first);
    }
    assert_eq!(store.keys(&KeyFilter::default(), &request(0, None)).await.unwrap().rows.len(), 1);
}

pub(in crate::store) async fn cursors_belong_to_their_list(store: &dyn Store) {
    for number in 0..3 {
        add(store, number, key(number, &format!("key-{number}"))).await;
    }
    let cursor = store.keys(&KeyFilter::default(), &request(1, None)).await.unwrap().next;
    assert!(cursor.is_some());
    assert!(matches!(store.audit(None, &request(1, cursor.clone())).await, Err(StoreError::BadCursor)));
    assert!(matches!(store.owners(None, &request(1, cursor)).await, Err(StoreError::BadCursor)));
    for bad in ["", "x", "ä", "a1 OR 1=1", "azk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"] {
        let refused = store.keys(&KeyFilter::default(), &request(1, Some(bad.into()))).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{bad}");
    }
}

pub(in crate::store) async fn pages_stay_true_when_rows_go(store: &dyn Store) {
    let mut keys = Vec::new();
    for number in 0..4 {
        keys.push(add(store, number, key(number, &format!("key-{number}"))).await);
    }
    let first = store.keys(&KeyFilter::default(), &request(2, None)).await.unwrap();
    // The row the cursor stands on goes, and a new one comes: the next page is what it would have been.
    remove(store, &keys[2]).await;
    add(store, 9, key(9, "key-9")).await;
    let second = store.keys(&KeyFilter::default(), &request(2, first.next)).await.unwrap();
    assert_eq!(second.rows.iter().map(|key| key.id).collect::<Vec<_>>(), [key_id(1), key_id(0)]);
    assert_eq!(second.next, None);
}

pub(in crate::store) async fn filters_narrow(store: &dyn Store) {
    make(store, Change::InsertOwner(Box::new(owner("own_1", "acme")))).await.unwrap();
    let with = |number, name, change: fn(&mut Key)| {
        let mut key = key(number, name);
        change(&mut key);
        key
    };
    for (number, key) in [
        with(0, "plain", |_| ()),
        with(1, "owned", |key| key.owner = Some("own_1".parse().unwrap())),
        with(2, "planned", |key| key.plan = Some("pro".parse().unwrap())),
        with(3, "scoped", |key| key.scopes = vec!["orders:read".parse().unwrap(), "a:b".parse().unwrap()]),
        with(4, "said", |key| key.description = "Nightly INVOICES für Köln, 100%".into()),
        with(5, "tagged", |key| key.tags = vec!["Billing".into()]),
        with(6, "ending", |key| key.expires_at = Some(moment(5_000))),
        with(7, "both", |key| {
            key.owner = Some("own_1".parse().unwrap());
            key.plan = Some("pro".parse().unwrap());
            key.scopes = vec!["orders:read".parse().unwrap()];
        }),
    ]
    .into_iter()
    .enumerate()
    {
        add(store, u32::try_from(number).unwrap(), key).await;
    }
    let last = |at| LastUse { at, ip: "192.0.2.1".into(), country: None, route: "r".into(), status: 200 };
    let last_use = [(key_id(0), last(moment(100))), (key_id(1), last(moment(200)))].into();
    store.add_usage(UsageBatch { minute: moment(0), counts: Default::default(), last_use }).await.unwrap();

    let text = |text: &str| KeyFilter { text: Some(text.into()), ..KeyFilter::default() };
    let plan = || Some("pro".parse().unwrap());
    let (owner, scope) = (|| Some("own_1".parse().unwrap()), |scope: &str| Some(scope.to_owned()));
    let none = KeyFilter::default;
    let unused = |at| KeyFilter { unused_since: Some(at), ..none() };
    let rest = ["both", "ending", "tagged", "said", "scoped", "planned"];
    for (filter, expected) in [
        (text("invoices FÜR köln"), vec!["said"]),
        (text("100%"), vec!["said"]),
        (text("_live_"), vec!["both", "ending", "tagged", "said", "scoped", "planned", "owned", "plain"]),
        (text("billing"), vec!["tagged"]),
        (text("%"), vec!["said"]),
        (text("nowhere"), vec![]),
        (KeyFilter { owner: owner(), ..none() }, vec!["both", "owned"]),
        (KeyFilter { plan: plan(), ..none() }, vec!["both", "planned"]),
        (KeyFilter { scope: scope("orders:read"), ..none() }, vec!["both", "scoped"]),
        (KeyFilter { scope: scope("orders:*"), ..none() }, vec![]),
        (KeyFilter { scope: scope("orders:read"), plan: plan(), owner: owner(), ..none() }, vec!["both"]),
        (KeyFilter { plan: plan(), ..text("planned") }, vec!["planned"]),
        (KeyFilter { expires_before: Some(moment(5_000)), ..none() }, vec![]),
        (KeyFilter { expires_before: Some(moment(5_001)), ..none() }, vec!["ending"]),
        (unused(moment(201)), [&rest[..], &["owned", "plain"]].concat()),
        (unused(moment(200)), [&rest[..], &["plain"]].concat()),
        (unused(moment(100)), rest.to_vec()),
    ] {
        assert_eq!(names(store, filter.clone()).await, expected, "{filter:?}");
    }
}

/// All combinations of what a status depends on, with moments before, at and after the one asked for.
pub(in crate::store) async fn status_is_that_of_the_model(store: &dyn Store) {
    let now = moment(0) + SignedDuration::from_nanos(500);
    let step = SignedDuration::from_nanos(1);
    let far: Timestamp = "9999-12-01T00:00:00Z".parse().unwrap();
    let moments = [None, Some(now - step), Some(now), Some(now + step), Some(far)];
    let mut keys = Vec::new();
    for bits in 0..8_u32 {
        for not_before in moments {
            for expires_at in moments {
                let number = u32::try_from(keys.len()).unwrap();
                keys.push(Key {
                    revoked: (bits & 1 != 0).then(revocation),
                    disabled: bits & 2 != 0,
                    replaced_by: (bits & 4 != 0).then(|| key_id(9)),
                    not_before,
                    expires_at,
                    ..key(number, &format!("key-{number}"))
                });
            }
        }
    }
    let changes = keys.iter().enumerate().map(|(n, key)| insertion(u32::try_from(n).unwrap(), key.clone()));
    store.commit(changes.collect(), None).await.unwrap();
    for at in [now - step, now, now + step] {
        let mut seen = 0;
        for status in [
            KeyStatus::Revoked,
            KeyStatus::Disabled,
            KeyStatus::Scheduled,
            KeyStatus::Expired,
            KeyStatus::Rotating,
            KeyStatus::Active,
        ] {
            let filter = KeyFilter { status: Some(status), at: Some(at), ..KeyFilter::default() };
            let found = all(store, &filter, PAGE_MAX).await.concat();
            let expected: Vec<_> = keys.iter().rev().filter(|key| key.status(at) == status).cloned().collect();
            assert!(!expected.is_empty());
            assert_eq!(found, expected, "{status:?} at {at}");
            seen += found.len();
        }
        assert_eq!(seen, keys.len());
    }
    let timeless = KeyFilter { status: Some(KeyStatus::Active), ..KeyFilter::default() };
    assert!(matches!(store.keys(&timeless, &PageRequest::default()).await, Err(StoreError::Bound(_))));
}
