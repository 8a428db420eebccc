//! `GET /v1/audit`.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Deserialize;

use crate::admin::Shared;
use crate::admin::input::{PATH_ID_LEN_MAX, Params, parsed};
use crate::admin::list::{List, page};
use crate::admin::problem::Problem;
use crate::model::audit::AuditRecord;

/// Which records are listed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only changes of this thing: the id of a key or owner, the name of a role, plan or condition.
    target: Option<String>,
    /// Most records of a page, 1 to 200.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists what was changed, the newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = List<AuditRecord>, example = json!(crate::admin::openapi::examples::list(crate::admin::openapi::examples::audit_record()))))
)]
pub async fn list_audit(
    State(services): State<Shared>,
    uri: Uri,
    Params(query): Params<AuditQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    if query.target.as_ref().is_some_and(|t| t.len() > PATH_ID_LEN_MAX) {
        return Err(Problem::parameter("target", "no id or name is as long as this"));
    }
    let rows = services.store.audit(query.target.as_deref(), &page).await?;
    Ok(List::new(rows.rows, rows.next).answer(&uri))
}
