//! The owner as it is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::admin::etag;
use crate::model::id::OwnerId;
use crate::model::limit::LimitText;
use crate::model::owner::{Owner, OwnerKind};

/// An owner.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Owner)]
pub struct OwnerObject {
    /// Its id.
    #[schema(value_type = String, examples("own_9f3KtWq2Zc"))]
    pub id: OwnerId,
    /// `owner`.
    pub object: &'static str,
    /// What it is.
    pub kind: OwnerKind,
    /// Its id in the operator's own system; sent to the upstream as the subject.
    pub external_id: Option<String>,
    /// Unique name.
    #[schema(examples("acme"))]
    pub name: String,
    /// Addresses of people.
    pub contacts: Vec<String>,
    /// Free facts.
    pub meta: BTreeMap<String, String>,
    /// Limits that all its keys share.
    pub limits: Vec<LimitText>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Its version, for `If-Match`.
    pub etag: String,
}

impl From<&Owner> for OwnerObject {
    fn from(owner: &Owner) -> Self {
        OwnerObject {
            id: owner.id.clone(),
            object: "owner",
            kind: owner.kind,
            external_id: owner.external_id.clone(),
            name: owner.name.clone(),
            contacts: owner.contacts.clone(),
            meta: owner.meta.clone(),
            limits: owner.limits.clone(),
            created_at: owner.created_at,
            updated_at: owner.updated_at,
            etag: etag::of(owner.version),
        }
    }
}
