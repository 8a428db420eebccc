//! What is particular to this store: its files, its locks, its threads, and tampering with it.

mod files;
mod lanes;
mod plans;
mod reopen;
mod tamper;

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{SqliteOptions, SqliteStore};
use crate::store::StoreError;

/// A store in a directory that goes with it.
pub(super) struct Fresh {
    pub(super) store: SqliteStore,
    pub(super) dir: TempDir,
}

pub(super) fn fresh() -> Fresh {
    fresh_with(SqliteOptions::default())
}

fn fresh_with(options: SqliteOptions) -> Fresh {
    let dir = TempDir::new().unwrap();
    Fresh { store: SqliteStore::open(&dir.path().join("data"), options).unwrap(), dir }
}

/// Deletes by age one row at a time, which must come to the same.
fn fresh_with_small_rounds() -> Fresh {
    fresh_with(SqliteOptions { purge_rows: 1, ..SqliteOptions::default() })
}

fn open(dir: &TempDir) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&dir.path().join("data"), SqliteOptions::default())
}

impl Fresh {
    /// Closes the store.
    fn close(self) -> TempDir {
        drop(self.store);
        self.dir
    }
}

fn path(dir: &TempDir, file: &str) -> PathBuf {
    dir.path().join("data").join(file)
}

/// The record, as somebody with a console sees it.
fn console(dir: &TempDir) -> Connection {
    Connection::open(path(dir, "argus.db")).unwrap()
}

mod contract {
    crate::store::contract::suite!(super::super::fresh);
}

mod contract_in_small_rounds {
    crate::store::contract::suite! { @ super::super::fresh_with_small_rounds;
        retention: old_usage_goes audit_goes_from_the_start tombstones_and_totals_go addresses_are_cut
            nothing_to_do_is_not_recorded;
    }
}
