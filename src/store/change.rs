//! Changes, and the records they are made of.

use jiff::{SignedDuration, Timestamp};

use crate::model::id::{KeyId, Name, OwnerId};
use crate::model::key::Key;
use crate::model::owner::Owner;
use crate::model::secret::KeyDigest;

/// A key with the digest it is found by.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// The record.
    pub key: Key,
    /// What is stored of its secret.
    pub digest: KeyDigest,
}

/// The three kinds of small named documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// [`crate::model::role::RoleText`].
    Role,
    /// [`crate::model::plan::PlanText`].
    Plan,
    /// [`crate::model::condition::ConditionText`].
    Condition,
}

impl DocumentKind {
    /// The word in API and audit.
    pub fn as_str(self) -> &'static str {
        match self {
            DocumentKind::Role => "role",
            DocumentKind::Plan => "plan",
            DocumentKind::Condition => "condition",
        }
    }
}

/// A small named document as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// Its name, unique in its kind.
    pub name: Name,
    /// Its text form, as JSON.
    pub body: serde_json::Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts changes; the `ETag`.
    pub version: u64,
}

/// What is left of a deleted key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Its id, which no other key will get.
    pub id: KeyId,
    /// Its name.
    pub name: Name,
    /// Whose it was.
    pub owner: Option<OwnerId>,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// Why, if a reason was given.
    pub reason: Option<String>,
    /// By whom.
    pub by: String,
}

/// One change. `expect` is the version that was read; another version in the store is a [`StoreError::Conflict`](super::StoreError::Conflict).
#[derive(Debug, Clone)]
pub enum Change {
    /// A new key; its owner must exist. `max_per_owner` bounds the owner's keys that are neither revoked nor deleted.
    InsertKey {
        /// The record and its digest.
        stored: Box<StoredKey>,
        /// Most live keys of its owner.
        max_per_owner: Option<u32>,
    },
    /// Other settings for a key; its id and digest stay.
    UpdateKey {
        /// The whole record, with its new version.
        key: Box<Key>,
        /// Version read.
        expect: u64,
    },
    /// Hides a key and forgets its digest; a [`Tombstone`] stays for the retention time.
    DeleteKey {
        /// Which.
        id: KeyId,
        /// Version read.
        expect: u64,
        /// When.
        at: Timestamp,
    },
    /// A new owner.
    InsertOwner(Box<Owner>),
    /// Other settings for an owner.
    UpdateOwner {
        /// The whole record, with its new version.
        owner: Box<Owner>,
        /// Version read.
        expect: u64,
    },
    /// Removes an owner without keys; [`StoreError::InUse`](super::StoreError::InUse) if it has any that are not deleted.
    DeleteOwner {
        /// Which.
        id: OwnerId,
        /// Version read.
        expect: u64,
    },
    /// A new role, plan or condition, or (with `expect`) another text for it.
    PutDocument {
        /// The whole document, with its new version.
        document: Document,
        /// Version read; `None` for a new one.
        expect: Option<u64>,
    },
    /// Removes a role, plan or condition; [`StoreError::InUse`](super::StoreError::InUse) if a key that is not deleted names it.
    DeleteDocument {
        /// What it is.
        kind: DocumentKind,
        /// Which.
        name: Name,
        /// Version read.
        expect: u64,
    },
    /// Nothing but its audit record, as of a reload. Alone it makes no new revision.
    RecordOnly,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Number of this commit; grows by one.
    pub revision: u64,
    /// Place of its last audit record.
    pub audit_seq: u64,
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Hash of method, path and body.
    pub request_hash: [u8; 32],
    /// Status answered.
    pub status: u16,
    /// Body answered, without any secret.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

impl IdempotencyRecord {
    /// How long a record keeps others of the same key out.
    pub const KEPT: SignedDuration = SignedDuration::from_hours(24);
}
