//! `POST /v1/keys/{id}/disable`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;

use super::object::KeyObject;
use crate::admin::call::{AUDIT_TEXT_LEN_MAX, Call};
use crate::admin::input::{DryRun, Fields, Id, Params};
use crate::admin::problem::Problem;
use crate::admin::{Shared, etag};

/// Why, for the audit.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Why {
    /// In words.
    #[schema(examples("seen in a public repository"))]
    pub note: Option<String>,
}

impl Why {
    /// The words, checked.
    pub fn checked(self) -> Result<Option<String>, Problem> {
        match self.note {
            Some(note) if note.chars().count() > AUDIT_TEXT_LEN_MAX => {
                Err(Problem::field("/note", format!("at most {AUDIT_TEXT_LEN_MAX} characters are taken")))
            }
            note => Ok(note),
        }
    }
}

/// Switches a key off, until it is enabled.
#[utoipa::path(
    post, path = "/v1/keys/{id}/disable", tag = "keys",
    params(("id" = String, Path, description = "`key_…`, public id, UUID or name", example = "key_9f3KtWq2Zc")),
    request_body(content = Option<Why>, example = json!({"note": "on holiday"})),
    responses((status = 200, body = KeyObject, example = json!(crate::admin::openapi::examples::key())))
)]
pub async fn disable_key(
    State(services): State<Shared>,
    Id(id): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    Fields(why): Fields<Why>,
) -> Result<Response, Problem> {
    switch(&services, &call, &headers, &id, true, why.checked()?, dry_run).await
}

/// Switches a key on or off. One that is so already stays as it is, without a record.
pub async fn switch(
    services: &Shared,
    call: &Call,
    headers: &HeaderMap,
    id: &str,
    off: bool,
    reason: Option<String>,
    dry_run: bool,
) -> Result<Response, Problem> {
    let found = super::find(services, id).await?;
    etag::demand(headers, found.key.version)?;
    super::demand_not_revoked(&found.key)?;
    if found.key.disabled == off {
        return super::unchanged(services, &found.key).await;
    }
    let mut after = found.key.clone();
    after.disabled = off;
    let action = if off { "key.disable" } else { "key.enable" };
    super::store(services, call, action, &found.key, after, reason, dry_run).await
}
