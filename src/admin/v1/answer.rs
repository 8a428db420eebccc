//! How objects are answered.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use crate::admin::problem::Problem;

/// An object as JSON.
pub fn json(object: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(object).map_err(|error| {
        tracing::error!(error = %error, "an answer could not be written as JSON");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The answer could not be written.")
    })
}

/// An object with its `ETag`.
pub fn object(status: StatusCode, body: Value) -> Response {
    let etag = body["etag"].as_str().and_then(|e| HeaderValue::from_str(e).ok());
    let mut response = (status, Json(body)).into_response();
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// What would have been, had it not been a rehearsal.
pub fn rehearsed(mut body: Value) -> Response {
    if let Value::Object(map) = &mut body {
        map.insert("dry_run".to_owned(), Value::Bool(true));
    }
    object(StatusCode::OK, body)
}

/// A new object, and where it is.
pub fn created(body: Value, place: &str) -> Response {
    let mut response = object(StatusCode::CREATED, body);
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}
