//! `POST /v1/conditions`.

use axum::extract::State;
use axum::response::Response;

use super::{ConditionObject, NewCondition};
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::condition::ConditionText;

/// Creates a condition.
#[utoipa::path(
    post, path = "/v1/conditions", tag = "conditions",
    request_body(content = NewCondition, example = json!({"name": "office", "ip": {"allow": ["203.0.113.0/24"]}})),
    responses((status = 201, body = ConditionObject, example = json!(crate::admin::openapi::examples::condition())))
)]
pub async fn create_condition(
    State(services): State<Shared>,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    Fields(body): Fields<serde_json::Map<String, serde_json::Value>>,
) -> Result<Response, Problem> {
    documents::create::<ConditionText>(&services, &call, body, dry_run).await
}
