//! Answers that are not what was asked for: `application/problem+json` (RFC 9457), each with a stable code.
//!
//! A handler returns a [`Problem`]; the outermost layer ([`super::finish`]) writes it, as only that layer knows the
//! request's id and the configured base of problem types.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::store::StoreError;

/// Longest piece of a caller's text that is repeated in an answer, in characters.
pub const ECHO_LEN_MAX: usize = 80;

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// Where in the body: a JSON Pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which query parameter or header, where it is not in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl FieldProblem {
    /// Something in the body.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        FieldProblem { pointer: Some(pointer.into()), parameter: None, message: message.into(), hint: None }
    }

    /// Something in the query or a header.
    pub fn parameter(name: impl Into<String>, message: impl Into<String>) -> Self {
        FieldProblem { pointer: None, parameter: Some(name.into()), message: message.into(), hint: None }
    }

    /// With a remedy, unless it has one.
    pub fn or_hint(mut self, hint: &str) -> Self {
        self.hint.get_or_insert_with(|| hint.to_owned());
        self
    }

    /// With a remedy.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An answer of 400 or more.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    members: Map<String, Value>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

/// How a [`Problem`] looks on the wire.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `about:blank`, or the configured base and the code.
    pub r#type: String,
    /// The phrase of the status.
    pub title: String,
    /// The status.
    pub status: u16,
    /// The machine word; stable for ever.
    pub code: String,
    /// One sentence what, one sentence what to do.
    pub detail: String,
    /// The request's id, as in the logs.
    pub request_id: String,
    /// What is wrong with the body, one entry each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Facts that belong to the code.
    #[serde(flatten)]
    #[schema(ignore)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// A problem with one sentence or two.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Problem(Box::new(Inner { status, code, detail, errors: Vec::new(), members: Map::new(), headers: Vec::new() }))
    }

    /// 422: the body is JSON, but not what the operation takes.
    pub fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.message.clone(),
            many => format!("{} things are wrong with the request; `errors` names each.", many.len()),
        };
        let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail);
        problem.0.errors = errors;
        problem
    }

    /// 422 for one field.
    pub fn field(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Problem::invalid(vec![FieldProblem::at(pointer, message)])
    }

    /// 400 for one parameter of the query or one header.
    pub fn parameter(name: impl Into<String>, message: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", "")
            .with_errors(vec![FieldProblem::parameter(name, message)])
    }

    /// With what is wrong, and the first of it as the detail if there is none yet.
    pub fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        if self.0.detail.is_empty()
            && let Some(first) = errors.first()
        {
            self.0.detail = first.message.clone();
        }
        self.0.errors = errors;
        self
    }

    /// 404 for a thing named by the caller.
    pub fn not_found(kind: &str, named: &str, similar: Option<&str>) -> Self {
        let mut detail = format!("There is no {kind} `{}`.", echo(named));
        if let Some(similar) = similar {
            detail.push_str(&format!(" Did you mean `{similar}`?"));
        }
        let problem = Problem::new(StatusCode::NOT_FOUND, "not_found", detail);
        match similar {
            Some(similar) => problem.with("did_you_mean", similar),
            None => problem,
        }
    }

    /// 409.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::CONFLICT, code, detail)
    }

    /// 409 for what stands in the configuration file, or is built in if `origin` is empty.
    pub fn managed_by_file(kind: &str, name: &str, origin: &str) -> Self {
        if origin.is_empty() {
            let detail = format!(
                "The {kind} `{name}` is built in. Write `[{kind}s.{name}]` in the configuration to have another; the API \
                 only shows it."
            );
            return Problem::conflict("managed_by_file", detail);
        }
        let detail =
            format!("The {kind} `{name}` stands in {origin}. Change it there and reload; the API only shows it.");
        Problem::conflict("managed_by_file", detail).with("origin", origin)
    }

    /// With one more fact.
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// With a header.
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The status it answers with.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The machine word.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong, field by field.
    pub fn errors(&self) -> &[FieldProblem] {
        &self.0.errors
    }

    /// Writes the answer.
    pub fn render(self, request_id: &str, type_base: Option<&str>) -> Response {
        let Inner { status, code, detail, errors, members, headers } = *self.0;
        let body = ProblemBody {
            r#type: type_base.map_or_else(|| "about:blank".to_owned(), |base| format!("{base}{code}")),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail,
            request_id: request_id.to_owned(),
            errors,
            members,
        };
        let text = serde_json::to_string(&body).unwrap_or_else(|_| "{}".to_owned());
        let mut response = (status, text).into_response();
        let head = response.headers_mut();
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in headers {
            head.insert(name, value);
        }
        response
    }
}

