//! `GET /v1/usage`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::input::Params;
use crate::admin::problem::{Problem, echo};
use crate::admin::v1::keys;
use crate::admin::{Shared, text};
use crate::store::{UsageGroup, UsageQuery, UsageRow};

/// Most rows of an answer.
pub const ROWS_MAX: usize = 10_000;
/// Shortest bucket: usage is kept by the minute.
pub const BUCKET_SECONDS_MIN: i64 = 60;

/// What is asked about usage.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct UsageInput {
    /// What rows are by: `key`, `route` and `code`, with commas between them; one row for all if absent.
    #[param(example = "key,route")]
    group_by: Option<String>,
    /// Length of a bucket, such as `5m`; one bucket for all if absent.
    #[param(example = "1h")]
    bucket: Option<String>,
    /// From, inclusive: a moment, or a duration back from now. 24 hours ago if absent.
    #[param(example = "24h")]
    from: Option<String>,
    /// To, exclusive: a moment, or a duration back from now. Now if absent.
    to: Option<String>,
    /// Only this key: by `key_…`, public id, UUID or name.
    key: Option<String>,
    /// Which numbers: `requests`, `refused`, `cost`, `bytes_in`, `bytes_out`, with commas between them; all if absent.
    #[param(example = "requests,refused")]
    metric: Option<String>,
}

/// An answer about usage: named columns, and rows of values in their order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UsageAnswer {
    /// `usage`.
    pub object: &'static str,
    /// From, inclusive.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To, exclusive.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// Rows, ordered by their first columns.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than are given.
    pub truncated: bool,
}

const METRICS: [&str; 5] = ["requests", "refused", "cost", "bytes_in", "bytes_out"];

/// Counts what was done.
///
/// Columns are the bucket (if asked for), the groups, then the numbers. With `Accept: text/csv` the answer is CSV.
#[utoipa::path(
    get, path = "/v1/usage", tag = "decisions", params(UsageInput),
    responses((status = 200, content(
        (UsageAnswer = "application/json", example = json!({"object": "usage", "from": "2026-09-20T00:00:00Z",
            "to": "2026-09-21T00:00:00Z", "columns": ["key", "requests", "refused"],
            "rows": [["key_9f3KtWq2Zc", 1204, 3]], "truncated": false})),
        (String = "text/csv", example = json!("key,requests,refused\nkey_9f3KtWq2Zc,1204,3\n"))
    )))
)]
pub async fn show_usage(
    State(services): State<Shared>,
    Params(input): Params<UsageInput>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = services.now();
    let moment = |name: &'static str, text: Option<String>, default: Timestamp| match text {
        Some(text) => text::moment_or_ago(&text, now).map_err(|error| Problem::parameter(name, error.to_string())),
        None => Ok(default),
    };
    let day_ago = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let from = moment("from", input.from, day_ago)?;
    // The minute that is not over belongs to the answer.
    let to = moment("to", input.to, now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now))?;
    if from >= to {
        return Err(Problem::parameter("from", "`from` lies after `to`"));
    }
    let (names, group_by) = groups(input.group_by.as_deref())?;
    let metrics = metrics(input.metric.as_deref())?;
    let bucket_seconds = bucket(input.bucket.as_deref())?;
    let key = match &input.key {
        Some(text) => Some(keys::find(&services, text).await?.key.id),
        None => None,
    };
    let query = UsageQuery { from, to, group_by, bucket_seconds, key, rows_max: ROWS_MAX + 1 };
    let mut found = services.store.usage(&query).await?;
    let truncated = found.len() > ROWS_MAX;
    found.truncate(ROWS_MAX);

    let mut columns: Vec<&'static str> = Vec::new();
    if bucket_seconds.is_some() {
        columns.push("bucket");
    }
    columns.extend(names);
    columns.extend(&metrics);
    let rows = found.into_iter().map(|row| values(row, bucket_seconds.is_some(), &metrics)).collect();
    let answer = UsageAnswer { object: "usage", from, to, columns, rows, truncated };
    Ok(if wants_csv(&headers) { csv(&answer) } else { Json(answer).into_response() })
}

