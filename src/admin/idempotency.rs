//! `Idempotency-Key`: a POST sent twice is done once.
//!
//! What was answered is committed together with the change, kept for a day, and given again to whoever sends the same
//! request with the same key. Secrets are not among what is kept. Refused requests changed nothing, so they are not
//! remembered: sending one again tries again.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Services;
use super::input::{BODY_BYTES_MAX, read_body};
use super::problem::Problem;
use crate::store::IdempotencyRecord;

/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_LEN_MAX: usize = 255;
/// Requests with an idempotency key under way at once.
pub const RUNNING_MAX: usize = 1_024;

const FIELD: &str = "idempotency-key";

/// Idempotency keys of requests under way.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashSet<String>>);

/// The right to answer under an idempotency key, held until the request is over.
#[derive(Debug)]
pub struct Claim {
    key: String,
    request_hash: [u8; 32],
    running: Arc<Running>,
}

impl Claim {
    fn new(running: &Arc<Running>, key: String, request_hash: [u8; 32]) -> Result<Self, Problem> {
        let mut keys = running.0.lock();
        if keys.len() >= RUNNING_MAX {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many requests with an `Idempotency-Key` are under way. Repeat the request in a moment.",
            )
            .header(header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        if !keys.insert(key.clone()) {
            return Err(Problem::conflict(
                "idempotency_running",
                "A request with this `Idempotency-Key` is still under way. Repeat it in a moment to get its answer.",
            )
            .header(header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        Ok(Claim { key, request_hash, running: Arc::clone(running) })
    }

    /// What is to be committed with the change.
    pub fn record(&self, status: StatusCode, body: &Value, at: Timestamp) -> (String, IdempotencyRecord) {
        let record = IdempotencyRecord {
            request_hash: self.request_hash,
            status: status.as_u16(),
            body: if body.is_null() { String::new() } else { body.to_string() },
            at,
        };
        (self.key.clone(), record)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.running.0.lock().remove(&self.key);
    }
}

/// The layer: replays what was answered, or lets the request through with a [`Claim`].
pub async fn layer(State(services): State<Arc<Services>>, request: Request, next: Next) -> Result<Response, Problem> {
    if *request.method() != Method::POST || !request.headers().contains_key(FIELD) {
        return Ok(next.run(request).await);
    }
    let key = key_of(request.headers())?;
    if is_refused_on(request.uri().path()) {
        return Err(Problem::parameter(
            "Idempotency-Key",
            "an import takes no `Idempotency-Key`: it may be sent again as it is, keys that exist are reported, not made twice",
        ));
    }
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let request_hash = hash(&[parts.method.as_str().as_bytes(), target.as_bytes(), &body]);
    let claim = Arc::new(Claim::new(&services.running, key, request_hash)?);
    if let Some(kept) = services.store.idempotency(&claim.key).await?
        && services.clock.now().wall.duration_since(kept.at) < IdempotencyRecord::KEPT
    {
        return replay(&kept, &request_hash, &target);
    }
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert(Arc::clone(&claim));
    // A task of its own: a caller that hangs up must not leave the claim before the change is committed or refused.
    let answer = tokio::spawn(async move {
        let response = next.run(request).await;
        drop(claim);
        response
    });
    answer.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The request failed."))
}

/// An import is longer than what is held in memory to be compared.
fn is_refused_on(path: &str) -> bool {
    path == "/v1/keys/import"
}

fn replay(kept: &IdempotencyRecord, request_hash: &[u8; 32], target: &str) -> Result<Response, Problem> {
    if kept.request_hash != *request_hash {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_mismatch",
            "This `Idempotency-Key` was used for another request. Use a new key for a new request.",
        ));
    }
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = (status, kept.body.clone()).into_response();
    let head = response.headers_mut();
    head.insert("idempotency-replayed", HeaderValue::from_static("true"));
    if kept.body.is_empty() {
        head.remove(header::CONTENT_TYPE);
        return Ok(response);
    }
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body: Value = serde_json::from_str(&kept.body).unwrap_or(Value::Null);
    if let Some(etag) = body["etag"].as_str().and_then(|e| HeaderValue::from_str(e).ok()) {
        head.insert(header::ETAG, etag);
    }
    let collection = target.split('?').next().unwrap_or_default();
    if collection.matches('/').count() == 2
        && let Some(id) = body["id"].as_str().or(body["name"].as_str())
        && let Ok(place) = HeaderValue::from_str(&format!("{collection}/{id}"))
    {
        head.insert(header::LOCATION, place);
    }
    Ok(response)
}

/// A structured-field String (RFC 8941 section 3.3.3), or the same without its quotes.
fn key_of(headers: &HeaderMap) -> Result<String, Problem> {
    let wrong = |why: &str| Problem::parameter("Idempotency-Key", format!("the `Idempotency-Key` {why}"));
    let mut values = headers.get_all(FIELD).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(wrong("is given more than once"));
    };
    let text = value.to_str().map_err(|_| wrong("holds characters that are not printable ASCII"))?.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => {
            let inner = rest.strip_suffix('"').ok_or_else(|| wrong("lacks its closing quote"))?;
            unescape(inner).ok_or_else(|| wrong("holds a quote or backslash that is not escaped"))?
        }
        None if text.contains(['"', ' ', ',', ';']) => return Err(wrong("is not one quoted string")),
        None => text.to_owned(),
    };
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_LEN_MAX {
        return Err(wrong(&format!("has between 1 and {IDEMPOTENCY_KEY_LEN_MAX} characters")));
    }
    Ok(key)
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            '"' => return None,
            ' '..='~' => out.push(c),
            _ => return None,
        }
    }
    Some(out)
}

