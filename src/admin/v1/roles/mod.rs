//! Roles: named scopes.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;
pub mod put;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::admin::v1::documents::{Facts, Resource};
use crate::admin::v1::keys::rules::{Check, DESCRIPTION_LEN_MAX};
use crate::admin::v1::keys::settings::SCOPES_MAX;
use crate::config::Config;
use crate::model::id::Name;
use crate::model::role::RoleText;
use crate::store::DocumentKind;

/// A role as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Role)]
pub struct RoleObject {
    /// Name, origin and version.
    #[serde(flatten)]
    pub facts: Facts,
    /// Settings.
    #[serde(flatten)]
    pub settings: RoleText,
}

/// A new role.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = NewRole)]
pub struct NewRole {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Settings.
    #[serde(flatten)]
    pub settings: RoleText,
}

impl Resource for RoleText {
    const KIND: DocumentKind = DocumentKind::Role;
    const COLLECTION: &'static str = "/v1/roles";

    fn check(&self, check: &mut Check, _: &Config) {
        check.count("/scopes", self.scopes.len(), SCOPES_MAX);
        check.text("/description", &self.description, DESCRIPTION_LEN_MAX);
    }

    /// The file has no roles.
    fn of_file(_: &Config) -> BTreeMap<Name, (Value, String)> {
        BTreeMap::new()
    }
}
