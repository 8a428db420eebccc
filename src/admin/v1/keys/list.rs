//! `GET /v1/keys`.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Deserialize;

use super::filter::{self, Words};
use super::object::{self, KeyObject};
use crate::admin::Shared;
use crate::admin::input::{Params, parsed};
use crate::admin::list::{List, page};
use crate::admin::problem::Problem;

/// Which keys are listed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// Words and filters, such as `owner:acme status:active expires<14d nightly`.
    q: Option<String>,
    /// Only of this owner: `own_…`, name or external id.
    owner: Option<String>,
    /// Only with this status.
    status: Option<String>,
    /// Only with this plan.
    plan: Option<String>,
    /// Only with this scope among its own.
    scope: Option<String>,
    /// Only those not used since: a moment, or a duration such as `30d`.
    unused_since: Option<String>,
    /// Only those that end before: a moment, or a duration such as `14d`.
    expires_before: Option<String>,
    /// Most keys of a page, 1 to 200.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists keys, the newest first.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", params(KeyQuery),
    responses((status = 200, body = List<KeyObject>, example = json!(crate::admin::openapi::examples::list(crate::admin::openapi::examples::key()))))
)]
pub async fn list_keys(
    State(services): State<Shared>,
    uri: Uri,
    Params(query): Params<KeyQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    let mut words = Words::parse(query.q.as_deref().unwrap_or_default()).map_err(|e| Problem::parameter("q", e))?;
    for (slot, given, name) in [
        (&mut words.owner, query.owner, "owner"),
        (&mut words.status, query.status, "status"),
        (&mut words.plan, query.plan, "plan"),
        (&mut words.scope, query.scope, "scope"),
        (&mut words.unused_since, query.unused_since, "unused_since"),
        (&mut words.expires_before, query.expires_before, "expires_before"),
    ] {
        if let Some(given) = given
            && slot.replace(given).is_some()
        {
            return Err(Problem::parameter(name, format!("`{name}` is given in `q` too; one is enough")));
        }
    }
    let filter = words.resolve(&services, filter::in_query).await?;
    let rows = services.store.keys(&filter, &page).await?;
    Ok(List::new(object::many(&services, &rows.rows).await?, rows.next).answer(&uri))
}
