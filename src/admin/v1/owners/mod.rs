//! Owners: whom keys belong to.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod object;
pub mod patch;
pub mod settings;

use serde_json::Value;

use super::keys::rules::Check;
use crate::admin::Shared;
use crate::admin::call::{Call, differences};
use crate::admin::input::PATH_ID_LEN_MAX;
use crate::admin::problem::Problem;
use crate::admin::suggest::closest;
use crate::model::audit::{AuditDraft, Target};
use crate::model::id::OwnerId;
use crate::model::key_format::new_public_id;
use crate::model::owner::Owner;
use crate::store::page::{PAGE_MAX, PageRequest};

/// What the name of an owner is.
pub const NAME_RULE: &str = "a name has between 1 and 100 characters, none of them control characters";
/// Longest name of an owner, in characters.
pub const NAME_LEN_MAX: usize = 100;

const UNREMARKABLE: &[&str] = &["id", "created_at", "updated_at", "version"];

/// The owner somebody means: by `own_…`, name or external id.
pub async fn lookup(services: &Shared, text: &str) -> Result<Option<Owner>, Problem> {
    if text.is_empty() || text.len() > PATH_ID_LEN_MAX {
        return Ok(None);
    }
    Ok(services.store.find_owner(text).await?)
}

/// The owner a path means.
pub async fn find(services: &Shared, text: &str) -> Result<Owner, Problem> {
    if let Some(owner) = lookup(services, text).await? {
        return Ok(owner);
    }
    let names = similar(services, text).await?;
    Err(Problem::not_found("owner", text, closest(text, names.iter().map(String::as_str))))
}

/// Names of owners that begin alike, for "did you mean": misspellings are seldom in the first letters.
pub async fn similar(services: &Shared, text: &str) -> Result<Vec<String>, Problem> {
    let beginning: String = text.chars().take(2).collect();
    if beginning.is_empty() {
        return Ok(Vec::new());
    }
    let page = PageRequest { limit: PAGE_MAX, cursor: None };
    Ok(services.store.owners(Some(&beginning), &page).await?.rows.into_iter().map(|o| o.name).collect())
}

/// A new owner of that name.
pub fn fresh(services: &Shared, check: &mut Check, name: &str) -> Owner {
    settings::name(check, name);
    let now = services.now();
    let id: OwnerId =
        format!("own_{}", new_public_id().public()).parse().expect("a public id is ten letters and digits");
    Owner {
        id,
        kind: Default::default(),
        external_id: None,
        name: name.to_owned(),
        contacts: Vec::new(),
        meta: Default::default(),
        limits: Vec::new(),
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// The audit record of a change to an owner.
pub fn draft(services: &Shared, call: &Call, action: &str, before: Option<&Owner>, after: &Owner) -> AuditDraft {
    let json = |owner: &Owner| serde_json::to_value(owner).unwrap_or(Value::Null);
    let changes = differences(&before.map_or(Value::Null, json), &json(after), UNREMARKABLE);
    call.draft(services.now(), action, target(after), changes)
}

/// What an audit record calls an owner.
pub fn target(owner: &Owner) -> Target {
    Target { r#type: "owner".into(), id: owner.id.to_string(), name: owner.name.clone() }
}
