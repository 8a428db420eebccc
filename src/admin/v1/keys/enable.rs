//! `POST /v1/keys/{id}/enable`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::disable::{Why, switch};
use super::object::KeyObject;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Id, Params};
use crate::admin::problem::Problem;

/// Switches a key on again.
#[utoipa::path(
    post, path = "/v1/keys/{id}/enable", tag = "keys",
    params(("id" = String, Path, description = "`key_…`, public id, UUID or name", example = "key_9f3KtWq2Zc")),
    request_body(content = Option<Why>, example = json!({"note": "back from holiday"})),
    responses((status = 200, body = KeyObject, example = json!(crate::admin::openapi::examples::key())))
)]
pub async fn enable_key(
    State(services): State<Shared>,
    Id(id): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    Fields(why): Fields<Why>,
) -> Result<Response, Problem> {
    switch(&services, &call, &headers, &id, false, why.checked()?, dry_run).await
}
