//! Commits: changes, their audit records and the revision in one transaction.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::audit::Link;
use super::fault::Fault;
use super::moment::{at, ns};
use super::{documents, key_write, owners, state};
use crate::model::audit::AuditDraft;
use crate::store::{Change, Committed, IdempotencyRecord, StoreError};

/// Makes all of `changes`, or none.
pub(super) fn commit(
    connection: &mut Connection,
    changes: Vec<(Change, AuditDraft)>,
    idempotency: Option<(String, IdempotencyRecord)>,
) -> Result<Committed, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut head = Link::load(&transaction, "head")?;
    let mut keys_more = 0_i64;
    let mut changed = false;
    for (change, draft) in changes {
        changed |= !matches!(change, Change::RecordOnly);
        keys_more += apply(&transaction, change, &draft)?;
        head.append(&transaction, draft)?;
    }
    head.save(&transaction, "head")?;
    if let Some((key, record)) = idempotency {
        remember(&transaction, &key, &record)?;
    }
    state::add(&transaction, state::KEYS, keys_more)?;
    let revision = state::add(&transaction, state::REVISION, i64::from(changed))?;
    transaction.commit()?;
    Ok(Committed { revision, audit_seq: head.seq })
}

/// Makes one change; answers by how many keys there are more.
fn apply(transaction: &Transaction<'_>, change: Change, draft: &AuditDraft) -> Result<i64, Fault> {
    match change {
        Change::InsertKey { stored, max_per_owner } => {
            key_write::insert(transaction, &stored, max_per_owner)?;
            return Ok(1);
        }
        Change::UpdateKey { key, expect } => key_write::update(transaction, &key, expect)?,
        Change::DeleteKey { id, expect, at } => {
            key_write::delete(transaction, id, expect, at, draft)?;
            return Ok(-1);
        }
        Change::InsertOwner(owner) => owners::insert(transaction, &owner)?,
        Change::UpdateOwner { owner, expect } => owners::update(transaction, &owner, expect)?,
        Change::DeleteOwner { id, expect } => owners::delete(transaction, &id, expect)?,
        Change::PutDocument { document, expect } => documents::put(transaction, &document, expect)?,
        Change::DeleteDocument { kind, name, expect } => documents::delete(transaction, kind, &name, expect)?,
        Change::RecordOnly => {}
    }
    Ok(0)
}

/// Compares the version found with the one that was read.
pub(super) fn check_version(kind: &'static str, found: Option<u64>, expect: u64) -> Result<(), StoreError> {
    match found {
        None => Err(StoreError::NotFound { kind }),
        Some(version) if version != expect => Err(StoreError::Conflict { kind }),
        Some(_) => Ok(()),
    }
}

fn remember(transaction: &Transaction<'_>, key: &str, record: &IdempotencyRecord) -> Result<(), Fault> {
    let before: Option<i64> = transaction
        .prepare_cached("SELECT at_ns FROM idempotency WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    if before.is_some_and(|before| record.at.duration_since(at(before)) < IdempotencyRecord::KEPT) {
        return Err(StoreError::Conflict { kind: "idempotency key" }.into());
    }
    transaction.prepare_cached("INSERT OR REPLACE INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        key,
        record.request_hash,
        record.status,
        record.body,
        ns(record.at)
    ])?;
    Ok(())
}

/// What an idempotency key was used for.
pub(super) fn remembered(connection: &Connection, key: &str) -> Result<Option<IdempotencyRecord>, Fault> {
    let record = connection
        .prepare_cached("SELECT request_hash, status, body, at_ns FROM idempotency WHERE key = ?1")?
        .query_row([key], |row| {
            Ok(IdempotencyRecord {
                request_hash: row.get(0)?,
                status: row.get(1)?,
                body: row.get(2)?,
                at: at(row.get(3)?),
            })
        })
        .optional()?;
    Ok(record)
}
