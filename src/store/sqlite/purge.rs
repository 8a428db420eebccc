//! Retention: deleting by age, some rows (`rows_max` of a kind) at a time so that nobody waits long behind it.
//!
//! The record of it is written with what goes from `argus.db`. Usage goes before, from its own file: if the process
//! ends in between, some usage has gone unrecorded.

use std::net::IpAddr;

use ipnet::IpNet;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::Value;

use super::audit::{self, Link};
use super::fault::Fault;
use super::moment::ns;
use super::usage::{first_day, first_minute};
use crate::model::audit::{AuditDraft, FieldChange};
use crate::store::{PurgeBefore, Purged};

/// What a round over the record did.
pub(super) struct Round {
    /// How much went.
    pub(super) purged: Purged,
    /// Public ids of keys whose tombstones went: nothing else of them should stay.
    pub(super) forgotten: Vec<String>,
    /// Whether there may be more to delete.
    pub(super) more: bool,
}

/// Deletes from the record, and writes into the chain what was deleted here and, by `usage`, before.
pub(super) fn record(
    connection: &mut Connection,
    before: PurgeBefore,
    usage: Purged,
    mut draft: AuditDraft,
    rows_max: u32,
) -> Result<Round, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut round = Round { purged: usage, forgotten: Vec::new(), more: false };
    if let Some(before) = before.audit {
        // What is recorded now must not go in the next round, or there would be no end of it.
        round.purged.audit = audit_before(&transaction, ns(before.min(draft.time)), rows_max)?;
    }
    if let Some(before) = before.tombstones {
        round.forgotten = tombstones_before(&transaction, ns(before), rows_max)?;
        round.purged.tombstones = round.forgotten.len() as u64;
    }
    if let Some(before) = before.idempotency {
        round.purged.idempotency = transaction.execute(
            "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at_ns < ?1 LIMIT ?2)",
            params![ns(before), rows_max],
        )? as u64;
    }
    let Purged { audit, tombstones, idempotency, .. } = round.purged;
    round.more = [audit, tombstones, idempotency].iter().any(|deleted| *deleted >= u64::from(rows_max));
    let changes = changes(&round.purged);
    if !changes.is_empty() {
        draft.changes = changes;
        let mut head = Link::load(&transaction, "head")?;
        head.append(&transaction, draft)?;
        head.save(&transaction, "head")?;
    }
    transaction.commit()?;
    Ok(round)
}

fn audit_before(transaction: &Transaction<'_>, before_ns: i64, rows_max: u32) -> Result<u64, Fault> {
    let Some(last) = audit::last_older(transaction, before_ns, rows_max)? else { return Ok(0) };
    last.save(transaction, "base")?;
    Ok(transaction.execute("DELETE FROM audit WHERE seq <= ?1", [last.seq.cast_signed()])? as u64)
}

fn tombstones_before(transaction: &Transaction<'_>, before_ns: i64, rows_max: u32) -> Result<Vec<String>, Fault> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM tombstones WHERE id IN (SELECT id FROM tombstones WHERE deleted_ns < ?1 LIMIT ?2) RETURNING id",
    )?;
    let ids = statement.query_map(params![before_ns, rows_max], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// The counts as changes of an audit record. Idempotency records last a day and are nobody's concern.
fn changes(purged: &Purged) -> Vec<FieldChange> {
    let counts = [
        ("/usage", purged.usage),
        ("/audit", purged.audit),
        ("/tombstones", purged.tombstones),
        ("/addresses", purged.addresses),
    ];
    let deleted = counts.into_iter().filter(|(_, count)| *count > 0);
    deleted.map(|(path, count)| FieldChange { path: path.into(), before: count.into(), after: Value::Null }).collect()
}

/// Deletes some usage; answers how much, and whether there may be more.
pub(super) fn usage(connection: &mut Connection, before: PurgeBefore, rows_max: u32) -> Result<(Purged, bool), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut purged = Purged::default();
    let mut more = false;
    let starts = [("minutes", before.usage_minutes.map(first_minute)), ("days", before.usage_days.map(first_day))];
    for (table, before) in starts {
        let Some(before) = before else { continue };
        let (deleted, full) = starts_before(&transaction, table, before, rows_max)?;
        purged.usage += deleted;
        more |= full;
    }
    if let Some(before) = before.addresses {
        purged.addresses = cut_addresses(&transaction, ns(before), rows_max)?;
        more |= purged.addresses >= u64::from(rows_max);
    }
    transaction.commit()?;
    Ok((purged, more))
}

