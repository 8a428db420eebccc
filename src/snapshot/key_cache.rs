//! Keys in memory, by digest, so that a known key costs no query.
//!
//! An entry is the key and the text of what it may do, which is shared by all keys that may do the same; a new snapshot
//! compiles the text again without asking the store. That a digest is unknown is remembered too, for a few seconds, so that a client
//! with a wrong key does not query the store with every call. What is remembered is bounded in bytes.
//!
//! **Changes act at once.** A change is committed first; then [`KeyCache::forget`] is called, and when it returns no
//! request that begins later sees the old record. A lookup that asked the store before the change and answers after
//! it must not leave the old record behind: it notes the number of changes before it asks and puts its answer in only
//! if that number still stands, under the same lock that `forget` takes to raise it. Hits take no part in this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ahash::RandomState;
use parking_lot::Mutex;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::grant::{GrantText, Shared};
use super::{Access, Snapshot, access};
use crate::model::id::{KeyId, OwnerId};
use crate::model::key::Key;
use crate::model::key_in_use::KeyInUse;
use crate::model::owner::Owner;
use crate::model::secret::KeyDigest;
use crate::store::{Store, StoreError, StoredKey};

/// How long an unknown digest is remembered, in microseconds, give or take a fifth.
const UNKNOWN_FOR_US: u64 = 5_000_000;
/// Bytes an entry takes besides its content: the cache's own slot, its hash table and its history of what it dropped.
const SLOT_BYTES: u64 = 160;
/// Bytes of a typical entry, for the size of the tables to begin with.
const TYPICAL_BYTES: u64 = 384;
/// The memory left to entries is changed in steps of this part of all memory: a change looks at every shard.
const ROOM_STEPS: u64 = 64;
/// How often a lookup asks the store again because something changed meanwhile, before it answers without keeping.
const ATTEMPTS_MAX: usize = 4;

/// Why a key cannot be told from an unknown one.
#[derive(Debug, thiserror::Error)]
pub enum KeyLookupError {
    /// The store, or another lookup of the same key, took too long.
    #[error("the key store did not answer within {0:?}")]
    Timeout(Duration),
    /// The store failed.
    #[error("the key store failed")]
    Store(#[source] StoreError),
}

/// What is known of a digest.
#[derive(Debug, Clone)]
pub enum KeyFound {
    /// A key.
    Known(Access),
    /// No key.
    Unknown,
}

#[derive(Debug, Clone)]
enum Entry {
    Known(Arc<KeyInUse>, Arc<GrantText>),
    Unknown { until_us: u64 },
}

impl Entry {
    fn found(&self, snapshot: &Snapshot) -> KeyFound {
        match self {
            Entry::Known(key, text) => KeyFound::Known(Access { key: Arc::clone(key), grant: text.under(snapshot) }),
            Entry::Unknown { .. } => KeyFound::Unknown,
        }
    }
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<KeyDigest, Entry> for Weight {
    fn weight(&self, _: &KeyDigest, entry: &Entry) -> u64 {
        match entry {
            // What it shares with others is on an account of its own.
            Entry::Known(key, _) => SLOT_BYTES.saturating_add(key.bytes() as u64),
            Entry::Unknown { .. } => SLOT_BYTES,
        }
    }
}

/// Keys in memory, and the way to those that are not.
pub struct KeyCache {
    entries: Cache<KeyDigest, Entry, Weight, RandomState>,
    shared: Shared,
    bytes_max: u64,
    /// The part of `bytes_max` that is left to the entries.
    room: AtomicU64,
    store: Arc<dyn Store>,
    deadline: Duration,
    /// How many times something was forgotten; raised and compared under the lock.
    changes: Mutex<u64>,
    foreign: AtomicBool,
    asked: AtomicU64,
    failing: AtomicBool,
}

impl std::fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCache").field("len", &self.entries.len()).field("bytes", &self.entries.weight()).finish()
    }
}

