//! `GET /v1/health`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use crate::admin::Shared;
use crate::admin::problem::Problem;

/// How it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Health {
    /// `health`.
    pub object: &'static str,
    /// `ok`, or `degraded` while the store cannot be used.
    #[schema(examples("ok"))]
    pub status: &'static str,
    /// The version that runs.
    pub version: &'static str,
    /// Number of the last change.
    pub revision: Option<u64>,
    /// Generation of what is in force.
    pub generation: u64,
    /// What is wrong with the store.
    pub store_error: Option<&'static str>,
}

/// Says whether the gateway can be administered: 503 while its store cannot be used.
#[utoipa::path(
    get, path = "/v1/health", tag = "control",
    responses(
        (status = 200, body = Health, example = json!({"object": "health", "status": "ok", "version": "0.1.0",
            "revision": 12, "generation": 3, "store_error": null})),
        (status = 503, body = Health, description = "The store cannot be used.", example = json!({"object": "health",
            "status": "degraded", "version": "0.1.0", "revision": null, "generation": 3, "store_error": "disk_full"}))
    )
)]
pub async fn show_health(State(services): State<Shared>) -> Response {
    let store = match services.store.ping().await {
        Ok(()) => services.store.revision().await,
        Err(error) => Err(error),
    };
    let (revision, store_error) = match store {
        Ok(revision) => (Some(revision), None),
        Err(error) => (None, Some(Problem::from(error).code())),
    };
    let health = Health {
        object: "health",
        status: if store_error.is_none() { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        revision,
        generation: services.current.generation(),
        store_error,
    };
    let status = if store_error.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}
