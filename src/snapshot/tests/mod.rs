//! What the tests of this module and of admission share: a store in memory that can be stopped, broken and counted,
//! and short ways to configurations, keys and snapshots.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::build::{Documents, build};
use super::{Current, Snapshot};
use crate::config::{Config, Source, load};
use crate::model::audit::{Actor, AuditDraft, AuditRecord, Target};
use crate::model::id::{KeyId, OwnerId};
use crate::model::key::{Key, KeyType};
use crate::model::key_format;
use crate::model::owner::{Owner, OwnerKind};
use crate::model::secret::{KeyDigest, PresentedKey};
use crate::store::*;

/// 2026-09-21, a Monday, 13:33:20 UTC.
pub const NOW: &str = "2026-09-21T13:33:20Z";

/// A configuration, of which nothing may be wrong.
pub fn config(toml: &str) -> Config {
    let listen = if toml.contains("[listeners") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    let text = format!("{listen}{toml}");
    let loaded = load(&Source::Text { name: "gateway.toml".into(), text }, &|_| None);
    match loaded.config {
        Some(config) => config,
        None => panic!("{:#?}", loaded.problems),
    }
}

/// A snapshot of `toml` and no documents.
pub fn snapshot(toml: &str) -> Snapshot {
    build(Arc::new(config(toml)), &Documents::default(), 1).unwrap()
}

pub fn current(toml: &str) -> Arc<Current> {
    Arc::new(Current::new(snapshot(toml)))
}

/// A valid key without any rights, called `name`.
pub fn key(name: &str) -> Key {
    key_of("live", name)
}

fn key_of(environment: &str, name: &str) -> Key {
    let id = key_format::new_public_id();
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Key {
        id,
        uuid: uuid::Uuid::from_u128(1),
        prefix: format!("argus_{environment}_{}", id.public()),
        name: name.parse().unwrap(),
        description: String::new(),
        environment: environment.to_owned(),
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
        meta: BTreeMap::new(),
        tags: Vec::new(),
        created_at: at,
        created_by: "test".to_owned(),
        updated_at: at,
        version: 1,
    }
}

pub fn owner(id: &str) -> Owner {
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Owner {
        id: id.parse().unwrap(),
        kind: OwnerKind::Service,
        external_id: None,
        name: id.to_owned(),
        contacts: Vec::new(),
        meta: BTreeMap::new(),
        limits: Vec::new(),
        created_at: at,
        updated_at: at,
        version: 1,
    }
}

/// The whole text of a fresh key with the id of `key`.
pub fn secret_of(key: &Key) -> PresentedKey {
    key_format::generate("argus", &key.environment, key.id)
}

pub fn draft() -> AuditDraft {
    let words = || "test".to_owned();
    AuditDraft {
        time: NOW.parse().unwrap(),
        actor: Actor { r#type: words(), id: words(), name: words(), via: words() },
        action: words(),
        target: Target { r#type: words(), id: words(), name: words() },
        outcome: words(),
        reason: None,
        source_ip: None,
        user_agent: None,
        request_id: None,
        changes: Vec::new(),
    }
}

/// A store in memory.
#[derive(Default)]
pub struct FakeStore {
    pub keys: Mutex<HashMap<KeyDigest, Key>>,
    pub owners: Mutex<HashMap<OwnerId, Owner>>,
    pub documents: Mutex<Vec<Document>>,
    pub foreign: AtomicBool,
    /// Every call fails.
    pub broken: AtomicBool,
    /// Commits are made, and answered with a failure all the same.
    pub forgetful: AtomicBool,
    /// Lookups by digest that were begun.
    pub lookups: AtomicU64,
    /// When there, lookups by digest read the record and then wait for a permit before they answer.
    pub gate: Mutex<Option<Arc<Semaphore>>>,
    revision: AtomicU64,
}

impl FakeStore {
    /// Puts `key` in and answers with its secret.
    pub fn put(&self, key: &Key) -> PresentedKey {
        let secret = secret_of(key);
        self.keys.lock().insert(secret.digest(None), key.clone());
        secret
    }

    /// From now on lookups wait.
    pub fn close_gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock() = Some(Arc::clone(&gate));
        gate
    }

    pub fn open_gate(&self) {
        if let Some(gate) = self.gate.lock().take() {
            gate.add_permits(1_000);
        }
    }

    pub fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(StoreError::Engine("broken".into())),
            false => Ok(()),
        }
    }

    fn apply(&self, change: Change) {
        let mut keys = self.keys.lock();
        match change {
            Change::InsertKey { stored, .. } => drop(keys.insert(stored.digest, stored.key)),
            Change::UpdateKey { key, .. } => {
                keys.values_mut().filter(|k| k.id == key.id).for_each(|k| *k = (*key).clone());
            }
            Change::DeleteKey { id, .. } => keys.retain(|_, k| k.id != id),
            Change::InsertOwner(owner) | Change::UpdateOwner { owner, .. } => {
                self.owners.lock().insert(owner.id.clone(), *owner);
            }
            Change::DeleteOwner { id, .. } => drop(self.owners.lock().remove(&id)),
            Change::PutDocument { document, .. } => {
                let mut documents = self.documents.lock();
                documents.retain(|d| (d.kind, &d.name) != (document.kind, &document.name));
                documents.push(document);
            }
            Change::DeleteDocument { kind, name, .. } => {
                self.documents.lock().retain(|d| (d.kind, &d.name) != (kind, &name));
            }
            Change::RecordOnly => {}
        }
    }
}

