//! `ETag` and `If-Match`: nobody overwrites what they have not seen.
//!
//! The tags are weak, as an object also shows what changes by itself (when a key was last used). They name the version
//! of the record, which is what a change is held against, so `If-Match` takes them in the weak or the strong form.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::problem::Problem;

/// Most tags of one `If-Match`.
const TAGS_MAX: usize = 16;

/// The tag of a version.
pub fn of(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// The tag of a version as a header.
pub fn header_value(version: u64) -> HeaderValue {
    HeaderValue::from_str(&of(version)).unwrap_or_else(|_| HeaderValue::from_static("W/\"0\""))
}

/// Refuses with 412 if the caller has seen another version than `version`.
pub fn demand(headers: &HeaderMap, version: u64) -> Result<(), Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(());
    }
    let tags = headers.get_all(header::IF_MATCH).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    for tag in tags.take(TAGS_MAX) {
        let tag = tag.trim();
        let opaque = tag.strip_prefix("W/").unwrap_or(tag);
        if tag == "*" || opaque.strip_prefix('"').and_then(|t| t.strip_suffix('"')) == Some(&version.to_string()) {
            return Ok(());
        }
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "precondition_failed",
        "It was changed since you read it. Read it again, then repeat the change with its new `etag`.",
    )
    .with("etag", of(version)))
}

/// Refuses with 412 if the caller has seen something where there is nothing (RFC 9110 section 13.1.1).
pub fn demand_nothing(headers: &HeaderMap) -> Result<(), Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(());
    }
    let detail = "There is none of that name. Leave `If-Match` out to make one.";
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, passes: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
        assert_eq!(demand(&headers, 7).is_ok(), passes, "{value}");
    }

    #[test]
    fn tags() {
        check("W/\"7\"", true);
        check("\"7\"", true);
        check("\"1\", W/\"7\"", true);
        check("*", true);
        check("W/\"8\"", false);
        check("7", false);
        check("", false);
        assert!(demand(&HeaderMap::new(), 7).is_ok());
    }
}
