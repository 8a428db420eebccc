//! `GET /v1/requests`.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Deserialize;
use serde_json::Value;

use super::filter::Filter;
use crate::admin::Shared;
use crate::admin::input::{Params, parsed};
use crate::admin::list::{List, page};
use crate::admin::problem::Problem;

/// Which decisions are listed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct RequestQuery {
    /// Terms that must all hold, such as `code!=ok route=orders path=/v1/*`.
    filter: Option<String>,
    /// Most decisions of a page, 1 to 200.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists the last decisions, the newest first, as far as they are kept in memory.
#[utoipa::path(
    get, path = "/v1/requests", tag = "decisions", params(RequestQuery),
    responses((status = 200, body = List<Object>, example = json!(crate::admin::openapi::examples::list(crate::admin::openapi::examples::decision()))))
)]
pub async fn list_requests(
    State(services): State<Shared>,
    uri: Uri,
    Params(query): Params<RequestQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    let filter = Filter::parse(query.filter.as_deref().unwrap_or_default())?;
    let before = match &page.cursor {
        Some(cursor) => {
            Some(cursor.parse::<u64>().map_err(|_| Problem::parameter("cursor", "this is no cursor of ours"))?)
        }
        None => None,
    };
    // The ring gives its newest; those after the cursor are among all it has.
    let most = if before.is_some() { usize::MAX } else { page.limit + 1 };
    let mut found = services.decisions.recent(0, most, |line| filter.passes(line));
    found.retain(|decision| before.is_none_or(|before| decision.seq < before));
    let more = found.len() > page.limit;
    let mut rows: Vec<(u64, Value)> = Vec::new();
    for decision in found.iter().rev().take(page.limit) {
        let mut value: Value = serde_json::from_str(&decision.json).unwrap_or(Value::Null);
        if let Value::Object(map) = &mut value {
            map.insert("seq".to_owned(), decision.seq.into());
        }
        rows.push((decision.seq, value));
    }
    let next = rows.last().filter(|_| more).map(|(seq, _)| seq.to_string());
    Ok(List::new(rows.into_iter().map(|(_, value)| value).collect(), next).answer(&uri))
}