impl KeyCache {
    /// A cache of at most `bytes_max` bytes before `store`. A lookup takes no longer than `deadline`, waiting for
    /// others that look up the same key included. Asks the store whether it has keys of foreign shape.
    pub async fn new(store: Arc<dyn Store>, bytes_max: u64, deadline: Duration) -> Result<Self, StoreError> {
        let foreign = store.has_foreign_keys().await?;
        let typical = usize::try_from(bytes_max / TYPICAL_BYTES).unwrap_or(usize::MAX).max(64);
        let options = OptionsBuilder::new().estimated_items_capacity(typical).weight_capacity(bytes_max).build();
        let entries = match options {
            Ok(options) => Cache::with_options(options, Weight, RandomState::new(), DefaultLifecycle::default()),
            Err(_) => Cache::with(typical, bytes_max, Weight, RandomState::new(), DefaultLifecycle::default()),
        };
        Ok(KeyCache {
            entries,
            shared: Shared::default(),
            bytes_max,
            room: AtomicU64::new(bytes_max),
            store,
            deadline,
            changes: Mutex::new(0),
            foreign: AtomicBool::new(foreign),
            asked: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        })
    }

    /// What memory knows of `digest`; `None` if the store must be asked.
    pub fn hit(&self, digest: &KeyDigest, snapshot: &Snapshot, now_us: u64) -> Option<KeyFound> {
        match self.entries.get(digest)? {
            Entry::Known(key, text) => Some(KeyFound::Known(Access { key, grant: text.under(snapshot) })),
            Entry::Unknown { until_us } => (now_us < until_us).then_some(KeyFound::Unknown),
        }
    }

    /// What memory or else the store knows of `digest`. May be dropped half-way: another lookup that waits for this
    /// one then asks the store itself.
    pub async fn find(&self, digest: &KeyDigest, snapshot: &Snapshot, now_us: u64) -> Result<KeyFound, KeyLookupError> {
        let lookup = self.find_unbounded(digest, snapshot, now_us);
        let found = match tokio::time::timeout(self.deadline, lookup).await {
            Ok(found) => found,
            Err(_) => Err(KeyLookupError::Timeout(self.deadline)),
        };
        self.tell(found.as_ref().err());
        found
    }

