//! The store: keys, owners, roles, plans, conditions, audit, usage and counters on disk.
//!
//! Every change goes through [`Store::commit`], which writes the change, its audit record and the new revision in one
//! transaction and answers after it is durable.

pub mod page;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::audit::{AuditDraft, AuditRecord};
use crate::model::id::{KeyId, Name, OwnerId};
use crate::model::key::Key;
use crate::model::owner::Owner;
use crate::model::secret::KeyDigest;

pub use page::{Page, PageRequest};

/// What may go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something of that name or external id exists already.
    #[error("a {kind} named `{name}` already exists")]
    Duplicate {
        /// `key`, `owner`, ….
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The record was changed since it was read.
    #[error("the {kind} was changed by somebody else in between")]
    Conflict {
        /// `key`, `owner`, ….
        kind: &'static str,
    },
    /// There is no such record.
    #[error("there is no such {kind}")]
    NotFound {
        /// `key`, `owner`, ….
        kind: &'static str,
    },
    /// Others depend on the record.
    #[error("the {kind} is still used by {by}")]
    InUse {
        /// `owner`, `role`, ….
        kind: &'static str,
        /// By what, in words.
        by: String,
    },
    /// A bound of the configuration.
    #[error("{0}")]
    Bound(String),
    /// Written by a newer version of Argus.
    #[error("{path} was written by a newer version of argus (schema {found}, this version knows {known})")]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: u32,
        /// The newest we know.
        known: u32,
    },
    /// Not a store, or damaged.
    #[error("{path} is not a readable argus store: {detail}")]
    Damaged {
        /// The file.
        path: String,
        /// What the engine said.
        detail: String,
    },
    /// Another process has it.
    #[error("{path} is in use by another argus process")]
    Locked {
        /// The file.
        path: String,
    },
    /// No room.
    #[error("the disk that holds {path} is full")]
    DiskFull {
        /// The file.
        path: String,
    },
    /// It took longer than it may.
    #[error("the store did not answer within {0:?}")]
    Timeout(Duration),
    /// Anything else of the engine's.
    #[error("the store failed: {0}")]
    Engine(String),
}

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

/// One change. `expect` is the version that was read; another version in the store is a [`StoreError::Conflict`].
#[derive(Debug, Clone)]
pub enum Change {
    /// A new key. `max_per_owner` bounds the owner's keys that are neither revoked nor deleted.
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
    /// Hides a key and forgets its digest; a tombstone (id, name, owner, why) stays for the retention time.
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
    /// Removes an owner without keys; [`StoreError::InUse`] if it has any that are not deleted.
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
    /// Removes a role, plan or condition; [`StoreError::InUse`] if a key that is not deleted names it.
    DeleteDocument {
        /// What it is.
        kind: DocumentKind,
        /// Which.
        name: Name,
        /// Version read.
        expect: u64,
    },
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Number of this change; grows by one.
    pub revision: u64,
    /// Place of its last audit record.
    pub audit_seq: u64,
}

/// Which keys a list shows. Empty fields do not filter; those given must all hold.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Text in name, prefix, description or tags.
    pub text: Option<String>,
    /// Owner.
    pub owner: Option<OwnerId>,
    /// Status at `at`.
    pub status: Option<crate::model::key::KeyStatus>,
    /// Plan.
    pub plan: Option<Name>,
    /// A scope the key itself lists.
    pub scope: Option<String>,
    /// Not used since then (or never).
    pub unused_since: Option<Timestamp>,
    /// Ends before then.
    pub expires_before: Option<Timestamp>,
    /// The moment `status` is asked for; needed with `status`.
    pub at: Option<Timestamp>,
}

/// The last call made with a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LastUse {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// From which address.
    pub ip: String,
    /// From which country, if known.
    pub country: Option<String>,
    /// On which route.
    pub route: String,
    /// With which status.
    pub status: u16,
}

/// What a key has done since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyUsage {
    /// Calls made with it.
    pub total: u64,
    /// Calls refused.
    pub refused: u64,
    /// The last call, refused ones included.
    pub last_used: Option<LastUse>,
}

/// What is counted separately: key (or none), route and outcome (`ok` or a reason's code).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UsageKey {
    /// The key; `None` for calls without a proven one.
    pub key: Option<KeyId>,
    /// The route's name; empty if none matched.
    pub route: String,
    /// `ok` or a reason's code.
    pub code: String,
}

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCounts {
    /// Calls.
    pub requests: u64,
    /// Units taken.
    pub cost: u64,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes sent.
    pub bytes_out: u64,
}

/// Usage gathered since the last flush.
#[derive(Debug, Clone, Default)]
pub struct UsageBatch {
    /// Start of the minute the counts belong to.
    pub minute: Timestamp,
    /// Counts.
    pub counts: BTreeMap<UsageKey, UsageCounts>,
    /// Last use of each key seen.
    pub last_use: BTreeMap<KeyId, LastUse>,
}

/// What a usage query groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageGroup {
    /// Per key.
    Key,
    /// Per route.
    Route,
    /// Per outcome.
    Code,
}

