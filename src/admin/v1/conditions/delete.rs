//! `DELETE /v1/conditions/{name}`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;

use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::condition::ConditionText;

/// Deletes a condition that nothing names.
#[utoipa::path(
    delete, path = "/v1/conditions/{name}", tag = "conditions", params(("name" = String, Path, description = "name of the condition")),
    responses((status = 204, description = "It is gone."))
)]
pub async fn delete_condition(
    State(services): State<Shared>,
    Path(name): Path<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    documents::delete::<ConditionText>(&services, &call, &headers, &name, dry_run).await
}
