//! `PATCH /v1/roles/{name}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::RoleObject;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Id, MergePatch, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::role::RoleText;

/// Changes a role by a merge patch (RFC 7396); in force at once.
#[utoipa::path(
    patch, path = "/v1/roles/{name}", tag = "roles", params(("name" = String, Path, description = "name of the role")),
    request_body(content = RoleText, content_type = "application/merge-patch+json", example = json!({"scopes": ["invoices:*"]})),
    responses((status = 200, body = RoleObject, example = json!(crate::admin::openapi::examples::role())))
)]
pub async fn edit_role(
    State(services): State<Shared>,
    Id(name): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    MergePatch(patch): MergePatch,
) -> Result<Response, Problem> {
    documents::edit::<RoleText>(&services, &call, &headers, &name, patch, dry_run).await
}
