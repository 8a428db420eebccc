//! Very many keys at once.

use rusqlite::{Connection, TransactionBehavior};

use super::audit::Link;
use super::fault::Fault;
use super::{key_write, state};
use crate::model::audit::AuditDraft;
use crate::store::StoredKey;

/// Adds all of `keys` in one transaction, with one audit record for all of them.
pub(super) fn keys(
    connection: &mut Connection,
    keys: impl IntoIterator<Item = StoredKey>,
    draft: AuditDraft,
) -> Result<u64, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut count = 0_i64;
    for stored in keys {
        key_write::insert_row(&transaction, &stored)?;
        count += 1;
    }
    let mut head = Link::load(&transaction, "head")?;
    head.append(&transaction, draft)?;
    head.save(&transaction, "head")?;
    state::add(&transaction, state::KEYS, count)?;
    state::add(&transaction, state::REVISION, 1)?;
    transaction.commit()?;
    Ok(count.cast_unsigned())
}
