//! Migrations: numbered SQL files, each applied in one transaction with the new number.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::fault::Fault;
use crate::store::StoreError;

/// One of the two databases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema {
    /// What the file's header says it is.
    application_id: u32,
    /// The first is number 1.
    migrations: &'static [&'static str],
}

/// Keys and everything else that must not be lost.
pub(super) const RECORD: Schema = Schema {
    application_id: u32::from_be_bytes(*b"ARGU"),
    migrations: &[include_str!("../../../migrations/sqlite/0001_initial.sql")],
};

/// Usage and counters.
pub(super) const USAGE: Schema = Schema {
    application_id: u32::from_be_bytes(*b"ARUS"),
    migrations: &[include_str!("../../../migrations/sqlite/usage/0001_initial.sql")],
};

/// Brings the database up to date. Refuses one of a newer version or of another program, and leaves it as it was.
pub(super) fn migrate(connection: &mut Connection, path: &Path, schema: Schema) -> Result<(), Fault> {
    let known = u32::try_from(schema.migrations.len()).unwrap_or(u32::MAX);
    let found = version(connection, path, schema)?;
    if found > known {
        return Err(StoreError::Newer { path: path.display().to_string(), found, known }.into());
    }
    for number in found..known {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(schema.migrations[number as usize])?;
        transaction.execute("DELETE FROM schema_version", ())?;
        transaction.execute("INSERT INTO schema_version VALUES (?1)", [number + 1])?;
        transaction.commit()?;
    }
    Ok(())
}

/// The schema the file has; 0 when it is empty.
fn version(connection: &Connection, path: &Path, schema: Schema) -> Result<u32, Fault> {
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables == 0 {
        return Ok(0);
    }
    let application_id: u32 = connection.query_row("PRAGMA application_id", (), |row| row.get(0))?;
    let damaged = |detail: &str| StoreError::Damaged { path: path.display().to_string(), detail: detail.to_owned() };
    if application_id != schema.application_id {
        return Err(damaged("it is a database of something else").into());
    }
    connection
        .query_row("SELECT version FROM schema_version", (), |row| row.get(0))
        .optional()?
        .ok_or_else(|| damaged("it does not say which schema it has").into())
}
