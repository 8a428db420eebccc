//! A key as the handling of its requests needs it. As one is kept in memory for every key in use, what many keys have
//! in common stands elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
#[derive(Debug)]
pub struct OwnerInUse {
    /// Its id.
    pub id: OwnerId,
    /// What a counter of it is known by.
    pub subject: u128,
    /// Its record, if it is still there.
    pub record: Option<Owner>,
    /// The memory it takes.
    pub charge: Charge,
}

/// Bytes of memory that are on an account for as long as this lives.
#[derive(Debug, Default)]
pub struct Charge {
    account: Arc<AtomicU64>,
    bytes: AtomicU64,
}

impl Charge {
    /// Nothing yet, on `account`.
    pub fn on(account: &Arc<AtomicU64>) -> Self {
        Charge { account: Arc::clone(account), bytes: AtomicU64::new(0) }
    }

    /// From now on it is `bytes`.
    pub fn set(&self, bytes: usize) {
        let bytes = bytes as u64;
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        // Wraps around where it is less than before.
        self.account.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
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
    fn charges_follow_what_is_charged() {
        let account = Arc::<AtomicU64>::default();
        let (one, two) = (Charge::on(&account), Charge::on(&account));
        one.set(100);
        two.set(30);
        one.set(70);
        assert_eq!(account.load(Ordering::Relaxed), 100);
        drop(one);
        assert_eq!(account.load(Ordering::Relaxed), 30);
    }

    #[test]
    fn a_key_in_use_is_small() {
        assert!(size_of::<KeyInUse>() <= 160, "{} bytes, for every key in memory", size_of::<KeyInUse>());
    }
}
