//! `GET /v1/conditions`.

use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::ConditionObject;
use crate::admin::Shared;
use crate::admin::input::Params;
use crate::admin::list::List;
use crate::admin::problem::Problem;
use crate::admin::v1::documents::{self, DocumentQuery};
use crate::model::condition::ConditionText;

/// Lists conditions by name, those of the configuration file included.
#[utoipa::path(
    get, path = "/v1/conditions", tag = "conditions", params(DocumentQuery),
    responses((status = 200, body = List<ConditionObject>, example = json!(crate::admin::openapi::examples::list(crate::admin::openapi::examples::condition()))))
)]
pub async fn list_conditions(
    State(services): State<Shared>,
    uri: Uri,
    query: Params<DocumentQuery>,
) -> Result<Response, Problem> {
    documents::list::<ConditionText>(&services, &uri, query).await
}
