//! The files: whose they are, and what happens when something is wrong with them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{console, fresh, open, path};
use crate::store::contract::sample::{add, insertion, key};
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{AuditVerdict, KeyFilter, PageRequest, Store, StoreError};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_else_reads_them() {
    let fresh = fresh();
    add(&fresh.store, 1, key(1, "one")).await;
    assert_eq!(mode(&path(&fresh.dir, "")), 0o700);
    for file in ["argus.db", "argus.db-wal", "argus.db-shm", "usage.db", "usage.db-wal", "argus.lock"] {
        assert_eq!(mode(&path(&fresh.dir, file)), 0o600, "{file}");
    }
    let dir = fresh.close();
    fs::set_permissions(path(&dir, "argus.db"), fs::Permissions::from_mode(0o644)).unwrap();
    let _store = open(&dir).unwrap();
    assert_eq!(mode(&path(&dir, "argus.db")), 0o600);
}

#[tokio::test]
async fn changes_are_synchronised_and_usage_now_and_then() {
    let fresh = fresh();
    for (lane, expected) in [(&fresh.store.changes, 2), (&fresh.store.usage, 1)] {
        let found = lane.run(|c| {
            let journal: String = c.query_row("PRAGMA journal_mode", (), |row| row.get(0))?;
            let synchronous: i64 = c.query_row("PRAGMA synchronous", (), |row| row.get(0))?;
            Ok((journal, synchronous))
        });
        assert_eq!(found.await.unwrap(), ("wal".to_owned(), expected));
    }
    // Readers cannot write, whatever they are asked.
    for lane in [&fresh.store.lookups, &fresh.store.reads] {
        let written = lane.run(|c| Ok(c.execute("UPDATE state SET value = 7", ())?)).await;
        assert!(matches!(written, Err(StoreError::Permission { .. })));
    }
}

#[test]
fn one_process_a_directory() {
    let fresh = fresh();
    let expected = path(&fresh.dir, "").display().to_string();
    let second = open(&fresh.dir).err().unwrap();
    assert!(matches!(&second, StoreError::Locked { path } if expected.starts_with(path)), "{second}");
    let dir = fresh.close();
    open(&dir).unwrap();
}

#[test]
fn a_place_that_is_none() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for place in [file.clone(), file.join("below")] {
        let refused = SqliteStore::open(&place, SqliteOptions::default()).err().unwrap();
        assert!(matches!(&refused, StoreError::Permission { path, .. } if *path == place.display().to_string()));
    }
    // A directory where the file should be.
    fs::create_dir_all(dir.path().join("data/argus.db")).unwrap();
    assert!(matches!(open(&dir), Err(StoreError::Damaged { .. } | StoreError::Permission { .. })));
}

/// A store of 300 keys that was closed.
async fn closed() -> TempDir {
    let fresh = fresh();
    let changes = (0..300).map(|number| insertion(number, key(number, &format!("key-{number}")))).collect();
    fresh.store.commit(changes, None).await.unwrap();
    fresh.close()
}

fn cut(path: &Path, bytes: impl FnOnce(u64) -> u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(bytes(file.metadata().unwrap().len())).unwrap();
}

