//! `POST /v1/plans`.

use axum::extract::State;
use axum::response::Response;

use super::{NewPlan, PlanObject};
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::plan::PlanText;

/// Creates a plan.
#[utoipa::path(
    post, path = "/v1/plans", tag = "plans",
    request_body(content = NewPlan, example = json!({"name": "pro", "limits": [{"rate": "3000/min"}], "quota": {"units": 2000000, "every": "month"}})),
    responses((status = 201, body = PlanObject, example = json!(crate::admin::openapi::examples::plan())))
)]
pub async fn create_plan(
    State(services): State<Shared>,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    Fields(body): Fields<serde_json::Map<String, serde_json::Value>>,
) -> Result<Response, Problem> {
    documents::create::<PlanText>(&services, &call, body, dry_run).await
}
