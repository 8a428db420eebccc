//! `argus stats`: sums of what was let through and refused.

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::client::with_query;
use super::exit::{Exit, Outcome};
use super::field;
use super::output::Format;
use super::session::Session;
use super::table::{Cell, Table, Tone, plain};
use super::words::{before, bytes, count, minute, parse_length, parse_moment};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus stats
  argus stats --by key,route --since 24h
  argus stats --by code --since 7d --bucket 1d --plain";

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Each key
    Key,
    /// Each route
    Route,
    /// Each outcome: `ok`, or why it was refused
    Code,
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            By::Key => "key",
            By::Route => "route",
            By::Code => "code",
        }
    }
}

/// What to sum up.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// What to count apart
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "route")]
    pub by: Vec<By>,
    /// From then on: a time ago such as `24h`, or a moment
    #[arg(long, value_name = "WHEN", default_value = "24h", value_parser = Since::parse)]
    pub since: Since,
    /// Up to then [default: now]
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    pub until: Option<Timestamp>,
    /// Sums for every so long, such as `1h`
    #[arg(long, value_name = "TIME", value_parser = bucket)]
    pub bucket: Option<String>,
    /// Only this key
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// A moment, or a time ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(SignedDuration),
    /// That moment.
    At(Timestamp),
}

impl Since {
    fn parse(text: &str) -> Result<Self, String> {
        parse_length(text).map(Since::Ago).or_else(|_| parse_moment(text).map(Since::At)).map_err(|_| {
            format!("`{text}` is not a beginning: write for example `24h`, `2026-12-01` or `2026-12-01T08:00:00Z`")
        })
    }
}

fn bucket(text: &str) -> Result<String, String> {
    parse_length(text).map(|_| text.to_owned())
}

/// Does it.
pub async fn run(session: &mut Session, args: StatsArgs) -> Outcome {
    let from = match args.since {
        Since::Ago(span) => before(session.out.now, span),
        Since::At(at) => at,
    };
    let by: Vec<&str> = args.by.iter().map(|by| by.as_str()).collect();
    let query = [
        ("group_by", Some(by.join(","))),
        ("from", Some(from.to_string())),
        ("to", args.until.map(|at| at.to_string())),
        ("bucket", args.bucket),
        ("key", args.key),
    ];
    let answer = session.client().await?.get(&with_query("/v1/usage", query)).await?.body;
    match session.out.format {
        Format::Json => session.out.json(&Value::Array(objects(&answer)))?,
        Format::Plain => {
            let rows: Vec<Vec<String>> =
                rows(&answer).iter().map(|row| row.iter().map(|cell| field::text(cell, "")).collect()).collect();
            session.out.result(&plain(rows.iter().map(Vec::as_slice)))?;
        }
        Format::Human => {
            let table = table(&answer, &session.out.zone);
            let text = table.render(session.out.paint);
            session.out.result(&text)?;
            if table.len() == 0 {
                session.out.note("no requests in that time");
            }
        }
    }
    if field::is_true(&answer, "/truncated") {
        session.out.warn("there are more rows than are shown; count less apart, or a shorter time");
    }
    Ok(Exit::Done)
}

fn rows(answer: &Value) -> Vec<&[Value]> {
    field::list(answer, "/rows").iter().filter_map(Value::as_array).map(Vec::as_slice).collect()
}

/// Each row as an object.
fn objects(answer: &Value) -> Vec<Value> {
    let columns = field::texts(answer, "/columns");
    rows(answer)
        .into_iter()
        .map(|row| Value::Object(columns.iter().cloned().zip(row.iter().cloned()).collect()))
        .collect()
}

/// The sum of a column of an answer about usage.
pub(super) fn total(answer: &Value, column: &str) -> Option<u64> {
    let at = field::texts(answer, "/columns").iter().position(|name| name == column)?;
    Some(rows(answer).iter().filter_map(|row| row.get(at)?.as_u64()).sum())
}

fn table(answer: &Value, zone: &jiff::tz::TimeZone) -> Table {
    let columns = field::texts(answer, "/columns");
    let heads: Vec<String> = columns
        .iter()
        .map(|name| match name.as_str() {
            "bucket" => "FROM".to_owned(),
            "key" | "route" | "code" | "key_name" => name.to_uppercase().replace('_', " "),
            "bytes_in" => ">IN".to_owned(),
            "bytes_out" => ">OUT".to_owned(),
            number => format!(">{}", number.to_uppercase().replace('_', " ")),
        })
        .collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(&heads);
    for row in rows(answer) {
        let cells = columns.iter().enumerate().map(|(at, name)| cell(name, row.get(at).unwrap_or(&Value::Null), zone));
        table.row(cells.collect());
    }
    table
}

fn cell(column: &str, value: &Value, zone: &jiff::tz::TimeZone) -> Cell {
    match (column, value.as_u64()) {
        ("bytes_in" | "bytes_out", Some(n)) => bytes(n).into(),
        ("refused", Some(n)) if n > 0 => Cell::toned(count(n), Tone::Warn),
        (_, Some(n)) => count(n).into(),
        ("bucket", None) => field::moment(value, "").map_or(String::new(), |at| minute(at, zone)).into(),
        ("code", None) if value.as_str() != Some("ok") => Cell::toned(field::text(value, ""), Tone::Bad),
        _ => field::text_or(value, "", "–").into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::output::Paint;

    fn answer() -> Value {
        json!({"columns": ["bucket", "key", "code", "requests", "refused", "bytes_out"], "rows": [
            ["2026-09-21T13:00:00Z", "key_9f3KtWq2Zc", "ok", 13_902, 0, 1_572_864],
            ["2026-09-21T14:00:00Z", "-", "missing_credentials", 7, 7, 0],
        ]})
    }

    #[test]
    fn usage_is_a_table() {
        assert_eq!(
            table(&answer(), &jiff::tz::TimeZone::UTC).render(Paint::OFF),
            "\
FROM              KEY             CODE                 REQUESTS  REFUSED      OUT
2026-09-21 13:00  key_9f3KtWq2Zc  ok                     13 902        0  1.5 MiB
2026-09-21 14:00  -               missing_credentials         7        7      0 B
"
        );
        assert_eq!(total(&answer(), "requests"), Some(13_909));
        assert_eq!(total(&answer(), "none"), None);
        assert_eq!(objects(&answer())[1]["code"], "missing_credentials");
    }

    #[test]
    fn beginnings_are_moments_or_times_ago() {
        assert_eq!(Since::parse("24h"), Ok(Since::Ago(SignedDuration::from_hours(24))));
        assert!(matches!(Since::parse("2026-09-21"), Ok(Since::At(_))));
        assert!(Since::parse("yesterday").is_err());
    }
}