#[tokio::test]
async fn damage_is_told_with_the_file_and_the_remedy() {
    type Harm = fn(&Path);
    let cases: [(&str, Harm); 10] = [
        ("cut in half", |path| cut(path, |bytes| bytes / 2)),
        ("without its last page", |path| cut(path, |bytes| bytes - 4_096)),
        ("without its last byte", |path| cut(path, |bytes| bytes - 1)),
        ("cut within the header", |path| cut(path, |_| 50)),
        ("emptied", |path| cut(path, |_| 0)),
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("a text", |path| fs::write(path, "not a database ".repeat(1_000)).unwrap()),
        ("noise", |path| fs::write(path, vec![0xa5; 8_192]).unwrap()),
        ("another program's", |path| {
            fs::remove_file(path).unwrap();
            Connection::open(path).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
        }),
        ("without a schema", |path| {
            Connection::open(path).unwrap().execute_batch("DELETE FROM schema_version").unwrap();
        }),
    ];
    for file in ["argus.db", "usage.db"] {
        for (what, harm) in cases {
            let dir = closed().await;
            let path = path(&dir, file);
            harm(&path);
            let error = match open(&dir) {
                // Usage may be begun anew.
                Ok(_) if file == "usage.db" && matches!(what, "gone" | "emptied") => continue,
                Ok(_) => panic!("{file} {what}: opened"),
                Err(error) => error,
            };
            let text = error.to_string();
            assert!(matches!(error, StoreError::Damaged { .. }), "{file} {what}: {text}");
            assert!(text.contains(path.to_str().unwrap()) && text.contains("backup"), "{file} {what}: {text}");
        }
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let dir = closed().await;
    console(&dir).execute_batch("UPDATE schema_version SET version = 99").unwrap();
    let before = fs::read(path(&dir, "argus.db")).unwrap();
    let refused = open(&dir).err().unwrap();
    assert!(matches!(refused, StoreError::Newer { found: 99, known: 1, .. }), "{refused}");
    assert!(before == fs::read(path(&dir, "argus.db")).unwrap());
}

#[tokio::test]
async fn damage_found_later_is_told_too() {
    let dir = closed().await;
    let store = open(&dir).unwrap();
    console(&dir).execute_batch("UPDATE keys SET document = '{' WHERE name = 'key-7'").unwrap();
    let error = store.find_key("key-7").await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { detail, .. } if detail.contains("stored key")), "{error}");
    assert!(store.find_key("key-8").await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_changes_nothing() {
    let fresh = fresh();
    let store = &fresh.store;
    let pages = async |sql: String| store.changes.run(move |c| Ok(c.query_row(&sql, (), |_| Ok(()))?)).await.unwrap();
    add(store, 1, key(1, "one")).await;
    let now: i64 = console(&fresh.dir).query_row("PRAGMA page_count", (), |row| row.get(0)).unwrap();
    pages(format!("PRAGMA max_page_count = {}", now + 10)).await;

    let mut kept = 1;
    let full = loop {
        let number = kept + 1;
        match store.commit(vec![insertion(number, key(number, &format!("key-{number}")))], None).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&full, StoreError::DiskFull { path } if path.ends_with("argus.db")), "{full}");
    // A large one that fails half-way leaves nothing either.
    let many = (1_000..1_500).map(|number| insertion(number, key(number, &format!("key-{number}")))).collect();
    assert!(matches!(store.commit(many, None).await, Err(StoreError::DiskFull { .. })));

    let (count, revision) = (store.key_count().await.unwrap(), store.revision().await.unwrap());
    assert!(kept > 1);
    assert_eq!((count, revision), (u64::from(kept), u64::from(kept)));
    assert!(store.key_by_digest(&super::super::super::contract::sample::digest(kept + 1)).await.unwrap().is_none());
    let verdict = store.verify_audit().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Ok { records, .. } if records == u64::from(kept)), "{verdict:?}");
    // Once there is room, it goes on.
    pages("PRAGMA max_page_count = 100000".into()).await;
    add(store, 9_999, key(9_999, "last")).await;
    assert_eq!(store.key_count().await.unwrap(), u64::from(kept) + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever stands in the file: an error or an answer, never a panic.
    #[test]
    fn noise_in_the_file_never_panics(spots in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let dir = closed().await;
            let file = path(&dir, "argus.db");
            let mut bytes = fs::read(&file).unwrap();
            for (index, byte) in spots {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            fs::write(&file, bytes).unwrap();
            let Ok(store) = open(&dir) else { return };
            let _ = store.keys(&KeyFilter::default(), &PageRequest::default()).await;
            let _ = store.verify_audit().await;
            let _ = store.find_key("key-7").await;
            let _ = store.similar_key_names("key").await;
            let _ = store.commit(vec![insertion(500, key(500, "new"))], None).await;
        });
    }
}
