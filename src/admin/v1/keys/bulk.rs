//! `POST /v1/keys/bulk`.

use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::disable::Why;
use super::filter::{self, Words};
use super::revoke::{Propagated, reason_text};
use super::{change, draft};
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::answer;
use crate::model::id::KeyId;
use crate::model::key::{Key, Revocation, RevocationReason};
use crate::store::page::{PAGE_MAX, PageRequest};

/// Most keys changed by one request: one transaction holds them all.
pub const BULK_MAX: usize = 1_000;

/// What is done to many keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Revoke for ever; needs `reason`.
    Revoke,
    /// Switch off.
    Disable,
}

/// Which keys, and what is done to them.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkInput {
    /// What is done.
    pub action: BulkAction,
    /// Which keys, as in `q` of the list; not empty.
    #[schema(examples("owner:acme"))]
    pub filter: String,
    /// How many keys that is. Another number refuses the request.
    pub expect: usize,
    /// Why; for `revoke`.
    #[serde(default)]
    pub reason: Option<RevocationReason>,
    /// In words, for the audit.
    #[serde(default)]
    pub note: Option<String>,
}

/// What was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BulkAnswer {
    /// `bulk`.
    pub object: &'static str,
    /// What was done.
    pub action: BulkAction,
    /// To how many keys.
    pub changed: usize,
    /// To which.
    #[schema(value_type = Vec<String>)]
    pub keys: Vec<KeyId>,
    /// Who knows of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagated: Option<Propagated>,
}

/// Revokes or disables all keys a filter finds.
///
/// All or none, in one transaction, and only if they are as many as expected. Keys to which it was done before are not
/// counted.
#[utoipa::path(
    post, path = "/v1/keys/bulk", tag = "keys",
    request_body(content = BulkInput,
        example = json!({"action": "revoke", "filter": "owner:acme", "expect": 12, "reason": "offboarding"})),
    responses((status = 200, body = BulkAnswer, example = json!({
        "object": "bulk", "action": "revoke", "changed": 1, "keys": ["key_9f3KtWq2Zc"],
        "propagated": {"nodes": 1, "acknowledged": 1, "ms": 4}})))
)]
pub async fn change_keys(
    State(services): State<Shared>,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    Fields(input): Fields<BulkInput>,
) -> Result<Response, Problem> {
    let since = Instant::now();
    let note = Why { note: input.note.clone() }.checked()?;
    let reason = match (input.action, input.reason) {
        (BulkAction::Revoke, None) => return Err(Problem::field("/reason", "revoking needs a reason")),
        (BulkAction::Disable, Some(_)) => return Err(Problem::field("/reason", "`reason` belongs to `revoke`")),
        (_, reason) => reason,
    };
    let words = Words::parse(&input.filter).map_err(|error| Problem::field("/filter", error))?;
    if words == Words::default() {
        return Err(Problem::field("/filter", "an empty filter would mean every key: name what is meant"));
    }
    let keys = matching(&services, words, input.action).await?;
    if keys.len() != input.expect {
        return Err(Problem::conflict(
            "count_differs",
            format!(
                "The filter finds {} keys, not {}. Nothing was changed; look at the list, then repeat the request.",
                keys.len(),
                input.expect
            ),
        )
        .with("matched", keys.len())
        .with("expect", input.expect));
    }
    let mut changes = Vec::with_capacity(keys.len());
    for before in &keys {
        let mut after = before.clone();
        let action = match reason {
            Some(reason) => {
                after.revoked = Some(Revocation { at: services.now(), reason, by: call.actor.id.clone() });
                "key.revoke"
            }
            None => {
                after.disabled = true;
                "key.disable"
            }
        };
        let change = change(&services, before, &mut after);
        let mut draft = draft(&services, &call, action, Some(before), &after);
        draft.reason = reason.map(|reason| reason_text(reason, note.as_deref())).or_else(|| note.clone());
        changes.push((change, draft));
    }
    let ids = keys.iter().map(|k| k.id).collect();
    let mut done =
        BulkAnswer { object: "bulk", action: input.action, changed: keys.len(), keys: ids, propagated: None };
    let body = answer::json(&done)?;
    if dry_run {
        return Ok(answer::rehearsed(body));
    }
    if !changes.is_empty() {
        services.commit(&call, changes, StatusCode::OK, &body).await?;
    }
    done.propagated = Some(Propagated::here(since));
    Ok(answer::object(StatusCode::OK, answer::json(&done)?))
}

async fn matching(services: &Shared, words: Words, action: BulkAction) -> Result<Vec<Key>, Problem> {
    let filter = words.resolve(services, filter::in_body).await?;
    let mut keys = Vec::new();
    let mut page = PageRequest { limit: PAGE_MAX, cursor: None };
    loop {
        let rows = services.store.keys(&filter, &page).await?;
        keys.extend(rows.rows.into_iter().filter(|key| match action {
            BulkAction::Revoke => key.revoked.is_none(),
            BulkAction::Disable => key.revoked.is_none() && !key.disabled,
        }));
        if keys.len() > BULK_MAX {
            return Err(Problem::field(
                "/filter",
                format!("the filter finds more than {BULK_MAX} keys, the most one request may change: narrow it"),
            ));
        }
        match rows.next {
            Some(next) => page.cursor = Some(next),
            None => return Ok(keys),
        }
    }
}
