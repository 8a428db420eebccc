//! What goes wrong inside a job, before anybody has said to which file.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::store::StoreError;

/// An error of the engine, or one that is ready to be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The engine's.
    #[error(transparent)]
    Engine(#[from] rusqlite::Error),
    /// Ours.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored document that is not what it should be.
    #[error("the stored {what} cannot be read: {source}")]
    Document {
        /// `key`, `owner`, ….
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl Fault {
    /// A document's error.
    pub(super) fn document(what: &'static str) -> impl Fn(serde_json::Error) -> Fault {
        move |source| Fault::Document { what, source }
    }

    /// The error as it is told, about the file `path`, in a job that had `deadline`.
    pub(super) fn told(self, path: &Path, deadline: Duration) -> StoreError {
        let path = path.display().to_string();
        match self {
            Fault::Store(error) => error,
            Fault::Document { .. } => StoreError::Damaged { path, detail: self.to_string() },
            Fault::Engine(error) => engine(&error, path, deadline),
        }
    }
}

fn engine(error: &rusqlite::Error, path: String, deadline: Duration) -> StoreError {
    let Some(code) = error.sqlite_error_code() else { return StoreError::Engine(format!("{path}: {error}")) };
    let extended = error.sqlite_error().map_or(0, |e| e.extended_code);
    match code {
        ErrorCode::DiskFull => StoreError::DiskFull { path },
        // The engine could not enlarge the memory it shares between connections, which is a file beside the database.
        ErrorCode::SystemIoFailure if extended == ffi::SQLITE_IOERR_SHMSIZE => StoreError::DiskFull { path },
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Damaged { path, detail: error.to_string() },
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            StoreError::Permission { path, detail: error.to_string() }
        }
        ErrorCode::OperationInterrupted => StoreError::Timeout(deadline),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Engine(format!("{path}: another program keeps the file locked ({error})"))
        }
        _ => StoreError::Engine(format!("{path}: {error}")),
    }
}

/// The system's error about `path`.
pub(super) fn io_error(path: &Path, error: &io::Error) -> StoreError {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
        _ => StoreError::Permission { path, detail: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_errors_say_whose_fault_it_is() {
        type Expected = fn(&StoreError) -> bool;
        let cases: [(i32, Expected); 9] = [
            (ffi::SQLITE_FULL, |e| matches!(e, StoreError::DiskFull { .. })),
            (ffi::SQLITE_IOERR_SHMSIZE, |e| matches!(e, StoreError::DiskFull { .. })),
            (ffi::SQLITE_IOERR_READ, |e| matches!(e, StoreError::Engine(_))),
            (ffi::SQLITE_CORRUPT, |e| matches!(e, StoreError::Damaged { .. })),
            (ffi::SQLITE_NOTADB, |e| matches!(e, StoreError::Damaged { .. })),
            (ffi::SQLITE_READONLY, |e| matches!(e, StoreError::Permission { .. })),
            (ffi::SQLITE_CANTOPEN, |e| matches!(e, StoreError::Permission { .. })),
            (ffi::SQLITE_INTERRUPT, |e| matches!(e, StoreError::Timeout(_))),
            (ffi::SQLITE_BUSY, |e| matches!(e, StoreError::Engine(text) if text.contains("another program"))),
        ];
        for (code, expected) in cases {
            let fault = Fault::Engine(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
            let told = fault.told(Path::new("argus.db"), Duration::from_secs(1));
            assert!(expected(&told), "{code}: {told}");
        }
    }

    #[test]
    fn system_errors_name_the_path() {
        let full = io_error(Path::new("/data"), &io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(full, StoreError::DiskFull { path } if path == "/data"));
        let denied = io_error(Path::new("/data"), &io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(matches!(&denied, StoreError::Permission { path, .. } if path == "/data"), "{denied}");
    }
}
