//! The embedded store: two SQLite files in one directory, for one process.
//!
//! `argus.db` holds what must not be lost: keys, owners, documents, the audit chain. Its commits are synchronised to
//! the disk before they are answered. `usage.db` holds usage and counters. It is a file of its own so that its many
//! writes, which are synchronised only now and then, neither weaken that promise nor keep a change waiting: an engine
//! that allows one writer per file would make a revocation wait for a flush.
//!
//! What is where:
//! - `open`: directory, lock, files, connections; `migrate`: schemas.
//! - `lane`: threads with connections, bounded queues and deadlines. A request that looks up a key has lanes of its
//!   own and never waits behind a list.
//! - `commit`, `key_write`, `owners`, `documents`, `audit`: changes. `keys`, `cursor`: lists and lookups.
//! - `usage`, `counters`, `purge`: counts, and what goes when.
//! - `seed`: very many keys at once.

mod audit;
mod commit;
mod counters;
mod cursor;
mod documents;
mod fault;
mod key_write;
mod keys;
mod lane;
mod migrate;
mod moment;
mod open;
mod owners;
mod purge;
mod seed;
mod state;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use self::fault::Fault;
use self::lane::{Lane, LaneSettings};
use self::open::{Database, Durability, RECORD_FILE, USAGE_FILE};
use super::{
    AuditVerdict, Change, Committed, CounterRow, Document, DocumentKind, IdempotencyRecord, KeyFilter, KeyUsage, Page,
    PageRequest, PurgeBefore, Purged, Store, StoreError, StoredKey, Tombstone, UsageBatch, UsageQuery, UsageRow,
};
use crate::model::audit::{AuditDraft, AuditRecord};
use crate::model::id::{KeyId, OwnerId};
use crate::model::key::Key;
use crate::model::owner::Owner;
use crate::model::secret::KeyDigest;

/// Requests that may wait for their key, of some hundred bytes each. A lookup takes some tens of microseconds, so that
/// the last of them waits some tens of milliseconds.
const LOOKUP_QUEUE_MAX: usize = 1_024;
/// Threads that look up keys.
const LOOKUP_THREADS: usize = 2;
/// Lists and other questions of administrators that may wait.
const READ_QUEUE_MAX: usize = 128;
/// Threads for them.
const READ_THREADS: usize = 2;
/// Changes that may wait: at some milliseconds each, a second of them.
const CHANGE_QUEUE_MAX: usize = 256;
/// Batches of usage and saved counters that may wait. They come every few seconds.
const USAGE_QUEUE_MAX: usize = 16;

/// Deadlines and bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Of a lookup on the request path.
    pub lookup_timeout: Duration,
    /// Of a question an administrator asks.
    pub read_timeout: Duration,
    /// Of a change.
    pub change_timeout: Duration,
    /// Of what may take long: usage, counters, the walk over the audit chain, a million keys at once.
    pub long_timeout: Duration,
    /// Rows of a kind that are deleted by age in one transaction, so that nobody waits long behind it.
    pub purge_rows: u32,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        SqliteOptions {
            lookup_timeout: Duration::from_millis(500),
            read_timeout: Duration::from_secs(10),
            change_timeout: Duration::from_secs(10),
            long_timeout: Duration::from_secs(600),
            purge_rows: 20_000,
        }
    }
}

/// The embedded store. Dropping it waits for the work at hand, and closes its files.
pub struct SqliteStore {
    lookups: Lane,
    reads: Lane,
    changes: Lane,
    usage: Lane,
    /// One long read at a time, so that a thread is always left for short ones.
    long_reads: Semaphore,
    options: SqliteOptions,
    dir: PathBuf,
    /// Released last, when no connection is left.
    _lock: File,
}

