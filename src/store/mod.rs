//! The store: keys, owners, roles, plans, conditions, audit, usage and counters on disk.
//!
//! Every change goes through [`Store::commit`], which writes the change, its audit record and the new revision in one
//! transaction and answers after it is durable.

//! What is where:
//! - `change`: changes and the records they are made of; `filter`, `page`: lists; `usage`: counts; `retention`: what
//!   goes when; `error`: what may go wrong.
//! - [`sqlite`]: the embedded store, two SQLite files in one directory.
//! - `contract`: the tests every store passes.

mod change;
#[cfg(test)]
mod contract;
mod error;
mod filter;
pub mod page;
mod retention;
pub mod sqlite;
mod usage;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::model::audit::{AuditDraft, AuditRecord};
use crate::model::id::{KeyId, OwnerId};
use crate::model::key::Key;
use crate::model::owner::Owner;
use crate::model::secret::KeyDigest;

pub use change::{Change, Committed, Document, DocumentKind, IdempotencyRecord, StoredKey, Tombstone};
pub use error::StoreError;
pub use filter::KeyFilter;
pub use page::{Page, PageRequest};
pub use retention::{AuditVerdict, PurgeBefore, Purged};
pub use usage::{CounterRow, KeyUsage, LastUse, UsageBatch, UsageCounts, UsageGroup, UsageKey, UsageQuery, UsageRow};

/// The record of what must not be lost. One implementation a database.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits all of `changes` in order, one audit record each, and the next revision; or nothing. The answer comes
    /// after all of it is durable.
    ///
    /// Every change is checked against what those before it left: a key that takes over another's name follows the
    /// change that made the name free. With `idempotency`, a record of the same key that is younger than
    /// [`IdempotencyRecord::KEPT`] is a [`StoreError::Conflict`].
    ///
    /// After [`StoreError::Timeout`] the change may or may not have been made, as with any answer that is lost.
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
    /// What is left of a deleted key.
    async fn tombstone(&self, id: KeyId) -> Result<Option<Tombstone>, StoreError>;
    /// A page of keys, newest first: in the order they were added, whatever they say they were made.
    async fn keys(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<Key>, StoreError>;
    /// How many keys are not deleted.
    async fn key_count(&self) -> Result<u64, StoreError>;
    /// Whether any key is not of our own shape, so that shape alone cannot refuse a credential.
    async fn has_foreign_keys(&self) -> Result<bool, StoreError>;
    /// Names of keys that resemble `text`, the nearest first, at most five, for "did you mean".
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
    ///
    /// A minute or a day belongs to the answer when its start does. With no bucket, whole days of the span are taken
    /// from days and its ends from minutes. Rows are ordered by bucket and group.
    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError>;

    /// Replaces the counters kept over a restart.
    async fn save_counters(&self, rows: Vec<CounterRow>) -> Result<(), StoreError>;
    /// The counters kept, without those expired at `now_us`.
    async fn load_counters(&self, now_us: u64) -> Result<Vec<CounterRow>, StoreError>;

    /// What an idempotency key was used for.
    async fn idempotency(&self, key: &str) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Deletes what is older than it may be. If anything was, `draft` is recorded with the counts as its changes (of
    /// much, in several records); if nothing was, nothing is recorded.
    ///
    /// Of the audit records only the oldest go, up to the first that must stay or is not older than `draft`, and the
    /// chain goes on from the last one deleted. Their client addresses stay whole, as the chain seals them.
    async fn purge(&self, before: PurgeBefore, draft: AuditDraft) -> Result<Purged, StoreError>;
    /// A small write and read, for health.
    async fn ping(&self) -> Result<(), StoreError>;
}
