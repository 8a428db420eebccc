//! Keys: how they are found, when a name is free, what is left of them.

use super::sample::{add, digest, edit, insertion, key, key_id, make, moment, owner, remove, revocation};
use crate::model::key::Key;
use crate::store::{Change, Store, StoreError, StoredKey, Tombstone};

async fn found(store: &dyn Store, text: &str) -> Option<Key> {
    store.find_key(text).await.unwrap().map(|stored| stored.key)
}

pub(in crate::store) async fn found_by_every_name(store: &dyn Store) {
    let mut full = key(1, "billing-prod");
    full.description = "nightly „invoices“\n2 lines".into();
    full.tags = vec!["a".into(), "b".into()];
    full.meta.insert("tenant".into(), "acme".into());
    full.scopes = vec!["orders:read".parse().unwrap(), "orders:read".parse().unwrap()];
    full.expires_at = Some("9999-12-30T00:00:00.123456789Z".parse().unwrap());
    let full = add(store, 1, full).await;
    add(store, 2, key(2, "other")).await;

    let by_digest = store.key_by_digest(&digest(1)).await.unwrap().unwrap();
    assert_eq!(by_digest.key, full);
    assert!(by_digest.digest.matches(&digest(1)));
    assert_eq!(store.key(full.id).await.unwrap().unwrap().key, full);
    for text in ["key_0000000001", "0000000001", "billing-prod", &full.uuid.to_string()] {
        assert_eq!(found(store, text).await.as_ref(), Some(&full), "{text}");
    }
    assert!(store.key_by_digest(&digest(3)).await.unwrap().is_none());
    assert!(store.key(key_id(3)).await.unwrap().is_none());
    for text in ["key_0000000003", "billing", "", "'; --", "01990f6e-0000-7000-8000-000000000009"] {
        assert_eq!(found(store, text).await, None, "{text}");
    }
}

pub(in crate::store) async fn names_are_free_again(store: &dyn Store) {
    fn refused<T>(result: Result<T, StoreError>) {
        assert!(matches!(result, Err(StoreError::Duplicate { kind: "key", name }) if name == "one"));
    }
    let first = add(store, 1, key(1, "one")).await;
    refused(store.commit(vec![insertion(2, key(2, "one"))], None).await);
    // Disabled keys keep their names.
    let first = edit(store, &first, |key| key.disabled = true).await;
    refused(store.commit(vec![insertion(2, key(2, "one"))], None).await);
    edit(store, &first, |key| key.revoked = Some(revocation())).await;

    let second = add(store, 2, key(2, "one")).await;
    edit(store, &second, |key| key.replaced_by = Some(key_id(3))).await;
    let third = add(store, 3, key(3, "one")).await;
    remove(store, &third).await;
    let fourth = add(store, 4, key(4, "one")).await;

    let other = add(store, 5, key(5, "two")).await;
    let renamed = Key { name: "one".parse().unwrap(), version: 2, ..other.clone() };
    refused(make(store, Change::UpdateKey { key: Box::new(renamed), expect: 1 }).await);
    assert_eq!(found(store, "two").await, Some(other));
    assert_eq!(found(store, "one").await, Some(fourth));

    // Somebody else's secret is refused too, whatever the name, and says whose it is.
    refused(store.commit(vec![insertion(4, key(6, "six"))], None).await);
}

pub(in crate::store) async fn live_name_wins(store: &dyn Store) {
    let live = add(store, 1, key(1, "one")).await;
    let mut revoked = key(2, "one");
    revoked.revoked = Some(revocation());
    add(store, 2, revoked.clone()).await;
    assert_eq!(found(store, "one").await.unwrap().id, live.id);
    edit(store, &live, |key| key.revoked = Some(revocation())).await;
    assert_eq!(found(store, "one").await.unwrap().id, revoked.id, "of several dead ones, the newest");
}

