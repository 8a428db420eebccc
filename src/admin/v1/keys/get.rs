//! `GET /v1/keys/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::object::{self, KeyObject};
use crate::admin::Shared;
use crate::admin::input::Id;
use crate::admin::problem::Problem;
use crate::admin::v1::answer;

/// Shows a key.
///
/// By `key_…`, public id, UUID or name.
#[utoipa::path(
    get, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "`key_…`, public id, UUID or name", example = "key_9f3KtWq2Zc")),
    responses((status = 200, body = KeyObject, example = json!(crate::admin::openapi::examples::key())))
)]
pub async fn show_key(State(services): State<Shared>, Id(id): Id) -> Result<Response, Problem> {
    let found = super::find(&services, &id).await?;
    let shown = object::one(&services, &found.key).await?;
    Ok(answer::object(StatusCode::OK, answer::json(&shown)?))
}
