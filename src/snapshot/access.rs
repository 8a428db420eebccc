//! A caller as the hot path wants it: the key, and what it may do under one snapshot.

use std::sync::Arc;

use super::grant::{Grant, GrantText};
use super::identity::{self, IdentityNames};
use super::{Snapshot, subject};
use crate::model::fields::Fields;
use crate::model::key::Key;
use crate::model::key_in_use::KeyInUse;
use crate::model::owner::Owner;

/// A key under one snapshot.
#[derive(Debug, Clone)]
pub struct Access {
    /// The key.
    pub key: Arc<KeyInUse>,
    /// What it may do.
    pub grant: Arc<Grant>,
}

impl Access {
    /// The access of a key that is not kept in memory.
    pub fn of(key: &Key, owner: Option<&Arc<Owner>>, snapshot: &Snapshot) -> Self {
        let grant = GrantText::of(key, owner.map(|o| &**o)).under(snapshot);
        Access { key: Arc::new(in_use(key, owner.cloned())), grant }
    }

    /// Tells the upstream who calls.
    pub fn identify(&self, names: &IdentityNames, fields: &mut Fields) {
        identity::of_key(names, &self.key, fields);
        fields.extend(&self.grant.identity);
    }
}

/// The key of this record, with what its counters are known by.
pub(super) fn in_use(key: &Key, owner: Option<Arc<Owner>>) -> KeyInUse {
    let of_key = subject::hash(&[b"key", key.id.public().as_bytes()]);
    let of_owner = key.owner.as_ref().map(|o| subject::hash(&[b"owner", o.as_str().as_bytes()]));
    KeyInUse::new(key, owner, (of_key, of_owner))
}
