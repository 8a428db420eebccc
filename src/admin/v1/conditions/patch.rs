//! `PATCH /v1/conditions/{name}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::ConditionObject;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Id, MergePatch, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::documents;
use crate::model::condition::ConditionText;

/// Changes a condition by a merge patch (RFC 7396); in force at once.
#[utoipa::path(
    patch, path = "/v1/conditions/{name}", tag = "conditions", params(("name" = String, Path, description = "name of the condition")),
    request_body(content = ConditionText, content_type = "application/merge-patch+json", example = json!({"ip": {"allow": ["203.0.113.0/24", "2001:db8:42::/48"]}})),
    responses((status = 200, body = ConditionObject, example = json!(crate::admin::openapi::examples::condition())))
)]
pub async fn edit_condition(
    State(services): State<Shared>,
    Id(name): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    MergePatch(patch): MergePatch,
) -> Result<Response, Problem> {
    documents::edit::<ConditionText>(&services, &call, &headers, &name, patch, dry_run).await
}
