//! The one way in which anything changes.
//!
//! [`Mutator::commit`] writes changes to the store and puts them in force in this process before it answers: dropped
//! keys are forgotten, changed roles, plans and conditions make a new snapshot. What could fail is done before the
//! commit, so that nothing can fail after it. Changes are made one after the other.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::build::{BuildError, Documents, build};
use super::key_cache::KeyCache;
use super::{Current, Snapshot};
use crate::config::Config;
use crate::model::audit::AuditDraft;
use crate::model::id::{Name, OwnerId};
use crate::model::secret::KeyDigest;
use crate::store::{Change, Committed, DocumentKind, IdempotencyRecord, Store, StoreError};

/// Commits changes and puts them in force. Cheap to clone.
#[derive(Clone)]
pub struct Mutator {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    current: Arc<Current>,
    cache: Arc<KeyCache>,
    documents: Mutex<Documents>,
}

/// What of this process must follow a change.
#[derive(Default)]
struct Effects {
    digests: Vec<KeyDigest>,
    owners: Vec<OwnerId>,
    foreign: bool,
    next: Option<(Documents, Snapshot)>,
}

impl Mutator {
    /// A mutator for what `documents` and the current configuration made.
    pub fn new(store: Arc<dyn Store>, current: Arc<Current>, cache: Arc<KeyCache>, documents: Documents) -> Self {
        Mutator { shared: Arc::new(Shared { store, current, cache, documents: Mutex::new(documents) }) }
    }

    /// Commits all of `changes` or none, and puts them in force before it answers. Once begun it runs to its end even
    /// if the caller goes away, as a change that is stored and not in force would be the worst of both.
    pub async fn commit(
        &self,
        changes: Vec<(Change, AuditDraft)>,
        idempotency: Option<(String, IdempotencyRecord)>,
    ) -> Result<Committed, StoreError> {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move { shared.commit(changes, idempotency).await });
        task.await.unwrap_or_else(|e| Err(StoreError::Engine(format!("the change was cut short: {e}"))))
    }

    /// Puts another configuration in force, whole or not at all; answers the new generation.
    pub async fn reconfigure(&self, config: Arc<Config>) -> Result<u64, BuildError> {
        let documents = self.shared.documents.lock().await;
        let next = build(config, &documents, self.shared.current.generation() + 1)?;
        let generation = next.generation;
        self.shared.current.swap(next);
        Ok(generation)
    }

    /// What is in force.
    pub fn current(&self) -> &Arc<Current> {
        &self.shared.current
    }
}

impl Shared {
    async fn commit(
        &self,
        changes: Vec<(Change, AuditDraft)>,
        idempotency: Option<(String, IdempotencyRecord)>,
    ) -> Result<Committed, StoreError> {
        let mut documents = self.documents.lock().await;
        let effects = self.prepare(&changes, &documents).await?;
        let result = self.store.commit(changes, idempotency).await;
        match &result {
            Ok(_) => self.put_in_force(effects, &mut documents),
            // Nobody knows whether the change was made: what memory holds may be old.
            Err(StoreError::Timeout(_) | StoreError::Engine(_)) => {
                self.cache.forget_all();
                self.read_again(effects, &mut documents).await;
            }
            Err(_) => {}
        }
        result
    }

    /// Everything about the effects that could fail.
    async fn prepare(&self, changes: &[(Change, AuditDraft)], documents: &Documents) -> Result<Effects, StoreError> {
        let mut effects = Effects::default();
        let mut next: Option<Documents> = None;
        for (change, _) in changes {
            match change {
                Change::InsertKey { stored, .. } => {
                    effects.digests.push(stored.digest);
                    effects.foreign |= !stored.key.has_own_shape();
                }
                Change::UpdateKey { key, .. } => effects.digests.extend(self.digest_of(key.id).await?),
                Change::DeleteKey { id, .. } => effects.digests.extend(self.digest_of(*id).await?),
                Change::InsertOwner(owner) => effects.owners.push(owner.id.clone()),
                Change::UpdateOwner { owner, .. } => effects.owners.push(owner.id.clone()),
                Change::DeleteOwner { id, .. } => effects.owners.push(id.clone()),
                Change::RecordOnly => {}
                Change::PutDocument { .. } | Change::DeleteDocument { .. } => {
                    self.still_used(change)?;
                    let next = next.get_or_insert_with(|| documents.clone());
                    next.apply(change).map_err(|e| StoreError::Bound(e.to_string()))?;
                }
            }
        }
        if let Some(next) = next {
            let current = self.current.load();
            let snapshot = build(Arc::clone(&current.config), &next, current.generation + 1);
            effects.next = Some((next, snapshot.map_err(|e| StoreError::Bound(e.to_string()))?));
        }
        Ok(effects)
    }

    async fn digest_of(&self, id: crate::model::id::KeyId) -> Result<Option<KeyDigest>, StoreError> {
        Ok(self.store.key(id).await?.map(|stored| stored.digest))
    }

    /// The store knows which keys name a document; which routes do, only the configuration knows.
    fn still_used(&self, change: &Change) -> Result<(), StoreError> {
        let Change::DeleteDocument { kind: DocumentKind::Condition, name, .. } = change else { return Ok(()) };
        let config = &self.current.load().config;
        let uses = |names: &[Name]| names.contains(name);
        match config.routes.iter().find(|r| uses(&r.conditions)) {
            Some(route) if !config.conditions.contains_key(name) => {
                Err(StoreError::InUse { kind: "condition", by: format!("route {}", route.name) })
            }
            _ => Ok(()),
        }
    }

    fn put_in_force(&self, effects: Effects, documents: &mut Documents) {
        if effects.foreign {
            self.cache.expect_foreign_keys();
        }
        if let Some((next, snapshot)) = effects.next {
            *documents = next;
            self.current.swap(snapshot);
        }
        if !effects.digests.is_empty() {
            self.cache.forget(&effects.digests);
        }
        for owner in &effects.owners {
            self.cache.forget_owner(owner);
        }
    }

    /// After a commit of unknown outcome: the documents as the store has them now, if it can be asked.
    async fn read_again(&self, effects: Effects, documents: &mut Documents) {
        if effects.foreign {
            self.cache.expect_foreign_keys();
        }
        if effects.next.is_none() {
            return;
        }
        let Ok(stored) = Documents::load(&*self.store).await else { return };
        let current = self.current.load();
        if let Ok(snapshot) = build(Arc::clone(&current.config), &stored, current.generation + 1) {
            *documents = stored;
            self.current.swap(snapshot);
        }
    }
}

#[cfg(test)]
mod tests;
