//! A key as the handling of its requests needs it. As one is kept in memory for every key in use, what many keys have
//! in common stands elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::{KeyId, Name, OwnerId};
use super::key::{Key, Validity};
use super::owner::Owner;

/// A key in use.
#[derive(Debug)]
pub struct KeyInUse {
    /// Public id.
    pub id: KeyId,
    /// Name.
    pub name: Name,
    /// When it opens anything.
    pub validity: Validity,
    /// Whose it is.
    pub owner_id: Option<OwnerId>,
    /// The record of its owner, shared by all its keys.
    pub owner: Option<Arc<Owner>>,
    /// What a counter of this key alone is known by.
    pub subject: u128,
    /// What a counter of its owner is known by.
    pub owner_subject: Option<u128>,
    /// The version of its record.
    pub version: u64,
    /// Free facts; most keys have none.
    meta: Option<Box<BTreeMap<String, String>>>,
}

impl KeyInUse {
    /// The key of this record. Counters of it, and of its owner, are known by `subjects`.
    pub fn new(key: &Key, owner: Option<Arc<Owner>>, (subject, owner_subject): (u128, Option<u128>)) -> Self {
        KeyInUse {
            id: key.id,
            name: key.name.clone(),
            validity: key.validity(),
            // That of the record is shared.
            owner_id: owner.as_ref().map(|o| o.id.clone()).or_else(|| key.owner.clone()),
            owner,
            subject,
            owner_subject,
            version: key.version,
            meta: (!key.meta.is_empty()).then(|| Box::new(key.meta.clone())),
        }
    }

    /// A free fact.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.meta.as_ref()?.get(name).map(String::as_str)
    }

    /// All free facts.
    pub fn all_meta(&self) -> BTreeMap<String, String> {
        self.meta.as_deref().cloned().unwrap_or_default()
    }

    /// Whom the key speaks for: its owner by the operator's own id, or else itself.
    pub fn speaks_for(&self) -> &str {
        let external = self.owner.as_ref().and_then(|owner| owner.external_id.as_deref());
        external.unwrap_or_else(|| self.id.public())
    }

    /// About how many bytes this takes.
    pub fn bytes(&self) -> usize {
        let meta = self.meta.iter().flat_map(|m| m.iter()).map(|(k, v)| k.len() + v.len() + 64).sum::<usize>();
        // A count of references stands before each of the two.
        size_of::<KeyInUse>() + self.name.as_str().len() + 32 + meta
    }
}
