//! A caller as the hot path wants it: the key, and what it may do under one snapshot.

use std::sync::Arc;

use super::grant::{Grant, GrantText};
use super::identity::{self, IdentityNames};
use super::{Snapshot, subject};
use crate::model::fields::Fields;
use crate::model::id::OwnerId;
use crate::model::key::Key;
use crate::model::key_in_use::{Charge, KeyInUse, OwnerInUse};
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
        let grant = GrantText::of(key, owner.map(|o| &**o), Charge::default()).under(snapshot);
        let of =
            key.owner.as_ref().map(|id| Arc::new(owner_in_use(id, owner.map(|o| (**o).clone()), Charge::default())));
        Access { key: Arc::new(in_use(key, of)), grant }
    }

    /// Tells the upstream who calls.
    pub fn identify(&self, names: &IdentityNames, fields: &mut Fields) {
        identity::of_key(names, &self.key, fields);
        fields.extend(&self.grant.identity);
    }
}

/// The key of this record, with what its counters are known by.
pub(super) fn in_use(key: &Key, owner: Option<Arc<OwnerInUse>>) -> KeyInUse {
    KeyInUse::new(key, owner, subject::hash(&[b"key", key.id.public().as_bytes()]))
}

/// The owner with this id, with what its counters are known by.
pub(super) fn owner_in_use(id: &OwnerId, record: Option<Owner>, charge: Charge) -> OwnerInUse {
    OwnerInUse { id: id.clone(), subject: subject::hash(&[b"owner", id.as_str().as_bytes()]), record, charge }
}
