//! `GET /v1/runtime`.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::admin::Shared;

/// Shows what is loaded and how it is.
///
/// The configuration in force with the place each part stands at, secrets masked; node, version, listeners, caches,
/// store, certificates. For people and for support: members may come and go.
#[utoipa::path(
    get, path = "/v1/runtime", tag = "control",
    responses((status = 200, body = Object, example = json!({"version": "0.1.0", "generation": 3})))
)]
pub async fn show_runtime(State(services): State<Shared>) -> Json<Value> {
    Json(services.control.runtime().await)
}
