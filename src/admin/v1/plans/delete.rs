//! `DELETE /v1/plans/{name}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Id, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::plan::PlanText;

/// Deletes a plan that nothing names.
#[utoipa::path(
    delete, path = "/v1/plans/{name}", tag = "plans", params(("name" = String, Path, description = "name of the plan")),
    responses((status = 204, description = "It is gone."))
)]
pub async fn delete_plan(
    State(services): State<Shared>,
    Id(name): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    documents::delete::<PlanText>(&services, &call, &headers, &name, dry_run).await
}
