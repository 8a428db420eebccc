//! `GET /v1/owners`.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Deserialize;

use super::object::OwnerObject;
use crate::admin::Shared;
use crate::admin::input::{Params, parsed};
use crate::admin::list::{List, page};
use crate::admin::problem::Problem;
use crate::admin::v1::keys::filter::FILTER_LEN_MAX;

/// Which owners are listed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct OwnerQuery {
    /// Text in the name or external id.
    q: Option<String>,
    /// Most owners of a page, 1 to 200.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists owners, the newest first.
#[utoipa::path(
    get, path = "/v1/owners", tag = "owners", params(OwnerQuery),
    responses((status = 200, body = List<OwnerObject>, example = json!(crate::admin::openapi::examples::list(crate::admin::openapi::examples::owner()))))
)]
pub async fn list_owners(
    State(services): State<Shared>,
    uri: Uri,
    Params(query): Params<OwnerQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    if query.q.as_ref().is_some_and(|q| q.len() > FILTER_LEN_MAX) {
        return Err(Problem::parameter("q", format!("a filter has at most {FILTER_LEN_MAX} bytes")));
    }
    let text = query.q.as_deref().map(str::trim).filter(|q| !q.is_empty());
    let rows = services.store.owners(text, &page).await?;
    Ok(List::new(rows.rows.iter().map(OwnerObject::from).collect(), rows.next).answer(&uri))
}