impl IntoResponse for Problem {
    /// A bare status that carries the problem to the layer that writes it.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Duplicate { kind, name } => Problem::conflict(
                "already_exists",
                format!("A {kind} named `{}` exists already. Choose another name, or change that one.", echo(&name)),
            ),
            StoreError::Conflict { kind: "idempotency key" } => Problem::conflict(
                "idempotency_running",
                "A request with this `Idempotency-Key` was done in this moment. Repeat it to get its answer.",
            ),
            StoreError::Conflict { kind } => Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                format!("The {kind} was changed by somebody else in between. Read it again, then repeat the change."),
            ),
            StoreError::NotFound { kind } => {
                Problem::new(StatusCode::NOT_FOUND, "not_found", format!("The {kind} does not exist any more."))
            }
            StoreError::InUse { kind, by } => {
                Problem::conflict("in_use", format!("The {kind} is still used by {by}. Change or delete those first."))
            }
            StoreError::Bound(text) => Problem::conflict("limit_reached", sentence(&text)),
            StoreError::DiskFull { .. } => {
                tracing::error!(error = %error, "change refused");
                Problem::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "disk_full",
                    "The disk that holds the store is full; nothing was changed. Free some space, then repeat the request.",
                )
            }
            StoreError::Timeout(_) => {
                tracing::error!(error = %error, "the store is slow");
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "store_timeout",
                    "The store did not answer in time. A change may have been made or not: read before you repeat it, or \
                     repeat it with the same `Idempotency-Key`.",
                )
                .header(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
            StoreError::BadCursor => {
                Problem::parameter("cursor", "`cursor` is what `next_cursor` of the page before held, of the same list")
            }
            StoreError::Busy(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_busy",
                "The store has more to do than it takes on; nothing was changed. Repeat the request in a moment.",
            )
            .header(header::RETRY_AFTER, HeaderValue::from_static("1")),
            StoreError::Newer { .. }
            | StoreError::Permission { .. }
            | StoreError::Damaged { .. }
            | StoreError::Locked { .. }
            | StoreError::Engine(_) => {
                tracing::error!(error = %error, "the store cannot be used");
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "store_unavailable",
                    "The store cannot be used at the moment, so nothing was read or changed. Look at the log of the \
                     gateway for the cause, then repeat the request.",
                )
                .header(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
        }
    }
}

/// The beginning of a caller's text, fit to be repeated: bounded, without control characters.
pub fn echo(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(ECHO_LEN_MAX).collect()
}

/// A lower-case message as a sentence.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    let stop = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_store_says_becomes_what_the_caller_can_act_on() {
        let path = || "argus.db".to_owned();
        for (error, status, code) in [
            (StoreError::Duplicate { kind: "key", name: "a".into() }, 409, "already_exists"),
            (StoreError::Conflict { kind: "key" }, 412, "precondition_failed"),
            (StoreError::Conflict { kind: "idempotency key" }, 409, "idempotency_running"),
            (StoreError::NotFound { kind: "key" }, 404, "not_found"),
            (StoreError::InUse { kind: "role", by: "key a".into() }, 409, "in_use"),
            (StoreError::Bound("too many".into()), 409, "limit_reached"),
            (StoreError::DiskFull { path: path() }, 507, "disk_full"),
            (StoreError::Busy(9), 503, "store_busy"),
            (StoreError::BadCursor, 400, "invalid_parameter"),
            (StoreError::Timeout(Duration::from_secs(1)), 503, "store_timeout"),
            (StoreError::Engine("broken".into()), 503, "store_unavailable"),
            (StoreError::Locked { path: path() }, 503, "store_unavailable"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
            assert!(!problem.detail().contains("argus.db") && !problem.detail().contains("broken"));
        }
    }

    #[test]
    fn what_is_repeated_is_short_and_printable() {
        assert_eq!(echo("a\u{1b}[31m\nb"), "a[31mb");
        assert_eq!(echo(&"x".repeat(500)).len(), ECHO_LEN_MAX);
        assert_eq!(sentence("no colon"), "No colon.");
    }
}
