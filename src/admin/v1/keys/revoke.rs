//! `POST /v1/keys/{id}/revoke`.

use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::disable::Why;
use super::object::{self, KeyObject};
use super::{change, draft};
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Id, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::answer;
use crate::admin::{Shared, etag};
use crate::model::key::{Revocation, RevocationReason};

/// Why a key is revoked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeInput {
    /// The kind of reason.
    pub reason: RevocationReason,
    /// In words, for the audit.
    #[serde(default)]
    pub note: Option<String>,
}

/// A revoked key, and who knows of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RevokedKey {
    /// The key.
    #[serde(flatten)]
    pub key: KeyObject,
    /// Who knows of it. Absent from the answer to a repeated request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagated: Option<Propagated>,
}

/// Who knows of a change.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
pub struct Propagated {
    /// Gateways that share the store.
    pub nodes: u32,
    /// Those in which it is in force.
    pub acknowledged: u32,
    /// Milliseconds from the request until it was in force.
    pub ms: u64,
}

impl Propagated {
    /// In force in this process, the only one that has the embedded store.
    pub fn here(since: Instant) -> Self {
        Propagated { nodes: 1, acknowledged: 1, ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX) }
    }
}

/// Revokes a key, for ever.
///
/// In force when the answer comes. A key that is revoked already is answered as it is.
#[utoipa::path(
    post, path = "/v1/keys/{id}/revoke", tag = "keys",
    params(("id" = String, Path, description = "`key_…`, public id, UUID or name", example = "key_9f3KtWq2Zc")),
    request_body(content = RevokeInput, example = json!({"reason": "leaked", "note": "found in a public repository"})),
    responses((status = 200, body = RevokedKey, example = json!(crate::admin::openapi::examples::revoked_key())))
)]
pub async fn revoke_key(
    State(services): State<Shared>,
    Id(id): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    Fields(input): Fields<RevokeInput>,
) -> Result<Response, Problem> {
    let since = Instant::now();
    let note = Why { note: input.note }.checked()?;
    let found = super::find(&services, &id).await?;
    etag::demand(&headers, found.key.version)?;
    if found.key.revoked.is_some() {
        return super::unchanged(&services, &found.key).await;
    }
    let mut after = found.key.clone();
    after.revoked = Some(Revocation { at: services.now(), reason: input.reason, by: call.actor.id.clone() });
    let change = change(&services, &found.key, &mut after);
    let mut draft = draft(&services, &call, "key.revoke", Some(&found.key), &after);
    draft.reason = Some(reason_text(input.reason, note.as_deref()));
    let mut shown = RevokedKey { key: object::one(&services, &after).await?, propagated: None };
    let body = answer::json(&shown)?;
    if dry_run {
        return Ok(answer::rehearsed(body));
    }
    services.commit(&call, vec![(change, draft)], StatusCode::OK, &body).await?;
    shown.propagated = Some(Propagated::here(since));
    Ok(answer::object(StatusCode::OK, answer::json(&shown)?))
}

/// The reason as the audit has it.
pub fn reason_text(reason: RevocationReason, note: Option<&str>) -> String {
    let word = serde_json::to_value(reason).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    match note {
        Some(note) => format!("{word}: {note}"),
        None => word,
    }
}
