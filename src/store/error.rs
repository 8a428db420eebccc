//! What may go wrong with a store.

use std::time::Duration;

/// What may go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something of that name or external id exists already.
    #[error("a {kind} named `{name}` already exists")]
    Duplicate {
        /// `key`, `owner`, ….
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The record was changed since it was read.
    #[error("the {kind} was changed by somebody else in between")]
    Conflict {
        /// `key`, `owner`, ….
        kind: &'static str,
    },
    /// There is no such record.
    #[error("there is no such {kind}")]
    NotFound {
        /// `key`, `owner`, ….
        kind: &'static str,
    },
    /// Others depend on the record.
    #[error("the {kind} is still used by {by}")]
    InUse {
        /// `owner`, `role`, ….
        kind: &'static str,
        /// By what, in words.
        by: String,
    },
    /// A bound of the configuration.
    #[error("{0}")]
    Bound(String),
    /// Written by a newer version of Argus.
    #[error(
        "{path} was written by a newer version of argus (schema {found}, this version knows {known}): start that version, or put back the backup made before the upgrade"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: u32,
        /// The newest we know.
        known: u32,
    },
    /// Not a store, or damaged.
    #[error(
        "{path} is not a readable argus store: {detail}. Put back a backup of its directory, or move the directory away to start with an empty store"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What the engine said.
        detail: String,
    },
    /// Another process has it.
    #[error("{path} is in use by another argus process: stop that one, or give this one another directory")]
    Locked {
        /// The file.
        path: String,
    },
    /// No room.
    #[error("the disk that holds {path} is full: nothing was changed")]
    DiskFull {
        /// The file.
        path: String,
    },
    /// We may not read or write it, or it cannot be made.
    #[error("{path} cannot be used: {detail}. Check its owner and mode, or use another directory")]
    Permission {
        /// The file or directory.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// A cursor that no page of this list gave.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// Too many calls wait already.
    #[error("{0} calls wait for the store already")]
    Busy(usize),
    /// It took longer than it may.
    #[error("the store did not answer within {0:?}")]
    Timeout(Duration),
    /// Anything else of the engine's.
    #[error("the store failed: {0}")]
    Engine(String),
}
