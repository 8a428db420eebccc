//! Numbers kept so that nobody has to count.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::fault::Fault;

/// Number of the last commit that changed something.
pub(super) const REVISION: &str = "revision";
/// Keys that are not deleted.
pub(super) const KEYS: &str = "keys";
/// Health checks that wrote.
const PING: &str = "ping";

/// Reads a number.
pub(super) fn read(connection: &Connection, name: &str) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached("SELECT value FROM state WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

/// Adds to a number, and answers what it is then.
pub(super) fn add(transaction: &Transaction<'_>, name: &str, by: i64) -> Result<u64, Fault> {
    if by != 0 {
        transaction
            .prepare_cached("UPDATE state SET value = value + ?2 WHERE name = ?1")?
            .execute(params![name, by])?;
    }
    read(transaction, name)
}

/// Writes a number and reads it back.
pub(super) fn ping(connection: &mut Connection) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    add(&transaction, PING, 1)?;
    transaction.commit()?;
    Ok(())
}
