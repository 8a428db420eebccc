//! Reading what was sent: JSON bodies and queries, with the exact place of what is wrong.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::{FieldProblem, Problem, echo};
use super::suggest::closest;

/// Largest body of an ordinary request, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;
/// Longest id or name in a path, in bytes.
pub const PATH_ID_LEN_MAX: usize = 200;

/// A JSON body read into `T`. An absent body and `null` count as `{}`, so that operations without demands need none.
#[derive(Debug)]
pub struct Fields<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
        if bytes.is_empty() {
            return from_value(Value::Object(Map::new())).map(Fields);
        }
        demand_type(&parts.headers, &["application/json"])?;
        if bytes.trim_ascii() == b"null" {
            return from_value(Value::Object(Map::new())).map(Fields);
        }
        object_from_slice(&bytes).map(Fields)
    }
}

/// The id or name in a path.
#[derive(Debug)]
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Id(id)),
            // What is not UTF-8 names nothing of ours.
            Err(_) => Err(Problem::not_found("thing called", parts.uri.path(), None)),
        }
    }
}

/// A merge patch (RFC 7396): a JSON object in which `null` removes.
#[derive(Debug)]
pub struct MergePatch(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for MergePatch {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
        demand_type(&parts.headers, &["application/merge-patch+json", "application/json"])?;
        object_from_slice(&bytes).map(MergePatch)
    }
}

/// A query read into `T`, whose fields are all optional.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        from_query(parts.uri.query().unwrap_or_default()).map(Params)
    }
}

/// `?dry_run=true`: say what would be, change nothing.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// Whether this is a rehearsal.
    #[serde(default, deserialize_with = "parsed_or_default")]
    pub dry_run: bool,
}

/// Reads a body of at most `max` bytes.
pub async fn read_body(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Problem> {
    let told = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if told.is_some_and(|n| n > max as u64) {
        return Err(too_large(max));
    }
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(max)),
        Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "malformed_request", "The body broke off before its end.")),
    }
}

/// 413.
pub fn too_large(max: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("A body may have at most {max} bytes here."))
        .with("bytes_max", max as u64)
}

/// 415 unless the body is of one of `types`.
pub fn demand_type(headers: &HeaderMap, types: &[&str]) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if types.iter().any(|t| essence.eq_ignore_ascii_case(t)) {
        return Ok(());
    }
    let wanted = types.join("` or `");
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("The body must be sent as `Content-Type: {wanted}`, not `{}`.", echo(given)),
    ))
}

/// Reads JSON text. 400 with line and column when it is not JSON, 422 with a pointer when it is not a `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| match error.inner().classify() {
        serde_json::error::Category::Data => unfit(&error),
        _ => malformed(error.inner()),
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Reads the text of a JSON object, as [`from_slice`] does. Serde alone would also take a list of a struct's fields in
/// their order, which nobody means.
pub fn object_from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        return from_slice(bytes);
    }
    from_slice::<serde::de::IgnoredAny>(bytes)?;
    Err(Problem::field("", "expected a JSON object"))
}

/// Reads a JSON value; 422 with a pointer when it is not a `T`.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| unfit(&error))
}

/// Reads a query. A parameter without a value counts as absent, as forms send it.
pub fn from_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "query_too_long",
            format!("A query may have at most {QUERY_BYTES_MAX} bytes."),
        ));
    }
    let mut map = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
        if map.insert(name.to_string(), Value::from(value.into_owned())).is_some() {
            return Err(Problem::parameter(echo(&name), format!("`{}` is given more than once", echo(&name))));
        }
    }
    serde_path_to_error::deserialize(Value::Object(map)).map_err(|error| {
        let found = field_of(&error);
        let name = found.pointer.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();
        let mut problem = FieldProblem::parameter(name, found.message);
        problem.hint = found.hint;
        Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", "").with_errors(vec![problem])
    })
}

/// Deserializes text by its `FromStr`, so that a query value may be a number or a duration; absent is the default.
pub fn parsed_or_default<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// As [`parsed_or_default`], for optional fields.
pub fn parsed<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    parsed_or_default(d).map(Some)
}

fn malformed(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed_json",
        format!("The body is not JSON: {what} at line {}, column {}.", error.line(), error.column()),
    )
    .with("line", error.line() as u64)
    .with("column", error.column() as u64)
}

fn unfit(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    Problem::invalid(vec![field_of(error)])
}

/// What is wrong and where. Serde names an unknown field in its message only, and what would have been known.
fn field_of(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldProblem {
    use serde_path_to_error::Segment;
    let mut segments: Vec<String> = Vec::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => segments.push(index.to_string()),
            Segment::Map { key } => segments.push(key.clone()),
            Segment::Enum { variant } => segments.push(variant.clone()),
            Segment::Unknown => {}
        }
    }
    let full = error.inner().to_string();
    let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(front, _)| front);
    let mut hint = None;
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((name, expected)) = rest.split_once("`, ")
    {
        if segments.last().is_none_or(|last| last != name) {
            segments.push(name.to_owned());
        }
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        hint = closest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    }
    let segments: Vec<&String> = segments.iter().collect();
    let bounded: String = message.chars().take(400).collect();
    FieldProblem { pointer: Some(pointer(&segments)), parameter: None, message: bounded, hint }
}

/// A JSON Pointer (RFC 6901) from its unescaped parts.
pub fn pointer<T: AsRef<str>>(parts: &[T]) -> String {
    let mut out = String::new();
    for part in parts {
        out.push('/');
        let part: String = part.as_ref().chars().take(120).collect();
        out.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read into")]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read into")]
    struct Inner {
        #[serde(default)]
        rate: u32,
    }

    #[track_caller]
    fn check(text: &str, status: u16, pointer: Option<&str>) -> Problem {
        let problem = object_from_slice::<Outer>(text.as_bytes()).unwrap_err();
        assert_eq!(problem.status().as_u16(), status, "{problem:?}");
        assert_eq!(problem.errors().first().and_then(|e| e.pointer.as_deref()), pointer, "{problem:?}");
        problem
    }

    #[test]
    fn place_of_what_is_wrong() {
        check(r#"{"name": 1}"#, 422, Some("/name"));
        check(r#"{"name": "a", "inner": [{}, {"rate": "x"}]}"#, 422, Some("/inner/1/rate"));
        check(r#"{"inner": []}"#, 422, Some(""));
        let problem = check(r#"{"name": "a", "inner": [{"rte": 1}]}"#, 422, Some("/inner/0/rte"));
        assert_eq!(problem.errors()[0].hint.as_deref(), Some("did you mean `rate`?"));
        check(r#"{"name": "a", "a/b~c": 1}"#, 422, Some("/a~1b~0c"));
        let problem = check("{\"name\": \"a\",\n }", 400, None);
        assert!(problem.detail().contains("line 2, column 2"), "{}", problem.detail());
        check("", 400, None);
        check(r#"{"name": "a"} x"#, 400, None);
        check("[1]", 422, Some(""));
        assert!(from_slice::<Value>("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn queries() {
        assert!(from_query::<DryRun>("dry_run=true").unwrap().dry_run);
        assert!(!from_query::<DryRun>("").unwrap().dry_run);
        assert!(!from_query::<DryRun>("dry_run=").unwrap().dry_run);
        for bad in ["dry_run=yes", "dry_run=true&dry_run=true", "dry=true", "x=y", &"x".repeat(QUERY_BYTES_MAX + 1)] {
            assert!(from_query::<DryRun>(bad).unwrap_err().status().is_client_error(), "{bad}");
        }
    }
}
