//! `GET /v1/conditions/{name}`.

use axum::extract::State;
use axum::response::Response;

use super::ConditionObject;
use crate::admin::Shared;
use crate::admin::input::Id;
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::condition::ConditionText;

/// Shows a condition.
#[utoipa::path(
    get, path = "/v1/conditions/{name}", tag = "conditions", params(("name" = String, Path, description = "name of the condition")),
    responses((status = 200, body = ConditionObject, example = json!(crate::admin::openapi::examples::condition())))
)]
pub async fn show_condition(State(services): State<Shared>, Id(name): Id) -> Result<Response, Problem> {
    documents::get::<ConditionText>(&services, &name).await
}
