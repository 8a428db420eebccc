//! Lists: a page at a time, by cursor.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Uri, header};
use serde::Serialize;

use super::problem::Problem;
use crate::store::page::{PAGE_MAX, PageRequest};

/// Rows of a page if nothing is said.
pub const PAGE_DEFAULT: usize = 50;
/// Longest cursor, in bytes.
pub const CURSOR_LEN_MAX: usize = 512;

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct List<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
    /// What to give as `cursor` for the next page.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl<T: Serialize> List<T> {
    /// A page that `next` continues.
    pub fn new(data: Vec<T>, next: Option<String>) -> Self {
        List { data, has_more: next.is_some(), next_cursor: next }
    }

    /// The answer, with a `Link` (RFC 8288) to the next page of the list at `uri`.
    pub fn answer(self, uri: &Uri) -> Response {
        let next = self.next_cursor.as_deref().map(|cursor| link_to_next(uri, cursor));
        let mut response = Json(self).into_response();
        if let Some(Ok(link)) = next.map(|l| HeaderValue::from_str(&l)) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

fn link_to_next(uri: &Uri, cursor: &str) -> String {
    let kept = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).filter(|(name, _)| name != "cursor");
    let query =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("cursor", cursor).finish();
    format!("<{}?{query}>; rel=\"next\"", uri.path())
}

/// The page asked for, checked.
pub fn page(limit: Option<usize>, cursor: Option<String>) -> Result<PageRequest, Problem> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::parameter("limit", format!("`limit` is between 1 and {PAGE_MAX}, not {limit}")));
    }
    if cursor.as_ref().is_some_and(|c| c.is_empty() || c.len() > CURSOR_LEN_MAX) {
        return Err(Problem::parameter("cursor", "`cursor` is what `next_cursor` of the page before held"));
    }
    Ok(PageRequest { limit, cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_a_page() {
        for (limit, good) in
            [(None, true), (Some(1), true), (Some(PAGE_MAX), true), (Some(0), false), (Some(PAGE_MAX + 1), false)]
        {
            assert_eq!(page(limit, None).is_ok(), good, "{limit:?}");
        }
        assert!(page(None, Some("x".repeat(CURSOR_LEN_MAX))).is_ok());
        assert!(page(None, Some("x".repeat(CURSOR_LEN_MAX + 1))).is_err());
    }

    #[test]
    fn link_keeps_the_filters() {
        let uri: Uri = "/v1/keys?owner=acme&cursor=old&limit=2".parse().unwrap();
        assert_eq!(link_to_next(&uri, "a b"), "</v1/keys?owner=acme&limit=2&cursor=a+b>; rel=\"next\"");
    }
}
