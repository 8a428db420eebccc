//! `DELETE /v1/owners/{id}`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::object::OwnerObject;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Id, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::answer;
use crate::admin::{Shared, etag};
use crate::store::Change;

/// Deletes an owner that has no keys.
#[utoipa::path(
    delete, path = "/v1/owners/{id}", tag = "owners",
    params(("id" = String, Path, description = "`own_…`, name or external id", example = "acme")),
    responses((status = 204, description = "It is gone."))
)]
pub async fn delete_owner(
    State(services): State<Shared>,
    Id(id): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let owner = super::find(&services, &id).await?;
    etag::demand(&headers, owner.version)?;
    if dry_run {
        return Ok(answer::rehearsed(answer::json(&OwnerObject::from(&owner))?));
    }
    let draft = call.draft(services.now(), "owner.delete", super::target(&owner), Vec::new());
    let change = Change::DeleteOwner { id: owner.id.clone(), expect: owner.version };
    services.commit(&call, vec![(change, draft)], StatusCode::NO_CONTENT, &Value::Null).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
