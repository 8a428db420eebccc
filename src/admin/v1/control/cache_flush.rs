//! `POST /v1/cache/flush`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::Fields;
use crate::admin::problem::Problem;
use crate::admin::v1::keys;
use crate::model::audit::Target;

/// What is to be forgotten.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlushInput {
    /// Only this key; all if absent.
    #[schema(examples("key_9f3KtWq2Zc"))]
    pub key: Option<String>,
}

/// What was forgotten.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Flushed {
    /// Entries that went.
    pub flushed: u64,
}

/// Forgets what is cached of keys; each is read from the store when it is used next.
#[utoipa::path(
    post, path = "/v1/cache/flush", tag = "control",
    request_body(content = Option<FlushInput>, example = json!({"key": "key_9f3KtWq2Zc"})),
    responses((status = 200, body = Flushed, example = json!({"flushed": 1})))
)]
pub async fn flush_cache(
    State(services): State<Shared>,
    call: Call,
    Fields(input): Fields<FlushInput>,
) -> Result<Json<Flushed>, Problem> {
    let key = match input.key {
        Some(text) => Some(keys::find(&services, &text).await?.key),
        None => None,
    };
    let answer = Flushed { flushed: services.control.flush_cache(key.as_ref().map(|key| key.id)) };
    let all = || Target { r#type: "cache".into(), id: "cache".into(), name: "cache of keys".into() };
    let act = ("cache.flush", key.as_ref().map_or_else(all, keys::target), None);
    services.record(&call, act, StatusCode::OK, &answer).await?;
    Ok(Json(answer))
}
