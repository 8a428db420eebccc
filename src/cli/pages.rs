//! Lists of the admin API, page by page, printed as they come or as one table.

use serde_json::Value;

use super::client::{Client, with_query};
use super::exit::Failure;
use super::field;
use super::output::Format;
use super::session::Session;
use super::table::plain;

/// Rows of one page.
const PAGE: usize = 200;
/// Rows of a list if nothing is said.
pub const ROWS_DEFAULT: usize = 1_000;
/// Most rows of a list. Rows of a table are held until its columns are known: a million are some 300 MB.
pub const ROWS_MAX: usize = 1_000_000;

/// A list to fetch.
pub struct Wanted<'a> {
    /// Its address.
    pub path: &'a str,
    /// Filters.
    pub query: Vec<(&'static str, Option<String>)>,
    /// Most rows.
    pub rows_max: usize,
}

/// Reads `--limit`.
pub fn parse_rows(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=ROWS_MAX).contains(n))
        .ok_or_else(|| format!("`{text}` is not a number of rows from 1 to {ROWS_MAX}"))
}

/// Fetches pages and gives each row to `each`. Says whether there would be more.
async fn walk(
    client: &Client,
    wanted: &Wanted<'_>,
    mut each: impl FnMut(Value) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut left = wanted.rows_max;
    let mut cursor: Option<String> = None;
    loop {
        let mut query = wanted.query.clone();
        query.push(("limit", Some(left.min(PAGE).to_string())));
        query.push(("cursor", cursor.take()));
        let mut page = client.get(&with_query(wanted.path, query)).await?.body;
        let next = field::text(&page, "/next_cursor");
        let rows = match page.get_mut("data").map(Value::take) {
            Some(Value::Array(rows)) => rows,
            _ => return Err(Failure::failed("the server sent something that is not a list")),
        };
        let got = rows.len();
        for row in rows.into_iter().take(left) {
            each(row)?;
        }
        left = left.saturating_sub(got);
        if next.is_empty() || got == 0 {
            return Ok(false);
        }
        if left == 0 {
            return Ok(true);
        }
        cursor = Some(next);
    }
}

/// Prints a list: JSON and plain lines as they come; for people, `keep` gets every row, and the caller prints what it
/// made of them. Says whether there would be more.
pub async fn print(
    session: &mut Session,
    wanted: Wanted<'_>,
    line: impl Fn(&Value) -> Vec<String>,
    mut keep: impl FnMut(&Value),
) -> Result<bool, Failure> {
    let client = session.client().await?;
    let format = session.out.format;
    let mut first = true;
    let more = walk(&client, &wanted, |row| {
        match format {
            Format::Json => {
                let text = serde_json::to_string(&row).map_err(|e| Failure::failed(format!("cannot print: {e}")))?;
                session.out.part(if first { "[\n" } else { ",\n" })?;
                session.out.json_part(&text)?;
            }
            Format::Plain => session.out.result(&plain([line(&row).as_slice()]))?,
            Format::Human => keep(&row),
        }
        first = false;
        Ok(())
    })
    .await?;
    if format == Format::Json {
        session.out.result(if first { "[]" } else { "\n]" })?;
    }
    if more {
        let shown = wanted.rows_max;
        session.out.warn(&format!("only the first {shown} are shown; --limit shows more"));
    }
    Ok(more)
}