fn unused<T>() -> Result<T, StoreError> {
    Err(StoreError::Engine("not kept here".into()))
}

#[async_trait]
impl Store for FakeStore {
    async fn commit(
        &self,
        changes: Vec<(Change, AuditDraft)>,
        _: Option<(String, IdempotencyRecord)>,
    ) -> Result<Committed, StoreError> {
        self.check()?;
        changes.into_iter().for_each(|(change, _)| self.apply(change));
        let revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        if self.forgetful.load(Ordering::SeqCst) {
            return Err(StoreError::Timeout(std::time::Duration::from_secs(1)));
        }
        Ok(Committed { revision, audit_seq: revision })
    }
    async fn revision(&self) -> Result<u64, StoreError> {
        Ok(self.revision.load(Ordering::SeqCst))
    }
    async fn key_by_digest(&self, digest: &KeyDigest) -> Result<Option<StoredKey>, StoreError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let found = self.keys.lock().get(digest).cloned();
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        self.check()?;
        Ok(found.map(|key| StoredKey { key, digest: *digest }))
    }
    async fn key(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        self.check()?;
        let keys = self.keys.lock();
        Ok(keys.iter().find(|(_, k)| k.id == id).map(|(digest, key)| StoredKey { key: key.clone(), digest: *digest }))
    }
    async fn find_key(&self, _: &str) -> Result<Option<StoredKey>, StoreError> {
        unused()
    }
    async fn tombstone(&self, _: KeyId) -> Result<Option<Tombstone>, StoreError> {
        unused()
    }
    async fn keys(&self, _: &KeyFilter, _: &PageRequest) -> Result<Page<Key>, StoreError> {
        unused()
    }
    async fn key_count(&self) -> Result<u64, StoreError> {
        unused()
    }
    async fn has_foreign_keys(&self) -> Result<bool, StoreError> {
        Ok(self.foreign.load(Ordering::SeqCst))
    }
    async fn similar_key_names(&self, _: &str) -> Result<Vec<String>, StoreError> {
        unused()
    }
    async fn owner(&self, id: &OwnerId) -> Result<Option<Owner>, StoreError> {
        self.check()?;
        Ok(self.owners.lock().get(id).cloned())
    }
    async fn find_owner(&self, _: &str) -> Result<Option<Owner>, StoreError> {
        unused()
    }
    async fn owners(&self, _: Option<&str>, _: &PageRequest) -> Result<Page<Owner>, StoreError> {
        unused()
    }
    async fn documents(&self, kind: DocumentKind) -> Result<Vec<Document>, StoreError> {
        self.check()?;
        Ok(self.documents.lock().iter().filter(|d| d.kind == kind).cloned().collect())
    }
    async fn document(&self, _: DocumentKind, _: &str) -> Result<Option<Document>, StoreError> {
        unused()
    }
    async fn audit(&self, _: Option<&str>, _: &PageRequest) -> Result<Page<AuditRecord>, StoreError> {
        unused()
    }
    async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        unused()
    }
    async fn add_usage(&self, _: UsageBatch) -> Result<(), StoreError> {
        unused()
    }
    async fn key_usage(&self, _: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUsage>, StoreError> {
        unused()
    }
    async fn usage(&self, _: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
        unused()
    }
    async fn save_counters(&self, _: Vec<CounterRow>) -> Result<(), StoreError> {
        unused()
    }
    async fn load_counters(&self, _: u64) -> Result<Vec<CounterRow>, StoreError> {
        unused()
    }
    async fn idempotency(&self, _: &str) -> Result<Option<IdempotencyRecord>, StoreError> {
        unused()
    }
    async fn purge(&self, _: PurgeBefore, _: AuditDraft) -> Result<Purged, StoreError> {
        unused()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.check()
    }
}
