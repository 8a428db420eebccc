//! The outermost layer: gives each request its id, its longest time and the headers every answer has, and writes
//! problems.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::Services;
use super::call::RequestId;
use super::problem::Problem;

/// Longest time for an ordinary request, from its head to the head of its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for an import, and for a walk over the whole audit.
pub const LONG_TIMEOUT: Duration = Duration::from_secs(600);

/// Operations that may take long.
const LONG: &[&str] = &["/v1/keys/import", "/v1/audit/verify"];

/// The layer.
pub async fn layer(State(services): State<Arc<Services>>, mut request: Request, next: Next) -> Response {
    let id: Arc<str> = uuid::Uuid::now_v7().to_string().into();
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let limit = if LONG.contains(&request.uri().path()) { LONG_TIMEOUT } else { REQUEST_TIMEOUT };
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => timed_out(limit).into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let current = services.current.load();
        response = problem.render(&id, current.config.errors.type_base.as_deref());
    }
    let head = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        head.insert("x-request-id", id);
    }
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

fn timed_out(limit: Duration) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "request_timeout",
        format!(
            "The request was not done within {} seconds. A change may have been made or not: read before you repeat it.",
            limit.as_secs()
        ),
    )
}

/// 404 for paths that are not of the API.
pub async fn no_such_path(request: Request) -> Problem {
    let path = super::problem::echo(request.uri().path());
    Problem::new(
        StatusCode::NOT_FOUND,
        "path_not_found",
        format!("The admin API has no `{path}`. `/openapi.json` lists what it has."),
    )
}

/// 405 for methods a path does not take.
pub async fn no_such_method(request: Request) -> Problem {
    let path = super::problem::echo(request.uri().path());
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("`{path}` does not take {}. `/openapi.json` lists what it takes.", request.method()),
    )
}
