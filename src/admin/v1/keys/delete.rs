//! `DELETE /v1/keys/{id}`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::object;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Id, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::answer;
use crate::admin::{Shared, etag};
use crate::store::Change;

/// Deletes a key.
///
/// It opens nothing from now on and is shown no more; its id, name and owner are kept for the retention time.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "`key_…`, public id, UUID or name", example = "key_9f3KtWq2Zc")),
    responses((status = 204, description = "It is gone."))
)]
pub async fn delete_key(
    State(services): State<Shared>,
    Id(id): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = super::find(&services, &id).await?;
    etag::demand(&headers, found.key.version)?;
    if dry_run {
        return Ok(answer::rehearsed(answer::json(&object::one(&services, &found.key).await?)?));
    }
    let draft = call.draft(services.now(), "key.delete", super::target(&found.key), Vec::new());
    let change = Change::DeleteKey { id: found.key.id, expect: found.key.version, at: services.now() };
    services.commit(&call, vec![(change, draft)], StatusCode::NO_CONTENT, &Value::Null).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
