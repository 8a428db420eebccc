//! Cursors: the last position of a page, so that the next one begins there whatever was added or deleted meanwhile.
//! Positions grow with time and pages go backwards, so a page is what lies before the cursor.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::page::PAGE_MAX;
use crate::store::{Page, PageRequest, StoreError};

/// Lists, by the letter their cursors begin with: one list's cursor means nothing to another.
pub(super) const KEYS: char = 'k';
/// Owners.
pub(super) const OWNERS: char = 'o';
/// Audit records.
pub(super) const AUDIT: char = 'a';

/// The position before which the page lies.
pub(super) fn read(list: char, request: &PageRequest) -> Result<i64, StoreError> {
    let Some(cursor) = &request.cursor else { return Ok(i64::MAX) };
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.as_deref()
        .and_then(|text| text.strip_prefix(list))
        .and_then(|digits| digits.parse().ok())
        .ok_or(StoreError::BadCursor)
}

/// Rows to ask for: one more than are shown, which tells whether there is a next page.
pub(super) fn rows_wanted(request: &PageRequest) -> i64 {
    rows_shown(request) as i64 + 1
}

fn rows_shown(request: &PageRequest) -> usize {
    request.limit.clamp(1, PAGE_MAX)
}

/// A page of what was found, each with its position.
pub(super) fn page<T>(list: char, request: &PageRequest, mut found: Vec<(i64, T)>) -> Page<T> {
    let shown = rows_shown(request);
    let more = found.len() > shown;
    found.truncate(shown);
    let next = found.last().filter(|_| more).map(|(position, _)| URL_SAFE_NO_PAD.encode(format!("{list}{position}")));
    Page { rows: found.into_iter().map(|(_, row)| row).collect(), next }
}
