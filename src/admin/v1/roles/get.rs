//! `GET /v1/roles/{name}`.

use axum::extract::State;
use axum::response::Response;

use super::RoleObject;
use crate::admin::Shared;
use crate::admin::input::Id;
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::role::RoleText;

/// Shows a role.
#[utoipa::path(
    get, path = "/v1/roles/{name}", tag = "roles", params(("name" = String, Path, description = "name of the role")),
    responses((status = 200, body = RoleObject, example = json!(crate::admin::openapi::examples::role())))
)]
pub async fn show_role(State(services): State<Shared>, Id(name): Id) -> Result<Response, Problem> {
    documents::get::<RoleText>(&services, &name).await
}
