//! `GET /v1/owners/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::object::OwnerObject;
use crate::admin::Shared;
use crate::admin::input::Id;
use crate::admin::problem::Problem;
use crate::admin::v1::answer;

/// Shows an owner.
#[utoipa::path(
    get, path = "/v1/owners/{id}", tag = "owners",
    params(("id" = String, Path, description = "`own_…`, name or external id", example = "acme")),
    responses((status = 200, body = OwnerObject, example = json!(crate::admin::openapi::examples::owner())))
)]
pub async fn show_owner(State(services): State<Shared>, Id(id): Id) -> Result<Response, Problem> {
    let owner = super::find(&services, &id).await?;
    Ok(answer::object(StatusCode::OK, answer::json(&OwnerObject::from(&owner))?))
}
