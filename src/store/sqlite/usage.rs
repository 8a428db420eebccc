//! Usage: what is counted by minute and by day, and what each key has done altogether.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter};

use super::fault::Fault;
use super::moment::{at, ns};
use crate::model::id::KeyId;
use crate::store::{KeyUsage, LastUse, UsageBatch, UsageCounts, UsageGroup, UsageKey, UsageQuery, UsageRow};

const SECOND_NS: i128 = 1_000_000_000;
const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;
const MINUTES_A_DAY: i64 = DAY_S / MINUTE_S;

/// Outcome of a call that was let through.
const OK: &str = "ok";
/// Stands for "no key" in an answer.
const NO_KEY: &str = "-";

/// The first whole `unit` of seconds that begins at `at` or later, counted from 1970.
pub(super) fn first_from(at: Timestamp, unit: i64) -> i64 {
    let unit = i128::from(unit) * SECOND_NS;
    let whole = at.as_nanosecond().div_euclid(unit) + i128::from(at.as_nanosecond().rem_euclid(unit) != 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}

/// The first minute that begins at `at` or later.
pub(super) fn first_minute(at: Timestamp) -> i64 {
    first_from(at, MINUTE_S)
}

/// The first day that begins at `at` or later.
pub(super) fn first_day(at: Timestamp) -> i64 {
    first_from(at, DAY_S)
}

/// Adds a batch to minutes, days and totals.
pub(super) fn add(connection: &mut Connection, batch: &UsageBatch) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let minute = batch.minute.as_second().div_euclid(MINUTE_S);
    for (key, counts) in &batch.counts {
        let series = series(&transaction, key)?;
        for (table, start) in [("minutes", minute), ("days", minute.div_euclid(MINUTES_A_DAY))] {
            add_counts(&transaction, table, start, series, counts)?;
        }
        if let Some(id) = key.key {
            add_total(&transaction, id, counts.requests, if key.code == OK { 0 } else { counts.requests })?;
        }
    }
    for (id, last) in &batch.last_use {
        set_last_use(&transaction, *id, last)?;
    }
    transaction.commit()?;
    Ok(())
}

fn series(transaction: &Transaction<'_>, key: &UsageKey) -> Result<i64, Fault> {
    let id = key.key.as_ref().map_or("", |id| id.public());
    let found = transaction
        .prepare_cached("SELECT id FROM series WHERE key = ?1 AND route = ?2 AND code = ?3")?
        .query_row([id, &key.route, &key.code], |row| row.get(0))
        .optional()?;
    if let Some(found) = found {
        return Ok(found);
    }
    transaction
        .prepare_cached("INSERT INTO series (key, route, code) VALUES (?1, ?2, ?3)")?
        .execute([id, &key.route, &key.code])?;
    Ok(transaction.last_insert_rowid())
}

fn add_counts(
    transaction: &Transaction<'_>,
    table: &str,
    start: i64,
    series: i64,
    counts: &UsageCounts,
) -> Result<(), Fault> {
    let sql = format!(
        "INSERT INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
             requests = requests + excluded.requests, cost = cost + excluded.cost,
             bytes_in = bytes_in + excluded.bytes_in, bytes_out = bytes_out + excluded.bytes_out"
    );
    transaction.prepare_cached(&sql)?.execute(params![
        start,
        series,
        number(counts.requests),
        number(counts.cost),
        number(counts.bytes_in),
        number(counts.bytes_out)
    ])?;
    Ok(())
}

fn add_total(transaction: &Transaction<'_>, id: KeyId, requests: u64, refused: u64) -> Result<(), Fault> {
    transaction
        .prepare_cached(
            "INSERT INTO key_totals (key, total, refused) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET
                 total = total + excluded.total, refused = refused + excluded.refused",
        )?
        .execute(params![id.public(), number(requests), number(refused)])?;
    Ok(())
}

/// Keeps the later one of two last uses: batches may arrive out of order.
fn set_last_use(transaction: &Transaction<'_>, id: KeyId, last: &LastUse) -> Result<(), Fault> {
    transaction
        .prepare_cached(
            "INSERT INTO key_totals (key, total, refused, last_ns, ip, country, route, status)
             VALUES (?1, 0, 0, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
                 last_ns = excluded.last_ns, ip = excluded.ip, country = excluded.country, route = excluded.route,
                 status = excluded.status, ip_cut = 0
             WHERE last_ns IS NULL OR excluded.last_ns >= last_ns",
        )?
        .execute(params![id.public(), ns(last.at), last.ip, last.country, last.route, last.status])?;
    Ok(())
}

/// The engine's numbers are signed. Nobody counts that far; if something does, it stops at the end.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What the keys have done.
pub(super) fn of_keys(connection: &Connection, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUsage>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT total, refused, last_ns, ip, country, route, status FROM usage.key_totals WHERE key = ?1",
    )?;
    let mut found = BTreeMap::new();
    for key in keys {
        if let Some(usage) = statement.query_row([key.public()], key_usage).optional()? {
            found.insert(*key, usage);
        }
    }
    Ok(found)
}

