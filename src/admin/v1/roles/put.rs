//! `PUT /v1/roles/{name}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::RoleObject;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Id, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::role::RoleText;

/// Creates a role of that name, or gives it these settings in place of all it had.
#[utoipa::path(
    put, path = "/v1/roles/{name}", tag = "roles", params(("name" = String, Path, description = "name of the role")),
    request_body(content = RoleText, example = json!({"scopes": ["invoices:read", "invoices:write"], "description": "books and bills"})),
    responses(
        (status = 200, body = RoleObject, example = json!(crate::admin::openapi::examples::role())),
        (status = 201, body = RoleObject, description = "It is new.", example = json!(crate::admin::openapi::examples::role()))
    )
)]
pub async fn put_role(
    State(services): State<Shared>,
    Id(name): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    Fields(body): Fields<serde_json::Map<String, serde_json::Value>>,
) -> Result<Response, Problem> {
    documents::replace::<RoleText>(&services, &call, &headers, &name, body, dry_run).await
}
