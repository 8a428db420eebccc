//! `PUT /v1/conditions/{name}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::ConditionObject;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Id, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::condition::ConditionText;

/// Creates a condition of that name, or gives it these settings in place of all it had.
#[utoipa::path(
    put, path = "/v1/conditions/{name}", tag = "conditions", params(("name" = String, Path, description = "name of the condition")),
    request_body(content = ConditionText, example = json!({"ip": {"allow": ["203.0.113.0/24"]}})),
    responses(
        (status = 200, body = ConditionObject, example = json!(crate::admin::openapi::examples::condition())),
        (status = 201, body = ConditionObject, description = "It is new.", example = json!(crate::admin::openapi::examples::condition()))
    )
)]
pub async fn put_condition(
    State(services): State<Shared>,
    Id(name): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    Fields(body): Fields<serde_json::Map<String, serde_json::Value>>,
) -> Result<Response, Problem> {
    documents::replace::<ConditionText>(&services, &call, &headers, &name, body, dry_run).await
}
