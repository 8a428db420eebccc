//! Keys.

pub mod bulk;
pub mod create;
pub mod delete;
pub mod disable;
pub mod enable;
pub mod examples;
pub mod filter;
pub mod get;
pub mod import;
pub mod list;
pub mod object;
pub mod patch;
pub mod references;
pub mod revoke;
pub mod rotate;
pub mod rules;
pub mod settings;
pub mod verify;

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::answer;
use crate::admin::Shared;
use crate::admin::call::{Call, differences};
use crate::admin::input::PATH_ID_LEN_MAX;
use crate::admin::problem::Problem;
use crate::model::audit::{AuditDraft, Target};
use crate::model::id::KeyId;
use crate::model::key::Key;
use crate::store::{Change, StoredKey};

/// Fields of a record that change with every change, or never.
const UNREMARKABLE: &[&str] = &["id", "uuid", "prefix", "created_at", "created_by", "updated_at", "version"];

/// The key a path means: by `key_…`, public id, UUID or name.
pub async fn find(services: &Shared, text: &str) -> Result<StoredKey, Problem> {
    if text.len() > PATH_ID_LEN_MAX {
        return Err(Problem::not_found("key", text, None));
    }
    if let Some(found) = services.store.find_key(text).await? {
        return Ok(found);
    }
    if let Ok(id) = text.parse::<KeyId>()
        && let Some(gone) = services.store.tombstone(id).await?
    {
        let what = format!("The key `{id}`, which was called `{}`, was deleted at {}.", gone.name, gone.deleted_at);
        let problem = Problem::new(StatusCode::NOT_FOUND, "not_found", what);
        return Err(problem.with("deleted_at", gone.deleted_at.to_string()));
    }
    let similar = services.store.similar_key_names(text).await?;
    Err(Problem::not_found("key", text, similar.first().map(String::as_str)))
}

/// What an audit record calls a key.
pub fn target(key: &Key) -> Target {
    Target { r#type: "key".into(), id: key.id.to_string(), name: key.name.to_string() }
}

/// The audit record of a change to a key.
pub fn draft(services: &Shared, call: &Call, action: &str, before: Option<&Key>, after: &Key) -> AuditDraft {
    let json = |key: &Key| serde_json::to_value(key).unwrap_or(Value::Null);
    let changes = differences(&before.map_or(Value::Null, json), &json(after), UNREMARKABLE);
    call.draft(services.now(), action, target(after), changes)
}

/// The change of a key that was read as `before`; counts its version and notes the time.
pub fn change(services: &Shared, before: &Key, after: &mut Key) -> Change {
    after.version = before.version + 1;
    after.updated_at = services.now();
    Change::UpdateKey { key: Box::new(after.clone()), expect: before.version }
}

/// Commits one changed key and answers with it.
pub async fn store(
    services: &Shared,
    call: &Call,
    action: &str,
    before: &Key,
    mut after: Key,
    reason: Option<String>,
    dry_run: bool,
) -> Result<Response, Problem> {
    let change = change(services, before, &mut after);
    let mut draft = draft(services, call, action, Some(before), &after);
    draft.reason = reason;
    let body = answer::json(&object::one(services, &after).await?)?;
    if dry_run {
        return Ok(answer::rehearsed(body));
    }
    services.commit(call, vec![(change, draft)], StatusCode::OK, &body).await?;
    Ok(answer::object(StatusCode::OK, body))
}

/// Answers with a key that is as the caller wants it already.
pub async fn unchanged(services: &Shared, key: &Key) -> Result<Response, Problem> {
    Ok(answer::object(StatusCode::OK, answer::json(&object::one(services, key).await?)?))
}

/// 409 for what cannot be done to a revoked key.
pub fn demand_not_revoked(key: &Key) -> Result<(), Problem> {
    if key.revoked.is_none() {
        return Ok(());
    }
    Err(Problem::conflict(
        "key_revoked",
        format!("The key `{}` is revoked, which is final. Create another one in its place.", key.name),
    ))
}
