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
    /// Whose it is; shared by all its keys.
    pub owner: Option<Arc<OwnerInUse>>,
    /// What a counter of this key alone is known by.
    pub subject: u128,
    /// The version of its record.
    pub version: u64,
    /// Free facts. Most keys have none, and then none takes room.
    meta: Option<Arc<BTreeMap<String, String>>>,
}

/// An owner of keys in use.
#[derive(Debug, PartialEq)]
pub struct OwnerInUse {
    /// Its id.
    pub id: OwnerId,
    /// What a counter of it is known by.
    pub subject: u128,
    /// Its record, if it is still there.
    pub record: Option<Owner>,
}

impl KeyInUse {
    /// The key of this record. Counters of it are known by `subject`.
    pub fn new(key: &Key, owner: Option<Arc<OwnerInUse>>, subject: u128) -> Self {
        KeyInUse {
            id: key.id,
            name: key.name.clone(),
            validity: key.validity(),
            owner,
            subject,
            version: key.version,
            meta: (!key.meta.is_empty()).then(|| Arc::new(key.meta.clone())),
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

    /// Whose it is.
    pub fn owner_id(&self) -> Option<&OwnerId> {
        self.owner.as_ref().map(|owner| &owner.id)
    }

    /// The record of its owner.
    pub fn owner_record(&self) -> Option<&Owner> {
        self.owner.as_ref()?.record.as_ref()
    }

    /// What a counter of its owner is known by.
    pub fn owner_subject(&self) -> Option<u128> {
        self.owner.as_ref().map(|owner| owner.subject)
    }

    /// Whom the key speaks for: its owner by the operator's own id, or else itself.
    pub fn speaks_for(&self) -> &str {
        let external = self.owner_record().and_then(|owner| owner.external_id.as_deref());
        external.unwrap_or_else(|| self.id.public())
    }

    /// About how many bytes this takes.
    pub fn bytes(&self) -> usize {
        let meta = self.meta.iter().flat_map(|meta| meta.iter()).map(|(k, v)| k.len() + v.len() + 64).sum::<usize>();
        // A count of references stands before each of the two.
        size_of::<KeyInUse>() + self.name.as_str().len() + 32 + meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_use_is_small() {
        assert!(size_of::<KeyInUse>() <= 160, "{} bytes, for every key in memory", size_of::<KeyInUse>());
    }
}