    /// Logs when the store stops answering and when it answers again, not every call between: those are a client's to
    /// make as often as it likes.
    fn tell(&self, error: Option<&KeyLookupError>) {
        let failed_before = self.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !failed_before => {
                let cause = std::error::Error::source(error).map(tracing::field::display);
                tracing::warn!(%error, cause, "keys that are not in memory cannot be looked up");
            }
            None if failed_before => tracing::info!("keys can be looked up again"),
            Some(_) | None => {}
        }
    }

    /// Whether the last lookup that had to ask the store failed.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    async fn find_unbounded(
        &self,
        digest: &KeyDigest,
        snapshot: &Snapshot,
        now_us: u64,
    ) -> Result<KeyFound, KeyLookupError> {
        // An entry that has outlived its time must not be taken for an answer below.
        self.entries.remove_if(digest, |entry| matches!(entry, Entry::Unknown { until_us } if *until_us <= now_us));
        let guard = match self.entries.get_value_or_guard_async(digest).await {
            Ok(entry) => return Ok(entry.found(snapshot)),
            Err(guard) => guard,
        };
        let mut attempt = 0;
        loop {
            let before = *self.changes.lock();
            let entry = self.ask(digest, now_us).await?;
            attempt += 1;
            let changes = self.changes.lock();
            if *changes == before {
                // Too large for the cache, or forgotten while it was looked up: the answer is good all the same.
                let _ = guard.insert(entry.clone());
                drop(changes);
                let found = entry.found(snapshot);
                self.make_room();
                return Ok(found);
            }
            drop(changes);
            if attempt == ATTEMPTS_MAX {
                return Ok(entry.found(snapshot));
            }
        }
    }

    async fn ask(&self, digest: &KeyDigest, now_us: u64) -> Result<Entry, KeyLookupError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let stored = self.store.key_by_digest(digest).await.map_err(KeyLookupError::Store)?;
        // The index that found the record need not take the same time for every digest; this comparison does.
        match stored.filter(|stored| stored.digest.matches(digest)) {
            Some(StoredKey { key, .. }) => {
                let owner = self.owner_of(&key).await?;
                let text = self.shared.text(&key, owner.as_ref());
                let owner = key.owner.as_ref().map(|id| self.shared.owner(id, owner));
                Ok(Entry::Known(Arc::new(access::in_use(&key, owner)), text))
            }
            None => {
                let jitter = rand::random_range(0..UNKNOWN_FOR_US * 2 / 5);
                Ok(Entry::Unknown { until_us: now_us.saturating_add(UNKNOWN_FOR_US * 4 / 5 + jitter) })
            }
        }
    }

    /// Leaves to the entries what the texts and owners that they share do not take.
    fn make_room(&self) {
        let room = self.bytes_max.saturating_sub(self.shared.bytes());
        let before = self.room.load(Ordering::Relaxed);
        if room.abs_diff(before) > self.bytes_max / ROOM_STEPS
            && self.room.compare_exchange(before, room, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.entries.set_capacity(room);
        }
    }

    async fn owner_of(&self, key: &Key) -> Result<Option<Owner>, KeyLookupError> {
        match &key.owner {
            Some(id) => self.store.owner(id).await.map_err(KeyLookupError::Store),
            None => Ok(None),
        }
    }

    /// A key by its id, from the store and not kept: for administrators, who name keys without having them.
    pub async fn by_id(&self, id: KeyId, snapshot: &Snapshot) -> Result<KeyFound, KeyLookupError> {
        let lookup = async {
            match self.store.key(id).await.map_err(KeyLookupError::Store)? {
                Some(StoredKey { key, .. }) => {
                    let owner = self.owner_of(&key).await?;
                    Ok(KeyFound::Known(Access::of(&key, owner.map(Arc::new).as_ref(), snapshot)))
                }
                None => Ok(KeyFound::Unknown),
            }
        };
        match tokio::time::timeout(self.deadline, lookup).await {
            Ok(found) => found,
            Err(_) => Err(KeyLookupError::Timeout(self.deadline)),
        }
    }

    /// Whether a credential that is not of our own shape could be a key.
    pub fn has_foreign_keys(&self) -> bool {
        self.foreign.load(Ordering::Acquire)
    }

    /// From now on credentials of foreign shape are looked up.
    pub fn expect_foreign_keys(&self) {
        self.foreign.store(true, Ordering::Release);
    }

    /// Forgets what is known of these digests. When this returns, no lookup that begins later sees an old record.
    pub fn forget(&self, digests: &[KeyDigest]) {
        self.raise();
        for digest in digests {
            self.entries.remove(digest);
        }
    }

    /// Forgets every key of this owner.
    pub fn forget_owner(&self, owner: &OwnerId) {
        self.raise();
        self.entries.retain(|_, entry| match entry {
            Entry::Known(key, ..) => key.owner_id() != Some(owner),
            Entry::Unknown { .. } => true,
        });
    }

    /// Forgets this key.
    pub fn forget_key(&self, id: KeyId) {
        self.raise();
        self.entries.retain(|_, entry| match entry {
            Entry::Known(key, ..) => key.id != id,
            Entry::Unknown { .. } => true,
        });
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.raise();
        self.entries.clear();
    }

    fn raise(&self) {
        *self.changes.lock() += 1;
    }

    /// Entries in memory, those that say "no key" included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in memory.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how many bytes the entries take, with what they share.
    pub fn bytes(&self) -> u64 {
        self.entries.weight().saturating_add(self.shared.bytes())
    }

    /// How often the store was asked for a digest.
    pub fn store_lookups(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
