//! `POST /v1/drain`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::problem::Problem;
use crate::model::audit::Target;

/// The process ends.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Draining {
    /// Always true.
    pub draining: bool,
}

/// Ends the process gently, as SIGTERM does: no new requests are taken, those under way are finished.
#[utoipa::path(
    post, path = "/v1/drain", tag = "control",
    responses((status = 202, body = Draining, example = json!({"draining": true})))
)]
pub async fn drain(State(services): State<Shared>, call: Call) -> Result<Response, Problem> {
    tracing::info!(actor = call.actor.id, request_id = &*call.request_id, "drain asked for by the admin API");
    let answer = Draining { draining: true };
    let target = Target { r#type: "process".into(), id: "process".into(), name: "process".into() };
    services.record(&call, ("process.drain", target, None), StatusCode::ACCEPTED, &answer).await?;
    services.control.drain();
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}