/// Deletes whole starts, as many as hold about `rows_max` rows.
fn starts_before(transaction: &Transaction<'_>, table: &str, before: i64, rows_max: u32) -> Result<(u64, bool), Fault> {
    let full: Option<i64> = transaction
        .query_row(
            &format!("SELECT start FROM {table} WHERE start < ?1 ORDER BY start LIMIT 1 OFFSET ?2"),
            params![before, rows_max],
            |row| row.get(0),
        )
        .optional()?;
    let end = full.map_or(before, |start| start + 1);
    let deleted = transaction.execute(&format!("DELETE FROM {table} WHERE start < ?1"), [end])?;
    Ok((deleted as u64, full.is_some()))
}

/// Deletes series that nothing counts any more, among `rows_max` from `after`; answers where to go on.
pub(super) fn series(connection: &mut Connection, after: i64, rows_max: u32) -> Result<Option<i64>, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last: Option<i64> = transaction.query_row(
        "SELECT max(id) FROM (SELECT id FROM series WHERE id > ?1 ORDER BY id LIMIT ?2)",
        params![after, rows_max],
        |row| row.get(0),
    )?;
    let Some(last) = last else { return Ok(None) };
    transaction.execute(
        "DELETE FROM series WHERE id > ?1 AND id <= ?2
             AND NOT EXISTS (SELECT 1 FROM minutes WHERE minutes.series = series.id)
             AND NOT EXISTS (SELECT 1 FROM days WHERE days.series = series.id)",
        [after, last],
    )?;
    transaction.commit()?;
    Ok(Some(last))
}

/// Forgets what deleted keys have done.
pub(super) fn totals(connection: &mut Connection, ids: &[String]) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut statement = transaction.prepare_cached("DELETE FROM key_totals WHERE key = ?1")?;
    for id in ids {
        statement.execute([id])?;
    }
    drop(statement);
    transaction.commit()?;
    Ok(())
}

fn cut_addresses(transaction: &Transaction<'_>, before_ns: i64, rows_max: u32) -> Result<u64, Fault> {
    let mut select = transaction.prepare_cached(
        "SELECT key, ip FROM key_totals WHERE ip_cut = 0 AND ip IS NOT NULL AND last_ns < ?1 LIMIT ?2",
    )?;
    let rows = select.query_map(params![before_ns, rows_max], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    let mut update = transaction.prepare_cached("UPDATE key_totals SET ip = ?2, ip_cut = 1 WHERE key = ?1")?;
    for (key, ip) in &rows {
        update.execute([key, &cut(ip)])?;
    }
    Ok(rows.len() as u64)
}

/// The network of an address: /24, or /48 for IPv6. What is no address tells of no client.
fn cut(ip: &str) -> String {
    let Ok(address) = ip.parse::<IpAddr>() else { return String::new() };
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, bits).map_or(String::new(), |net| net.network().to_string())
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn addresses_are_cut_to_their_network() {
        for (whole, expected) in [
            ("203.0.113.9", "203.0.113.0"),
            ("2001:db8:1:2:3::4", "2001:db8:1::"),
            ("::ffff:203.0.113.9", "203.0.113.0"),
            ("unix", ""),
        ] {
            assert_eq!(cut(whole), expected);
        }
    }
}