/// SHA-256 of the parts, each after its length, so that no two lists of parts run together.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, key: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(FIELD, HeaderValue::from_str(value).unwrap());
        assert_eq!(key_of(&headers).ok().as_deref(), key, "{value}");
    }

    #[test]
    fn keys_as_written() {
        check("\"8e03978e-40d5\"", Some("8e03978e-40d5"));
        check("8e03978e-40d5", Some("8e03978e-40d5"));
        check(r#""a \"b\" \\""#, Some(r#"a "b" \"#));
        check(&"x".repeat(IDEMPOTENCY_KEY_LEN_MAX), Some(&"x".repeat(IDEMPOTENCY_KEY_LEN_MAX)));
        for bad in ["", "\"\"", "\"a", "a b", "a,b", "\"a\"b\"", "\"a\\x\"", &"x".repeat(IDEMPOTENCY_KEY_LEN_MAX + 1)] {
            check(bad, None);
        }
        let mut twice = HeaderMap::new();
        twice.append(FIELD, HeaderValue::from_static("a"));
        twice.append(FIELD, HeaderValue::from_static("b"));
        assert!(key_of(&twice).is_err());
    }

    proptest::proptest! {
        #[test]
        fn quoted_keys_come_back(key in "[ -~]{1,255}") {
            let mut headers = HeaderMap::new();
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            headers.insert(FIELD, HeaderValue::from_str(&quoted).unwrap());
            proptest::prop_assert_eq!(key_of(&headers).unwrap(), key);
        }
    }

    #[test]
    fn a_claim_is_held_once_and_given_back() {
        let running = Arc::new(Running::default());
        let first = Claim::new(&running, "a".into(), [0; 32]).unwrap();
        assert_eq!(Claim::new(&running, "a".into(), [0; 32]).unwrap_err().code(), "idempotency_running");
        drop(first);
        let mut held: Vec<Claim> =
            (0..RUNNING_MAX).map(|n| Claim::new(&running, n.to_string(), [0; 32]).unwrap()).collect();
        assert_eq!(Claim::new(&running, "more".into(), [0; 32]).unwrap_err().code(), "overloaded");
        held.pop();
        assert!(Claim::new(&running, "more".into(), [0; 32]).is_ok());
    }
}
