//! Owners: whom keys belong to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::OwnerId;
use super::limit::LimitText;

/// What an owner is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnerKind {
    /// A person.
    #[default]
    User,
    /// A service of ours.
    Service,
    /// Somebody's application.
    Application,
    /// The platform itself.
    System,
}

/// An owner as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// Its id.
    pub id: OwnerId,
    /// What it is.
    pub kind: OwnerKind,
    /// Its id in the operator's own system; unique if given. Sent to the upstream as `Argus-Subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Unique name.
    pub name: String,
    /// Addresses of people.
    #[serde(default)]
    pub contacts: Vec<String>,
    /// Free facts.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
    /// Limits that all its keys share.
    #[serde(default)]
    pub limits: Vec<LimitText>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts changes; the `ETag`.
    pub version: u64,
}
