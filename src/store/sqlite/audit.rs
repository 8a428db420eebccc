//! The audit chain: appending to it, showing it, walking it.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::cursor;
use super::fault::Fault;
use super::moment::ns;
use crate::model::audit::{AuditDraft, AuditRecord};
use crate::store::{AuditVerdict, Page, PageRequest};

/// A place in the chain, and the hash of the record there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: [u8; 32],
}

impl Link {
    /// Reads the `base` or the `head`.
    pub(super) fn load(connection: &Connection, part: &str) -> Result<Link, Fault> {
        let mut statement = connection.prepare_cached("SELECT seq, hash FROM audit_chain WHERE part = ?1")?;
        Ok(statement
            .query_row([part], |row| Ok(Link { seq: row.get::<_, i64>(0)?.cast_unsigned(), hash: row.get(1)? }))?)
    }

    /// Writes the `base` or the `head`.
    pub(super) fn save(&self, transaction: &Transaction<'_>, part: &str) -> Result<(), Fault> {
        let mut statement = transaction.prepare_cached("UPDATE audit_chain SET seq = ?2, hash = ?3 WHERE part = ?1")?;
        statement.execute(params![part, self.seq.cast_signed(), self.hash])?;
        Ok(())
    }

    /// Puts a record after this one and moves on to it.
    pub(super) fn append(&mut self, transaction: &Transaction<'_>, draft: AuditDraft) -> Result<(), Fault> {
        let id = record_id(&draft);
        let record = AuditRecord::seal(self.seq + 1, id, draft, &self.hash);
        let text = serde_json::to_string(&record).map_err(Fault::document("audit record"))?;
        let mut statement = transaction.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4)")?;
        let (seq, target) = (record.seq.cast_signed(), &record.draft.target.id);
        statement.execute(params![seq, ns(record.draft.time), target, text])?;
        self.hash = record.compute(&self.hash);
        self.seq = record.seq;
        Ok(())
    }
}

/// A UUIDv7 of the moment the draft names: the store reads no clock.
fn record_id(draft: &AuditDraft) -> uuid::Uuid {
    let seconds = u64::try_from(draft.time.as_second()).unwrap_or(0);
    let nanos = u32::try_from(draft.time.subsec_nanosecond()).unwrap_or(0);
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}

/// A page of records, newest first.
pub(super) fn page(
    connection: &Connection,
    target: Option<&str>,
    request: &PageRequest,
) -> Result<Page<AuditRecord>, Fault> {
    let before = cursor::read(cursor::AUDIT, request)?;
    let mut statement = connection.prepare_cached(
        "SELECT seq, record FROM audit WHERE seq < ?1 AND (?2 IS NULL OR target = ?2) ORDER BY seq DESC LIMIT ?3",
    )?;
    // Without the condition on a missing target the index on targets can be used.
    let mut by_target = connection
        .prepare_cached("SELECT seq, record FROM audit WHERE seq < ?1 AND target = ?2 ORDER BY seq DESC LIMIT ?3")?;
    let statement = if target.is_some() { &mut by_target } else { &mut statement };
    let mut rows = statement.query(params![before, target, cursor::rows_wanted(request)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        found.push((row.get(0)?, serde_json::from_str(&text).map_err(Fault::document("audit record"))?));
    }
    Ok(cursor::page(cursor::AUDIT, request, found))
}

/// Walks the chain from its base to its head.
pub(super) fn verify(connection: &mut Connection) -> Result<AuditVerdict, Fault> {
    // One transaction sees one state, whatever is written meanwhile.
    let transaction = connection.transaction()?;
    let base = Link::load(&transaction, "base")?;
    let head = Link::load(&transaction, "head")?;
    let mut last = base;
    let mut statement = transaction.prepare("SELECT seq, time_ns, target, record FROM audit ORDER BY seq")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        let expected = last.seq + 1;
        if seq > expected {
            return Ok(AuditVerdict::Gap { seq: expected });
        }
        let (time_ns, target, text): (i64, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let altered = AuditVerdict::Altered { seq };
        let Ok(record) = serde_json::from_str::<AuditRecord>(&text) else { return Ok(altered) };
        let hash = record.compute(&last.hash);
        let whole = seq == expected
            && record.seq == seq
            && ns(record.draft.time) == time_ns
            && record.draft.target.id == target
            && record.prev_hash == hex::encode(last.hash)
            && record.hash == hex::encode(hash);
        if !whole {
            return Ok(altered);
        }
        last = Link { seq, hash };
    }
    if last.seq < head.seq {
        return Ok(AuditVerdict::Gap { seq: last.seq + 1 });
    }
    // A record that was added, or a last one that was written anew, is not the one the head knows.
    if last != head {
        return Ok(AuditVerdict::Altered { seq: last.seq });
    }
    Ok(AuditVerdict::Ok {
        records: last.seq - base.seq,
        first_seq: base.seq + 1,
        last_seq: last.seq,
        head: hex::encode(last.hash),
    })
}

/// The newest record that may go: the one before the first that is not older than `before_ns`, and its hash.
pub(super) fn last_older(connection: &Connection, before_ns: i64, rows_max: u32) -> Result<Option<Link>, Fault> {
    let base = Link::load(connection, "base")?;
    let first_kept: Option<i64> = connection
        .query_row("SELECT seq FROM audit WHERE time_ns >= ?1 ORDER BY seq LIMIT 1", [before_ns], |row| row.get(0))
        .optional()?;
    let limit = base.seq.cast_signed().saturating_add(rows_max.into());
    let last: Option<(i64, String)> = connection
        .query_row(
            "SELECT seq, record FROM audit WHERE seq < coalesce(?1, 9223372036854775807) AND seq <= ?2
             ORDER BY seq DESC LIMIT 1",
            params![first_kept, limit],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((seq, text)) = last else { return Ok(None) };
    let record: AuditRecord = serde_json::from_str(&text).map_err(Fault::document("audit record"))?;
    let mut hash = [0; 32];
    if hex::decode_to_slice(&record.hash, &mut hash).is_err() {
        // A chain that was tampered with is not shortened: what verification would show must stay.
        return Ok(None);
    }
    Ok(Some(Link { seq: seq.cast_unsigned(), hash }))
}
