//! `PUT /v1/plans/{name}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::PlanObject;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Id, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::plan::PlanText;

/// Creates a plan of that name, or gives it these settings in place of all it had.
#[utoipa::path(
    put, path = "/v1/plans/{name}", tag = "plans", params(("name" = String, Path, description = "name of the plan")),
    request_body(content = PlanText, example = json!({"limits": [{"rate": "3000/min"}], "quota": {"units": 2000000, "every": "month"}})),
    responses(
        (status = 200, body = PlanObject, example = json!(crate::admin::openapi::examples::plan())),
        (status = 201, body = PlanObject, description = "It is new.", example = json!(crate::admin::openapi::examples::plan()))
    )
)]
pub async fn put_plan(
    State(services): State<Shared>,
    Id(name): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    Fields(body): Fields<serde_json::Map<String, serde_json::Value>>,
) -> Result<Response, Problem> {
    documents::replace::<PlanText>(&services, &call, &headers, &name, body, dry_run).await
}
