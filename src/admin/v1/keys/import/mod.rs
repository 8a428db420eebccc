//! `POST /v1/keys/import`: keys that exist elsewhere, in clear or as SHA-256, so that nobody has to change theirs.
//!
//! The body is read line by line and stored a batch at a time, so that its length does not show in memory. Lines stand
//! for themselves: one that is wrong does not keep the others out. Sending the same lines again is safe, as keys that
//! exist are reported and not made twice.

pub mod batch;
pub mod csv;
pub mod line;
pub mod lines;
pub mod strength;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::batch::Batch;
use self::csv::Columns;
use self::lines::Lines;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{Params, demand_type, object_from_slice, parsed_or_default};
use crate::admin::problem::Problem;
use crate::model::id::KeyId;

/// Largest import, in bytes.
pub const IMPORT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most lines: each leaves a result of some hundred bytes.
pub const LINES_MAX: usize = 100_000;

/// How keys are imported.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    #[serde(deserialize_with = "parsed_or_default")]
    #[param(ignore)]
    dry_run: bool,
    /// Take keys that could be guessed; they are marked `weak`.
    #[serde(deserialize_with = "parsed_or_default")]
    allow_weak: bool,
    /// Make owners that do not exist.
    #[serde(deserialize_with = "parsed_or_default")]
    create_owners: bool,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineOutcome {
    /// The key was taken over; in a rehearsal, it would be.
    Imported,
    /// The key, or another one in use of its name, is there already.
    Exists,
    /// The line is wrong.
    Refused,
}

/// What became of a line, and why.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct LineResult {
    /// Its number, from 1; the head of a CSV is line 1.
    pub line: usize,
    /// What became of it.
    pub outcome: LineOutcome,
    /// The name in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub id: Option<KeyId>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why it was not taken, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where in the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// What became of an import.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct ImportAnswer {
    /// `import`.
    pub object: &'static str,
    /// Whether nothing was changed because this was a rehearsal.
    pub dry_run: bool,
    /// Keys taken over.
    pub imported: usize,
    /// Keys that were there already.
    pub exists: usize,
    /// Lines that are wrong.
    pub refused: usize,
    /// One entry a line, in their order.
    pub results: Vec<LineResult>,
}

/// Imports keys that exist elsewhere.
///
/// NDJSON: one object a line, with the settings of a key and `key` (in clear) or `sha256` (64 hexadecimal digits).
/// CSV: a head with some of `name,owner,key,sha256,prefix,scopes,roles,plan,expires_at,ip_allow,environment,description,tags,disabled`;
/// lists hold spaces between their entries. Keys of other shapes are taken as they are. Without an end a key never ends.
#[utoipa::path(
    post, path = "/v1/keys/import", tag = "keys", params(ImportQuery),
    request_body(content(
        (String = "application/x-ndjson",
            example = json!("{\"name\":\"legacy-1\",\"key\":\"argus_0f1e2d3c4b5a69788796a5b4c3d2e1f0\",\"scopes\":[\"orders:read\"]}\n")),
        (String = "text/csv",
            example = json!("name,owner,sha256,scopes\nlegacy-2,acme,4941d695401164650000000000000000000000000000000000000000000000ab,orders:read\n"))
    )),
    responses((status = 200, body = ImportAnswer, example = json!({
        "object": "import", "dry_run": false, "imported": 1, "exists": 0, "refused": 1, "results": [
            {"line": 1, "outcome": "imported", "name": "legacy-1", "id": "key_9f3KtWq2Zc"},
            {"line": 2, "outcome": "refused", "name": "legacy-2", "code": "invalid_request",
                "message": "there is no role `biling`", "pointer": "/roles/0"}]})))
)]
pub async fn import_keys(
    State(services): State<Shared>,
    Params(query): Params<ImportQuery>,
    call: Call,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    const NDJSON: [&str; 3] = ["application/x-ndjson", "application/jsonl", "application/ndjson"];
    let is_csv = demand_type(&parts.headers, &["text/csv"]).is_ok();
    if !is_csv {
        demand_type(&parts.headers, &[NDJSON[0], NDJSON[1], NDJSON[2], "text/csv"])?;
    }
    let mut lines = Lines::new(body);
    let mut columns = None;
    let mut batch = Batch::new(&services, &call, &query);
    while let Some((number, line)) = lines.next().await.map_err(|problem| batch.so_far(problem))? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let read = match (&columns, is_csv) {
            (None, true) => {
                columns = Some(Columns::read(&line)?);
                continue;
            }
            (Some(columns), true) => columns.object(&line),
            (_, false) => object_from_slice::<Map<String, Value>>(&line),
        };
        batch.add(number, read).await?;
    }
    let answer = batch.finish().await?;
    Ok((StatusCode::OK, Json(answer)).into_response())
}
