//! Roles: named scopes.

use serde::{Deserialize, Serialize};

use super::scope::Scope;

/// A role as it is written and stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleText {
    /// What whoever has the role may do.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Scope>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}
