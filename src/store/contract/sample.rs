//! Records to try a store with.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::model::audit::{Actor, AuditDraft, Target};
use crate::model::id::KeyId;
use crate::model::key::{Key, KeyType, Revocation, RevocationReason};
use crate::model::owner::{Owner, OwnerKind};
use crate::model::secret::KeyDigest;
use crate::store::{Change, Document, DocumentKind, Store, StoreError, StoredKey};

/// A moment, `seconds` after some Monday.
pub(in crate::store) fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

/// A key id made of a number.
pub(in crate::store) fn key_id(number: u32) -> KeyId {
    format!("{number:010}").parse().unwrap()
}

/// A digest made of a number.
pub(in crate::store) fn digest(number: u32) -> KeyDigest {
    KeyDigest::of(&number.to_be_bytes(), None)
}

/// A key made of a number and a name.
pub(in crate::store) fn key(number: u32, name: &str) -> Key {
    let id = key_id(number);
    Key {
        id,
        uuid: Uuid::from_u128(0x0199_0f6e_0000_7000_8000_0000_0000_0000 | u128::from(number)),
        prefix: format!("argus_live_{}", id.public()),
        name: name.parse().unwrap(),
        description: String::new(),
        environment: "live".into(),
        r#type: KeyType::Application,
        owner: None,
        scopes: Vec::new(),
        roles: Vec::new(),
        plan: None,
        conditions: Default::default(),
        condition_names: Vec::new(),
        limits: Vec::new(),
        quota: None,
        not_before: None,
        expires_at: None,
        disabled: false,
        revoked: None,
        replaced_by: None,
        replaces: None,
        exposed: false,
        weak: false,
        meta: Default::default(),
        tags: Vec::new(),
        created_at: moment(i64::from(number)),
        created_by: "adm_root".into(),
        updated_at: moment(i64::from(number)),
        version: 1,
    }
}

/// The same key, changed once more.
pub(in crate::store) fn next(key: &Key, change: impl FnOnce(&mut Key)) -> Key {
    let mut next = key.clone();
    next.version += 1;
    change(&mut next);
    next
}

/// A revocation.
pub(in crate::store) fn revocation() -> Revocation {
    Revocation { at: moment(1_000), reason: RevocationReason::Leaked, by: "adm_root".into() }
}

/// An owner.
pub(in crate::store) fn owner(id: &str, name: &str) -> Owner {
    Owner {
        id: id.parse().unwrap(),
        kind: OwnerKind::Service,
        external_id: None,
        name: name.into(),
        contacts: Vec::new(),
        meta: Default::default(),
        limits: Vec::new(),
        created_at: moment(0),
        updated_at: moment(0),
        version: 1,
    }
}

/// A document that says nothing.
pub(in crate::store) fn document(kind: DocumentKind, name: &str) -> Document {
    Document {
        kind,
        name: name.parse().unwrap(),
        body: serde_json::json!({ "description": name }),
        created_at: moment(0),
        updated_at: moment(1),
        version: 1,
    }
}

/// What the mutator says of a change to `target`.
pub(in crate::store) fn draft(action: &str, target: &str) -> AuditDraft {
    AuditDraft {
        time: moment(0),
        actor: Actor { r#type: "admin".into(), id: "adm_root".into(), name: "root".into(), via: "socket".into() },
        action: action.into(),
        target: Target { r#type: "key".into(), id: target.into(), name: target.into() },
        outcome: "success".into(),
        reason: None,
        source_ip: None,
        user_agent: None,
        request_id: None,
        changes: Vec::new(),
    }
}

/// The insertion of a key.
pub(in crate::store) fn insertion(number: u32, key: Key) -> (Change, AuditDraft) {
    let draft = draft("key.create", &key.id.to_string());
    (Change::InsertKey { stored: Box::new(StoredKey { key, digest: digest(number) }), max_per_owner: None }, draft)
}

/// Adds a key, and answers it.
pub(in crate::store) async fn add(store: &dyn Store, number: u32, key: Key) -> Key {
    store.commit(vec![insertion(number, key.clone())], None).await.unwrap();
    key
}

/// Changes a key, and answers what it is then.
pub(in crate::store) async fn edit(store: &dyn Store, key: &Key, change: impl FnOnce(&mut Key)) -> Key {
    let changed = next(key, change);
    make(store, Change::UpdateKey { key: Box::new(changed.clone()), expect: key.version }).await.unwrap();
    changed
}

/// Makes one change.
pub(in crate::store) async fn make(store: &dyn Store, change: Change) -> Result<(), StoreError> {
    store.commit(vec![(change, draft("test.change", "x"))], None).await.map(|_| ())
}

/// Deletes a key.
pub(in crate::store) async fn remove(store: &dyn Store, key: &Key) {
    let change = Change::DeleteKey { id: key.id, expect: key.version, at: moment(2_000) };
    let mut draft = draft("key.delete", &key.id.to_string());
    draft.reason = Some("offboarding".into());
    store.commit(vec![(change, draft)], None).await.unwrap();
}

/// Some days.
pub(in crate::store) fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}
