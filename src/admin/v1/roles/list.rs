//! `GET /v1/roles`.

use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::RoleObject;
use crate::admin::Shared;
use crate::admin::input::Params;
use crate::admin::list::List;
use crate::admin::problem::Problem;
use crate::admin::v1::documents::{self, DocumentQuery};
use crate::model::role::RoleText;

/// Lists roles by name, those of the configuration file included.
#[utoipa::path(
    get, path = "/v1/roles", tag = "roles", params(DocumentQuery),
    responses((status = 200, body = List<RoleObject>, example = json!(crate::admin::openapi::examples::list(crate::admin::openapi::examples::role()))))
)]
pub async fn list_roles(
    State(services): State<Shared>,
    uri: Uri,
    query: Params<DocumentQuery>,
) -> Result<Response, Problem> {
    documents::list::<RoleText>(&services, &uri, query).await
}
