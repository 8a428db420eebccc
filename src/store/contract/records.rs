//! Owners and documents.

use super::sample::{add, document, edit, key, make, moment, owner, remove};
use crate::model::owner::Owner;
use crate::store::{Change, Document, DocumentKind, PageRequest, Store, StoreError};

async fn insert(store: &dyn Store, owner: Owner) -> Result<(), StoreError> {
    make(store, Change::InsertOwner(Box::new(owner))).await
}

pub(in crate::store) async fn owners_are_unique(store: &dyn Store) {
    let refused = |result, expected: &str| {
        assert!(matches!(result, Err(StoreError::Duplicate { kind: "owner", name }) if name == expected), "{expected}");
    };
    let with_external = |id: &str, name: &str| Owner { external_id: Some("crm-7".into()), ..owner(id, name) };
    insert(store, with_external("own_1", "acme")).await.unwrap();
    refused(insert(store, owner("own_2", "acme")).await, "acme");
    refused(insert(store, with_external("own_2", "other")).await, "crm-7");
    refused(insert(store, owner("own_1", "other")).await, "own_1");
    // Many may have none.
    insert(store, owner("own_2", "two")).await.unwrap();
    insert(store, owner("own_3", "three")).await.unwrap();

    let renamed = Owner { version: 2, ..owner("own_2", "acme") };
    refused(make(store, Change::UpdateOwner { owner: Box::new(renamed), expect: 1 }).await, "acme");
    let renamed = Owner { version: 2, ..owner("own_2", "zwei") };
    make(store, Change::UpdateOwner { owner: Box::new(renamed.clone()), expect: 1 }).await.unwrap();
    assert_eq!(store.find_owner("zwei").await.unwrap(), Some(renamed));
    assert_eq!(store.find_owner("two").await.unwrap(), None);
}

pub(in crate::store) async fn owners_are_found(store: &dyn Store) {
    let mut acme = owner("own_1", "acme");
    acme.external_id = Some("crm-7".into());
    acme.contacts = vec!["Ada@example.com".into()];
    insert(store, acme.clone()).await.unwrap();
    insert(store, owner("own_2", "beta")).await.unwrap();
    assert_eq!(store.owner(&acme.id).await.unwrap().as_ref(), Some(&acme));
    for text in ["own_1", "acme", "crm-7"] {
        assert_eq!(store.find_owner(text).await.unwrap().as_ref(), Some(&acme), "{text}");
    }
    assert_eq!(store.find_owner("own_3").await.unwrap(), None);
    for (text, expected) in [
        (None, vec!["beta", "acme"]),
        (Some("ada@EXAMPLE"), vec!["acme"]),
        (Some("crm"), vec!["acme"]),
        (Some("BET"), vec!["beta"]),
        (Some("nobody"), vec![]),
    ] {
        let page = store.owners(text, &PageRequest::default()).await.unwrap();
        assert_eq!(page.rows.iter().map(|owner| owner.name.as_str()).collect::<Vec<_>>(), expected, "{text:?}");
    }
    let first = store.owners(None, &PageRequest { limit: 1, cursor: None }).await.unwrap();
    let second = store.owners(None, &PageRequest { limit: 1, cursor: first.next }).await.unwrap();
    assert_eq!((second.rows, second.next), (vec![acme], None));
}

pub(in crate::store) async fn owners_in_use_stay(store: &dyn Store) {
    insert(store, owner("own_1", "acme")).await.unwrap();
    let mut owned = key(1, "one");
    owned.owner = Some("own_1".parse().unwrap());
    let owned = add(store, 1, owned).await;
    let delete = || Change::DeleteOwner { id: "own_1".parse().unwrap(), expect: 1 };
    let refused = make(store, delete()).await;
    assert!(matches!(refused, Err(StoreError::InUse { kind: "owner", by }) if by == "key `one`"));
    remove(store, &owned).await;
    make(store, delete()).await.unwrap();
    assert_eq!(store.find_owner("acme").await.unwrap(), None);
}

pub(in crate::store) async fn documents_are_kept(store: &dyn Store) {
    for kind in [DocumentKind::Role, DocumentKind::Plan, DocumentKind::Condition] {
        // The same name in another kind is another thing.
        for name in ["b", "a"] {
            make(store, Change::PutDocument { document: document(kind, name), expect: None }).await.unwrap();
        }
        let again = make(store, Change::PutDocument { document: document(kind, "a"), expect: None }).await;
        assert!(
            matches!(again, Err(StoreError::Duplicate { kind: found, name }) if found == kind.as_str() && name == "a")
        );
        let body = serde_json::json!({ "limits": [{ "n": 18_446_744_073_709_551_615_u64 }], "": null });
        let changed = Document { body, version: 2, updated_at: moment(7), ..document(kind, "a") };
        make(store, Change::PutDocument { document: changed.clone(), expect: Some(1) }).await.unwrap();
        assert_eq!(store.document(kind, "a").await.unwrap().as_ref(), Some(&changed));
        assert_eq!(store.documents(kind).await.unwrap(), [changed, document(kind, "b")]);
        assert_eq!(store.document(kind, "c").await.unwrap(), None);
    }
}

pub(in crate::store) async fn documents_in_use_stay(store: &dyn Store) {
    let name = || "used".parse().unwrap();
    for kind in [DocumentKind::Role, DocumentKind::Plan, DocumentKind::Condition] {
        make(store, Change::PutDocument { document: document(kind, "used"), expect: None }).await.unwrap();
    }
    let mut user = key(1, "one");
    (user.roles, user.plan, user.condition_names) = (vec![name()], Some(name()), vec![name()]);
    let user = add(store, 1, user).await;
    let delete = |kind| Change::DeleteDocument { kind, name: name(), expect: 1 };
    for kind in [DocumentKind::Role, DocumentKind::Plan, DocumentKind::Condition] {
        let refused = make(store, delete(kind)).await;
        assert!(
            matches!(refused, Err(StoreError::InUse { kind: found, by }) if found == kind.as_str() && by == "key `one`")
        );
    }
    let user = edit(store, &user, |key| key.roles.clear()).await;
    make(store, delete(DocumentKind::Role)).await.unwrap();
    remove(store, &user).await;
    make(store, delete(DocumentKind::Plan)).await.unwrap();
    make(store, delete(DocumentKind::Condition)).await.unwrap();
}