/// A question about usage. Buckets under a day are answered from minutes, others from days.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// Grouping, in column order.
    pub group_by: Vec<UsageGroup>,
    /// Length of a bucket in seconds; one bucket for all if `None`.
    pub bucket_seconds: Option<u32>,
    /// Only this key.
    pub key: Option<KeyId>,
    /// Most rows.
    pub rows_max: usize,
}

/// One row of an answer about usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Start of the bucket.
    pub bucket: Option<Timestamp>,
    /// The values grouped by, in the query's order; a key is shown by its id, or `-`.
    pub group: Vec<String>,
    /// Calls refused.
    pub refused: u64,
    /// All counts.
    pub counts: UsageCounts,
}

/// A counter of a limit, as kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterRow {
    /// Which counter.
    pub key: u128,
    /// Its state, opaque to the store.
    pub state: [u64; 3],
    /// Steady time in microseconds after which it is worth nothing.
    pub expires_us: u64,
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

/// Outcome of a purge, per kind of record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Usage rows.
    pub usage: u64,
    /// Audit records.
    pub audit: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Client addresses cut short.
    pub addresses: u64,
    /// Idempotency records.
    pub idempotency: u64,
}

/// Moments before which records go.
#[derive(Debug, Clone, Copy, Default)]
pub struct PurgeBefore {
    /// Minutes of usage.
    pub usage_minutes: Option<Timestamp>,
    /// Days of usage.
    pub usage_days: Option<Timestamp>,
    /// Audit records.
    pub audit: Option<Timestamp>,
    /// Tombstones of deleted keys.
    pub tombstones: Option<Timestamp>,
    /// Full client addresses; older ones are cut to /24 and /48.
    pub addresses: Option<Timestamp>,
    /// Idempotency records.
    pub idempotency: Option<Timestamp>,
}

/// What `argus audit verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum AuditVerdict {
    /// Every record is in its place and unchanged.
    Ok {
        /// Records seen.
        records: u64,
        /// Place of the first one kept.
        first_seq: u64,
        /// Place of the last.
        last_seq: u64,
        /// Hash of the last, in hexadecimal.
        head: String,
    },
    /// A record was changed, or stands where another belongs.
    Altered {
        /// Its place.
        seq: u64,
    },
    /// A record is missing.
    Gap {
        /// Its place.
        seq: u64,
    },
}

/// The record of what must not be lost. One implementation a database.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits all of `changes`, one audit record each in order, and the next revision; or nothing.
    async fn commit(
        &self,
        changes: Vec<(Change, AuditDraft)>,
        idempotency: Option<(String, IdempotencyRecord)>,
    ) -> Result<Committed, StoreError>;
    /// Number of the last change; 0 before the first.
    async fn revision(&self) -> Result<u64, StoreError>;

    /// The key with this digest, unless deleted.
    async fn key_by_digest(&self, digest: &KeyDigest) -> Result<Option<StoredKey>, StoreError>;
    /// The key with this id, unless deleted.
    async fn key(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError>;
    /// The key a person means: by `key_…`, public id, UUID or name. A name that several have means the one that is
    /// neither revoked nor replaced, else the newest.
    async fn find_key(&self, text: &str) -> Result<Option<StoredKey>, StoreError>;
    /// A page of keys, newest first.
    async fn keys(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<Key>, StoreError>;
    /// How many keys are not deleted.
    async fn key_count(&self) -> Result<u64, StoreError>;
    /// Whether any key is not of our own shape, so that shape alone cannot refuse a credential.
    async fn has_foreign_keys(&self) -> Result<bool, StoreError>;
    /// Names that resemble `text`, for "did you mean".
    async fn similar_key_names(&self, text: &str) -> Result<Vec<String>, StoreError>;

    /// The owner with this id.
    async fn owner(&self, id: &OwnerId) -> Result<Option<Owner>, StoreError>;
    /// The owner a person means: by `own_…`, name or external id.
    async fn find_owner(&self, text: &str) -> Result<Option<Owner>, StoreError>;
    /// A page of owners, newest first.
    async fn owners(&self, text: Option<&str>, page: &PageRequest) -> Result<Page<Owner>, StoreError>;

    /// All documents of a kind, by name.
    async fn documents(&self, kind: DocumentKind) -> Result<Vec<Document>, StoreError>;
    /// One document.
    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError>;

    /// A page of audit records, newest first.
    async fn audit(&self, target: Option<&str>, page: &PageRequest) -> Result<Page<AuditRecord>, StoreError>;
    /// Walks the whole chain.
    async fn verify_audit(&self) -> Result<AuditVerdict, StoreError>;

    /// Adds to the usage kept.
    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError>;
    /// What the keys have done; keys without any use are absent.
    async fn key_usage(&self, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUsage>, StoreError>;
    /// Answers a question about usage.
    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError>;

    /// Replaces the counters kept over a restart.
    async fn save_counters(&self, rows: Vec<CounterRow>) -> Result<(), StoreError>;
    /// The counters kept, without those expired at `now_us`.
    async fn load_counters(&self, now_us: u64) -> Result<Vec<CounterRow>, StoreError>;

    /// What an idempotency key was used for.
    async fn idempotency(&self, key: &str) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Deletes what is older than it may be.
    async fn purge(&self, before: PurgeBefore) -> Result<Purged, StoreError>;
    /// A small write and read, for health.
    async fn ping(&self) -> Result<(), StoreError>;
}
