//! `POST /v1/roles`.

use axum::extract::State;
use axum::response::Response;

use super::{NewRole, RoleObject};
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::role::RoleText;

/// Creates a role.
#[utoipa::path(
    post, path = "/v1/roles", tag = "roles",
    request_body(content = NewRole, example = json!({"name": "billing", "scopes": ["invoices:read", "invoices:write"], "description": "books and bills"})),
    responses((status = 201, body = RoleObject, example = json!(crate::admin::openapi::examples::role())))
)]
pub async fn create_role(
    State(services): State<Shared>,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    Fields(body): Fields<serde_json::Map<String, serde_json::Value>>,
) -> Result<Response, Problem> {
    documents::create::<RoleText>(&services, &call, body, dry_run).await
}