pub(in crate::store) async fn deleted_keys_leave_a_tombstone(store: &dyn Store) {
    make(store, Change::InsertOwner(Box::new(owner("own_1", "acme")))).await.unwrap();
    let mut owned = key(1, "one");
    owned.owner = Some("own_1".parse().unwrap());
    let owned = add(store, 1, owned).await;
    assert_eq!(store.tombstone(owned.id).await.unwrap(), None);
    remove(store, &owned).await;

    assert!(store.key_by_digest(&digest(1)).await.unwrap().is_none());
    assert!(store.key(owned.id).await.unwrap().is_none());
    assert_eq!(found(store, "one").await, None);
    assert_eq!(store.key_count().await.unwrap(), 0);
    let left = Tombstone {
        id: owned.id,
        name: owned.name.clone(),
        owner: owned.owner.clone(),
        deleted_at: moment(2_000),
        reason: Some("offboarding".into()),
        by: "adm_root".into(),
    };
    assert_eq!(store.tombstone(owned.id).await.unwrap(), Some(left));

    // The id is never given again; the same secret may come back under another one.
    let again = store.commit(vec![insertion(1, key(1, "again"))], None).await;
    assert!(matches!(again, Err(StoreError::Duplicate { kind: "key", .. })));
    add(store, 1, key(2, "again")).await;
    assert_eq!(store.key_by_digest(&digest(1)).await.unwrap().unwrap().key.id, key_id(2));
}

pub(in crate::store) async fn owners_have_bounds(store: &dyn Store) {
    for id in ["own_1", "own_2"] {
        make(store, Change::InsertOwner(Box::new(owner(id, id)))).await.unwrap();
    }
    let bounded = async |number: u32, id: &str| {
        let mut new = key(number, &format!("key-{number}"));
        new.owner = Some(id.parse().unwrap());
        let stored = Box::new(StoredKey { key: new.clone(), digest: digest(number) });
        make(store, Change::InsertKey { stored, max_per_owner: Some(2) }).await.map(|()| new)
    };
    let first = bounded(1, "own_1").await.unwrap();
    bounded(2, "own_1").await.unwrap();
    bounded(3, "own_2").await.unwrap();
    assert!(matches!(bounded(4, "own_1").await, Err(StoreError::Bound(_))));
    edit(store, &first, |key| key.revoked = Some(revocation())).await;
    let fourth = bounded(4, "own_1").await.unwrap();
    assert!(matches!(bounded(5, "own_1").await, Err(StoreError::Bound(_))));
    remove(store, &fourth).await;
    bounded(5, "own_1").await.unwrap();
}

pub(in crate::store) async fn owners_must_exist(store: &dyn Store) {
    let mut orphan = key(1, "one");
    orphan.owner = Some("own_1".parse().unwrap());
    let refused = store.commit(vec![insertion(1, orphan)], None).await;
    assert!(matches!(refused, Err(StoreError::NotFound { kind: "owner" })));
    let plain = add(store, 1, key(1, "one")).await;
    let moved = Key { owner: Some("own_1".parse().unwrap()), version: 2, ..plain };
    let refused = make(store, Change::UpdateKey { key: Box::new(moved), expect: 1 }).await;
    assert!(matches!(refused, Err(StoreError::NotFound { kind: "owner" })));
}

pub(in crate::store) async fn counts_and_foreign_shapes(store: &dyn Store) {
    assert_eq!((store.key_count().await.unwrap(), store.has_foreign_keys().await.unwrap()), (0, false));
    add(store, 1, key(1, "one")).await;
    assert_eq!((store.key_count().await.unwrap(), store.has_foreign_keys().await.unwrap()), (1, false));
    let mut foreign = key(2, "two");
    foreign.prefix = "argus_ab".into();
    let foreign = add(store, 2, foreign).await;
    assert_eq!((store.key_count().await.unwrap(), store.has_foreign_keys().await.unwrap()), (2, true));
    remove(store, &foreign).await;
    assert_eq!((store.key_count().await.unwrap(), store.has_foreign_keys().await.unwrap()), (1, false));
}

pub(in crate::store) async fn suggestions(store: &dyn Store) {
    for (number, name) in ["billing-prod", "billing-test", "orders", "Reports", "zz"].into_iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        add(store, number, key(number, name)).await;
    }
    for (text, expected) in [
        ("biling-prod", vec!["billing-prod"]),
        ("billing-pord", vec!["billing-prod"]),
        ("0rders", vec!["orders"]),
        ("reports", vec!["Reports"]),
        ("billing-best", vec!["billing-test"]),
        ("billing-prost", vec!["billing-prod", "billing-test"]),
        ("quite-another", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(store.similar_key_names(text).await.unwrap(), expected, "{text}");
    }
}