fn groups(text: Option<&str>) -> Result<(Vec<&'static str>, Vec<UsageGroup>), Problem> {
    let (mut names, mut groups) = (Vec::new(), Vec::new());
    for word in text.unwrap_or_default().split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let (name, group) = match word {
            "key" => ("key", UsageGroup::Key),
            "route" => ("route", UsageGroup::Route),
            "code" => ("code", UsageGroup::Code),
            other => {
                let what = format!("`{}` cannot be grouped by: expected `key`, `route` or `code`", echo(other));
                return Err(Problem::parameter("group_by", what));
            }
        };
        if !groups.contains(&group) {
            names.push(name);
            groups.push(group);
        }
    }
    Ok((names, groups))
}

fn metrics(text: Option<&str>) -> Result<Vec<&'static str>, Problem> {
    let Some(text) = text else { return Ok(METRICS.to_vec()) };
    let mut out = Vec::new();
    for word in text.split(',').map(str::trim) {
        let known = METRICS.iter().find(|m| **m == word).ok_or_else(|| {
            let what = format!("`{}` is not counted: expected some of {}", echo(word), METRICS.join(", "));
            Problem::parameter("metric", what)
        })?;
        if !out.contains(known) {
            out.push(known);
        }
    }
    Ok(out)
}

fn bucket(text: Option<&str>) -> Result<Option<u32>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let seconds = text::duration(text).map_err(|error| Problem::parameter("bucket", error.to_string()))?.as_secs();
    let good = seconds >= BUCKET_SECONDS_MIN && seconds % BUCKET_SECONDS_MIN == 0;
    match u32::try_from(seconds).ok().filter(|_| good) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(Problem::parameter("bucket", "a bucket is a number of whole minutes, such as `5m` or `1h`")),
    }
}

fn values(row: UsageRow, with_bucket: bool, metrics: &[&str]) -> Vec<Value> {
    let mut out = Vec::new();
    if with_bucket {
        out.push(row.bucket.map_or(Value::Null, |b| Value::from(b.to_string())));
    }
    out.extend(row.group.into_iter().map(Value::from));
    out.extend(metrics.iter().map(|metric| {
        Value::from(match *metric {
            "requests" => row.counts.requests,
            "refused" => row.refused,
            "cost" => row.counts.cost,
            "bytes_in" => row.counts.bytes_in,
            _ => row.counts.bytes_out,
        })
    }));
    out
}

/// Whether the caller asks for CSV and not as much for JSON.
fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let first = |kind: &str| accept.find(kind).unwrap_or(usize::MAX);
    first("text/csv") < first("application/json")
}

fn csv(answer: &UsageAnswer) -> Response {
    let mut out = answer.columns.join(",");
    out.push_str("\r\n");
    for row in &answer.rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    let mut response = out.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    response
}

/// RFC 4180 section 2.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains([',', '"', '\r', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_buckets() {
        assert_eq!(groups(Some("route, key,route")).unwrap().0, ["route", "key"]);
        assert!(groups(Some("colour")).is_err());
        assert_eq!(metrics(Some("cost")).unwrap(), ["cost"]);
        assert!(metrics(Some("cost,latency_p99")).is_err());
        assert_eq!(bucket(Some("5m")).unwrap(), Some(300));
        for bad in ["59s", "90s", "0", "x", "200000d"] {
            assert!(bucket(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn csv_quotes_what_must_be() {
        assert_eq!(cell(&Value::from("a,\"b\"")), "\"a,\"\"b\"\"\"");
        assert_eq!(cell(&Value::from(7)), "7");
        let mut headers = HeaderMap::new();
        assert!(!wants_csv(&headers));
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/csv"));
        assert!(wants_csv(&headers));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/csv"));
        assert!(!wants_csv(&headers));
    }
}