impl SqliteStore {
    /// Opens the store in `dir`, and makes it if there is none. Blocks; takes milliseconds, however many keys there
    /// are.
    pub fn open(dir: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let lock = open::lock_directory(dir)?;
        let (record_path, usage_path) = (dir.join(RECORD_FILE), dir.join(USAGE_FILE));
        let record = Database::prepare(record_path.clone(), Durability::Full, Some(&usage_path))?;
        let changes = record.writer(migrate::RECORD)?;
        let usage = Database::prepare(usage_path.clone(), Durability::Relaxed, None)?.writer(migrate::USAGE)?;
        let readers = |count| (0..count).map(|_| record.reader(&usage_path)).collect::<Result<Vec<_>, _>>();
        let lane = |name, path: &Path, queue_max, deadline, connections| {
            Lane::start(LaneSettings { name, path: path.to_owned(), queue_max, deadline }, connections)
        };
        Ok(SqliteStore {
            lookups: lane(
                "store-lookup",
                &record_path,
                LOOKUP_QUEUE_MAX,
                options.lookup_timeout,
                readers(LOOKUP_THREADS)?,
            )?,
            reads: lane("store-read", &record_path, READ_QUEUE_MAX, options.read_timeout, readers(READ_THREADS)?)?,
            changes: lane("store-change", &record_path, CHANGE_QUEUE_MAX, options.change_timeout, vec![changes])?,
            usage: lane("store-usage", &usage_path, USAGE_QUEUE_MAX, options.long_timeout, vec![usage])?,
            long_reads: Semaphore::new(1),
            options,
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds very many keys in one transaction with a single audit record, some four times as fast as [`Store::commit`]
    /// would. Neither owners nor tombstones are looked at. For tests, benchmarks and moving a whole store; answers how many were added.
    pub async fn seed_keys<I>(&self, keys: I, draft: AuditDraft) -> Result<u64, StoreError>
    where
        I: IntoIterator<Item = StoredKey> + Send + 'static,
    {
        self.changes.run_within(self.options.long_timeout, move |c| seed::keys(c, keys, draft)).await
    }

    /// Runs a read that may take long, when no other does.
    async fn read_long<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    {
        let deadline = self.options.long_timeout;
        let turn = tokio::time::timeout(deadline, self.long_reads.acquire()).await;
        let _turn = turn.map_err(|_| StoreError::Timeout(deadline))?.map_err(|e| StoreError::Engine(e.to_string()))?;
        self.reads.run_within(deadline, work).await
    }

    /// Deletes usage that is too old, some rows at a time.
    async fn purge_usage(&self, before: PurgeBefore) -> Result<Purged, StoreError> {
        let rows_max = self.options.purge_rows;
        let mut total = Purged::default();
        loop {
            let (purged, more) = self.usage.run(move |c| purge::usage(c, before, rows_max)).await?;
            total.usage += purged.usage;
            total.addresses += purged.addresses;
            if !more {
                break;
            }
        }
        if total.usage > 0 {
            let mut after = Some(0);
            while let Some(at) = after {
                after = self.usage.run(move |c| purge::series(c, at, rows_max)).await?;
            }
        }
        Ok(total)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(
        &self,
        changes: Vec<(Change, AuditDraft)>,
        idempotency: Option<(String, IdempotencyRecord)>,
    ) -> Result<Committed, StoreError> {
        self.changes.run(move |c| commit::commit(c, changes, idempotency)).await
    }

    async fn revision(&self) -> Result<u64, StoreError> {
        self.reads.run(|c| state::read(c, state::REVISION)).await
    }

    async fn key_by_digest(&self, digest: &KeyDigest) -> Result<Option<StoredKey>, StoreError> {
        let digest = *digest;
        self.lookups.run(move |c| keys::by_digest(c, &digest)).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        self.reads.run(move |c| keys::by_id(c, id)).await
    }

    async fn find_key(&self, text: &str) -> Result<Option<StoredKey>, StoreError> {
        let text = text.to_owned();
        self.reads.run(move |c| keys::find(c, &text)).await
    }

    async fn tombstone(&self, id: KeyId) -> Result<Option<Tombstone>, StoreError> {
        self.reads.run(move |c| keys::tombstone(c, id)).await
    }

    async fn keys(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<Key>, StoreError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.reads.run(move |c| keys::page(c, &filter, &page)).await
    }

    async fn key_count(&self) -> Result<u64, StoreError> {
        self.reads.run(|c| keys::count(c)).await
    }

    async fn has_foreign_keys(&self) -> Result<bool, StoreError> {
        // Asked at the start and when keys are changed, not by requests: a slow disk may take its time.
        self.reads.run(|c| keys::any_foreign(c)).await
    }

    async fn similar_key_names(&self, text: &str) -> Result<Vec<String>, StoreError> {
        let text = text.to_owned();
        self.reads.run(move |c| keys::similar_names(c, &text)).await
    }

    async fn owner(&self, id: &OwnerId) -> Result<Option<Owner>, StoreError> {
        let id = id.clone();
        self.lookups.run(move |c| owners::by_id(c, &id)).await
    }

    async fn find_owner(&self, text: &str) -> Result<Option<Owner>, StoreError> {
        let text = text.to_owned();
        self.reads.run(move |c| owners::find(c, &text)).await
    }

    async fn owners(&self, text: Option<&str>, page: &PageRequest) -> Result<Page<Owner>, StoreError> {
        let (text, page) = (text.map(str::to_owned), page.clone());
        self.reads.run(move |c| owners::page(c, text.as_deref(), &page)).await
    }

    async fn documents(&self, kind: DocumentKind) -> Result<Vec<Document>, StoreError> {
        self.reads.run(move |c| documents::all(c, kind)).await
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        let name = name.to_owned();
        self.reads.run(move |c| documents::one(c, kind, &name)).await
    }

    async fn audit(&self, target: Option<&str>, page: &PageRequest) -> Result<Page<AuditRecord>, StoreError> {
        let (target, page) = (target.map(str::to_owned), page.clone());
        self.reads.run(move |c| audit::page(c, target.as_deref(), &page)).await
    }

    async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        self.read_long(audit::verify).await
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        self.usage.run(move |c| usage::add(c, &batch)).await
    }

    async fn key_usage(&self, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUsage>, StoreError> {
        let keys = keys.to_vec();
        self.reads.run(move |c| usage::of_keys(c, &keys)).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
        let query = query.clone();
        self.reads.run(move |c| usage::answer(c, &query)).await
    }

    async fn save_counters(&self, rows: Vec<CounterRow>) -> Result<(), StoreError> {
        self.usage.run(move |c| counters::save(c, &rows)).await
    }

    async fn load_counters(&self, now_us: u64) -> Result<Vec<CounterRow>, StoreError> {
        self.read_long(move |c| counters::load(c, now_us)).await
    }

    async fn idempotency(&self, key: &str) -> Result<Option<IdempotencyRecord>, StoreError> {
        let key = key.to_owned();
        self.reads.run(move |c| commit::remembered(c, &key)).await
    }

    async fn purge(&self, before: PurgeBefore, draft: AuditDraft) -> Result<Purged, StoreError> {
        let mut total = self.purge_usage(before).await?;
        let mut before_this = total;
        let rows_max = self.options.purge_rows;
        loop {
            let draft = draft.clone();
            let round = self.changes.run(move |c| purge::record(c, before, before_this, draft, rows_max)).await?;
            before_this = Purged::default();
            total.audit += round.purged.audit;
            total.tombstones += round.purged.tombstones;
            total.idempotency += round.purged.idempotency;
            let more = round.more;
            self.usage.run(move |c| purge::totals(c, &round.forgotten)).await?;
            if !more {
                return Ok(total);
            }
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.changes.run(state::ping).await
    }
}