fn key_usage(row: &Row<'_>) -> rusqlite::Result<KeyUsage> {
    let last_used = match row.get::<_, Option<i64>>(2)? {
        None => None,
        Some(last) => Some(LastUse {
            at: at(last),
            ip: row.get(3)?,
            country: row.get(4)?,
            route: row.get(5)?,
            status: row.get(6)?,
        }),
    };
    Ok(KeyUsage { total: count(row, 0)?, refused: count(row, 1)?, last_used })
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// Answers a question about usage.
pub(super) fn answer(connection: &Connection, query: &UsageQuery) -> Result<Vec<UsageRow>, Fault> {
    let bucket_s = query.bucket_seconds.map(|seconds| i64::from(seconds).max(MINUTE_S));
    let mut sources = Sources::new(query);
    match bucket_s {
        Some(seconds) if seconds < DAY_S => sources.minutes(first_minute(query.from), first_minute(query.to)),
        Some(_) => sources.days(first_day(query.from), first_day(query.to)),
        None => sources.whole_days_and_ends(query.from, query.to),
    }
    let groups: Vec<&str> = query
        .group_by
        .iter()
        .map(|group| match group {
            UsageGroup::Key => "s.key",
            UsageGroup::Route => "s.route",
            UsageGroup::Code => "s.code",
        })
        .collect();
    let bucket = bucket_s.map_or("NULL".to_owned(), |seconds| format!("(u.second / {seconds}) * {seconds}"));
    let mut columns = vec![bucket];
    columns.extend(groups.iter().map(|&column| column.to_owned()));
    let by = (1..=columns.len()).map(|at| at.to_string()).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {}, sum(CASE s.code WHEN '{OK}' THEN 0 ELSE u.requests END), sum(u.requests), sum(u.cost),
             sum(u.bytes_in), sum(u.bytes_out)
         FROM ({}) u JOIN usage.series s ON s.id = u.series
         GROUP BY {by} ORDER BY {by} LIMIT ?",
        columns.join(", "),
        sources.sql.join(" UNION ALL "),
    );
    sources.values.push(Value::Integer(i64::try_from(query.rows_max).unwrap_or(i64::MAX)));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(sources.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(usage_row(row, &query.group_by)?);
    }
    Ok(found)
}

fn usage_row(row: &Row<'_>, group_by: &[UsageGroup]) -> Result<UsageRow, Fault> {
    let bucket: Option<i64> = row.get(0)?;
    let mut group = Vec::with_capacity(group_by.len());
    for (at, kind) in group_by.iter().enumerate() {
        let text: String = row.get(at + 1)?;
        group.push(match kind {
            UsageGroup::Key if text.is_empty() => NO_KEY.to_owned(),
            UsageGroup::Key => format!("key_{text}"),
            UsageGroup::Route | UsageGroup::Code => text,
        });
    }
    let first = group.len() + 1;
    Ok(UsageRow {
        bucket: bucket.map(|second| Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)),
        group,
        refused: count(row, first)?,
        counts: UsageCounts {
            requests: count(row, first + 1)?,
            cost: count(row, first + 2)?,
            bytes_in: count(row, first + 3)?,
            bytes_out: count(row, first + 4)?,
        },
    })
}

/// The tables, or parts of them, that an answer is put together from.
struct Sources<'a> {
    query: &'a UsageQuery,
    sql: Vec<String>,
    values: Vec<Value>,
}

impl<'a> Sources<'a> {
    fn new(query: &'a UsageQuery) -> Self {
        Sources { query, sql: Vec::new(), values: Vec::new() }
    }

    fn minutes(&mut self, from: i64, to: i64) {
        self.add("minutes", MINUTE_S, from, to);
    }

    fn days(&mut self, from: i64, to: i64) {
        self.add("days", DAY_S, from, to);
    }

    /// Days are kept longer than minutes and are fewer; only the ends of the span need minutes.
    fn whole_days_and_ends(&mut self, from: Timestamp, to: Timestamp) {
        let (first, last) = (first_minute(from), first_minute(to));
        let (first_day, last_day) = (first_day(from), last.div_euclid(MINUTES_A_DAY));
        if first_day >= last_day {
            self.minutes(first, last);
            return;
        }
        self.minutes(first, first_day * MINUTES_A_DAY);
        self.days(first_day, last_day);
        self.minutes(last_day * MINUTES_A_DAY, last);
    }

    fn add(&mut self, table: &str, unit: i64, from: i64, to: i64) {
        let (index, series) = match self.query.key {
            None => ("", ""),
            Some(_) => ("_series", " AND series IN (SELECT id FROM usage.series WHERE key = ?)"),
        };
        // Without figures about the tables the engine might walk all minutes of the span for the sake of one key.
        let index = if index.is_empty() { String::new() } else { format!(" INDEXED BY {table}{index}") };
        self.sql.push(format!(
            "SELECT start * {unit} AS second, series, requests, cost, bytes_in, bytes_out
             FROM usage.{table}{index} WHERE start >= ? AND start < ?{series}"
        ));
        self.values.push(from.into());
        self.values.push(to.into());
        if let Some(key) = self.query.key {
            self.values.push(key.public().to_owned().into());
        }
    }
}
