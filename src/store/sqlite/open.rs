//! Opening the files of a store: one process a directory, nothing readable by others, nothing damaged.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::{Fault, io_error};
use super::migrate::{self, Schema};
use crate::store::StoreError;

/// Keys, owners, documents, audit.
pub(super) const RECORD_FILE: &str = "argus.db";
/// Usage and counters.
pub(super) const USAGE_FILE: &str = "usage.db";
/// Held locked by the process that has the store open. Never one of the databases: closing any descriptor of such a
/// file gives up the engine's own locks on it.
const LOCK_FILE: &str = "argus.lock";

/// How long a connection waits for another program, such as a console, to let go of a file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// A write-ahead log that grew beyond this is cut back once it has been taken over.
const WAL_KEPT_BYTES: i64 = 64 << 20;
/// Statements each connection keeps prepared.
const STATEMENTS_MAX: usize = 64;
/// Cache of a writing connection. Keys and digests are random, so that inserting many touches many pages.
const WRITER_CACHE_KIB: i64 = 64 << 10;
/// Cache of a reading connection.
const READER_CACHE_KIB: i64 = 8 << 10;

const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// What a SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How hard a commit is held to the disk.
#[derive(Debug, Clone, Copy)]
pub(super) enum Durability {
    /// Synchronised before it is answered.
    Full,
    /// Synchronised now and then: whole after a crash of the machine, but perhaps without the last commits.
    Relaxed,
}

/// Makes the directory if need be, and locks it for this process.
pub(super) fn lock_directory(dir: &Path) -> Result<File, StoreError> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir).map_err(|e| io_error(dir, &e))?;
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(FILE_MODE)
        .open(&path)
        .map_err(|e| io_error(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: dir.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(io_error(&path, &error)),
    }
}

/// A file of the store, looked at and made ready.
pub(super) struct Database {
    path: PathBuf,
    durability: Durability,
    /// The file is shorter than it says, and a write-ahead log may explain it.
    doubtful: bool,
}

impl Database {
    /// Looks at the file without the engine, and makes it if there is none. `others` tells that the store was used
    /// before, so that an empty or missing file means loss.
    pub(super) fn prepare(path: PathBuf, durability: Durability, others: Option<&Path>) -> Result<Self, StoreError> {
        let length = match std::fs::metadata(&path) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(io_error(&path, &error)),
        };
        let mut doubtful = false;
        if length > 0 {
            doubtful = inspect(&path, length)?;
            tighten(&path)?;
        } else {
            if let Some(other) = others.filter(|other| std::fs::metadata(other).is_ok_and(|meta| meta.len() > 0)) {
                let detail = format!("it is missing or empty, although {} is there", other.display());
                return Err(StoreError::Damaged { path: path.display().to_string(), detail });
            }
            let mut options = OpenOptions::new();
            options.create(true).append(true).mode(FILE_MODE).open(&path).map_err(|e| io_error(&path, &e))?;
        }
        Ok(Database { path, durability, doubtful })
    }

    /// The connection that writes, with the schema brought up to date.
    pub(super) fn writer(&self, schema: Schema) -> Result<Connection, StoreError> {
        self.try_writer(schema).map_err(|fault| fault.told(&self.path, BUSY_TIMEOUT))
    }

    fn try_writer(&self, schema: Schema) -> Result<Connection, Fault> {
        let mut connection = self.connect(WRITER_CACHE_KIB)?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
        if mode != "wal" {
            let text = format!("{}: its file system cannot share memory; use a local disk", self.path.display());
            return Err(StoreError::Engine(text).into());
        }
        if self.doubtful {
            let found: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
            if found != "ok" {
                return Err(StoreError::Damaged { path: self.path.display().to_string(), detail: found }.into());
            }
        }
        let synchronous = match self.durability {
            Durability::Full => "FULL",
            Durability::Relaxed => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        migrate::migrate(&mut connection, &self.path, schema)?;
        Ok(connection)
    }

    /// A connection that only reads, and sees the file `usage` as the schema `usage`.
    pub(super) fn reader(&self, usage: &Path) -> Result<Connection, StoreError> {
        let open = || -> Result<Connection, Fault> {
            let connection = self.connect(READER_CACHE_KIB)?;
            connection.execute("ATTACH ?1 AS usage", [usage.display().to_string()])?;
            connection.pragma_update(None, "query_only", "ON")?;
            Ok(connection)
        };
        open().map_err(|fault| fault.told(&self.path, BUSY_TIMEOUT))
    }

    fn connect(&self, cache_kib: i64) -> Result<Connection, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // Before anything else: switching to the write-ahead log fails at once if another connection is about.
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // The engine is content with a file it may only read, until somebody wants to write.
        if connection.is_readonly(rusqlite::MAIN_DB)? {
            let (path, detail) = (self.path.display().to_string(), "it is read-only for this user".to_owned());
            return Err(StoreError::Permission { path, detail }.into());
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        connection.pragma_update(None, "cell_size_check", "ON")?;
        Ok(connection)
    }
}

/// Finds a file that is not a database or was cut short, which the engine would notice only when it meets the hole.
/// A crash may leave it short beside a write-ahead log that holds the rest: `true` tells of this, and leaves the last
/// word to the engine.
fn inspect(path: &Path, length: u64) -> Result<bool, StoreError> {
    let damaged = |detail: String| StoreError::Damaged { path: path.display().to_string(), detail };
    let mut header = [0_u8; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(damaged("it is too short to be a database".to_owned()));
        }
        other => other.map_err(|e| io_error(path, &e))?,
    }
    if !header.starts_with(MAGIC) {
        return Err(damaged("it is not a database".to_owned()));
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    // One is how 65,536 is written; the page count holds if it was written together with the change counter.
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    let expected = if number(24) == number(92) { u64::from(number(28)) * page } else { 0 };
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let logged = std::fs::metadata(&log).is_ok_and(|meta| meta.len() > 0);
    if length < expected && !logged {
        return Err(damaged(format!("it was cut short: {length} bytes of {expected}")));
    }
    Ok(length < expected)
}

/// Takes away what others may do with the file.
fn tighten(path: &Path) -> Result<(), StoreError> {
    let mode = std::fs::metadata(path).map_err(|e| io_error(path, &e))?.permissions().mode();
    if mode & 0o077 != 0
        && let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(FILE_MODE))
    {
        tracing::warn!(path = %path.display(), %error, "others may read the store, and it cannot be prevented");
    }
    Ok(())
}
