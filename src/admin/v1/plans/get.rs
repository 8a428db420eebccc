//! `GET /v1/plans/{name}`.

use axum::extract::State;
use axum::response::Response;

use super::PlanObject;
use crate::admin::Shared;
use crate::admin::input::Id;
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::plan::PlanText;

/// Shows a plan.
#[utoipa::path(
    get, path = "/v1/plans/{name}", tag = "plans", params(("name" = String, Path, description = "name of the plan")),
    responses((status = 200, body = PlanObject, example = json!(crate::admin::openapi::examples::plan())))
)]
pub async fn show_plan(State(services): State<Shared>, Id(name): Id) -> Result<Response, Problem> {
    documents::get::<PlanText>(&services, &name).await
}
