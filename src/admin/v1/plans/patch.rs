//! `PATCH /v1/plans/{name}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::PlanObject;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Id, MergePatch, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::plan::PlanText;

/// Changes a plan by a merge patch (RFC 7396); in force at once.
#[utoipa::path(
    patch, path = "/v1/plans/{name}", tag = "plans", params(("name" = String, Path, description = "name of the plan")),
    request_body(content = PlanText, content_type = "application/merge-patch+json", example = json!({"quota": {"units": 3000000}})),
    responses((status = 200, body = PlanObject, example = json!(crate::admin::openapi::examples::plan())))
)]
pub async fn edit_plan(
    State(services): State<Shared>,
    Id(name): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    MergePatch(patch): MergePatch,
) -> Result<Response, Problem> {
    documents::edit::<PlanText>(&services, &call, &headers, &name, patch, dry_run).await
}
