//! `GET /v1/plans`.

use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::PlanObject;
use crate::admin::Shared;
use crate::admin::input::Params;
use crate::admin::list::List;
use crate::admin::problem::Problem;
use crate::admin::v1::documents::{self, DocumentQuery};
use crate::model::plan::PlanText;

/// Lists plans by name, those of the configuration file included.
#[utoipa::path(
    get, path = "/v1/plans", tag = "plans", params(DocumentQuery),
    responses((status = 200, body = List<PlanObject>, example = json!(crate::admin::openapi::examples::list(crate::admin::openapi::examples::plan()))))
)]
pub async fn list_plans(
    State(services): State<Shared>,
    uri: Uri,
    query: Params<DocumentQuery>,
) -> Result<Response, Problem> {
    documents::list::<PlanText>(&services, &uri, query).await
}
