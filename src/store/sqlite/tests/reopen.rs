//! What was committed is there when the store is opened again, after whatever was done.

use std::fs::File;
use std::io::Read;
use std::mem::ManuallyDrop;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Fresh, fresh, open};
use crate::model::audit::AuditRecord;
use crate::model::id::KeyId;
use crate::model::key::Key;
use crate::model::owner::Owner;
use crate::store::contract::sample::{
    add, digest, document, draft, insertion, key, key_id, moment, next, owner, revocation,
};
use crate::store::contract::usage::batch;
use crate::store::page::PAGE_MAX;
use crate::store::sqlite::SqliteStore;
use crate::store::{
    AuditVerdict, Change, CounterRow, Document, DocumentKind, KeyFilter, KeyUsage, PageRequest, Store, StoredKey,
};

/// All that can be read of a store.
#[derive(Debug, PartialEq)]
struct Contents {
    keys: Vec<Key>,
    by_digest: Vec<Option<KeyId>>,
    count: u64,
    owners: Vec<Owner>,
    documents: Vec<Document>,
    audit: Vec<AuditRecord>,
    verdict: AuditVerdict,
    revision: u64,
    usage: Vec<(KeyId, KeyUsage)>,
    counters: usize,
}

const NUMBERS: u32 = 6;

async fn contents(store: &SqliteStore) -> Contents {
    let all = PageRequest { limit: PAGE_MAX, cursor: None };
    let mut by_digest = Vec::new();
    for number in 0..NUMBERS {
        by_digest.push(store.key_by_digest(&digest(number)).await.unwrap().map(|stored| stored.key.id));
    }
    let ids: Vec<_> = (0..NUMBERS).map(key_id).collect();
    Contents {
        keys: store.keys(&KeyFilter::default(), &all).await.unwrap().rows,
        by_digest,
        count: store.key_count().await.unwrap(),
        owners: store.owners(None, &all).await.unwrap().rows,
        documents: store.documents(DocumentKind::Role).await.unwrap(),
        audit: store.audit(None, &all).await.unwrap().rows,
        verdict: store.verify_audit().await.unwrap(),
        revision: store.revision().await.unwrap(),
        usage: store.key_usage(&ids).await.unwrap().into_iter().collect(),
        counters: store.load_counters(0).await.unwrap().len(),
    }
}

/// Something somebody does; much of it is refused.
#[derive(Debug, Clone)]
enum Step {
    Insert { number: u32, name: u32, owner: Option<u32> },
    Edit { number: u32, expect: u64, kind: u32 },
    Delete { number: u32, expect: u64 },
    Owner { number: u32, name: u32 },
    DropOwner { number: u32 },
    Role { name: u32, expect: Option<u64> },
    DropRole { name: u32, expect: u64 },
    Note,
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..NUMBERS;
    let version = || 1..3_u64;
    prop_oneof![
        4 => (number(), 0..4_u32, proptest::option::of(0..2_u32))
            .prop_map(|(number, name, owner)| Step::Insert { number, name, owner }),
        4 => (number(), version(), 0..5_u32).prop_map(|(number, expect, kind)| Step::Edit { number, expect, kind }),
        1 => (number(), version()).prop_map(|(number, expect)| Step::Delete { number, expect }),
        2 => (0..2_u32, 0..2_u32).prop_map(|(number, name)| Step::Owner { number, name }),
        1 => (0..2_u32).prop_map(|number| Step::DropOwner { number }),
        2 => (0..3_u32, proptest::option::of(version())).prop_map(|(name, expect)| Step::Role { name, expect }),
        1 => (0..3_u32, version()).prop_map(|(name, expect)| Step::DropRole { name, expect }),
        1 => Just(Step::Note),
    ]
}

fn owner_id(number: u32) -> crate::model::id::OwnerId {
    format!("own_{number}").parse().unwrap()
}

async fn change(store: &SqliteStore, step: &Step) -> Option<Change> {
    Some(match *step {
        Step::Insert { number, name, owner } => {
            let key = Key { owner: owner.map(owner_id), ..key(number, &format!("key-{name}")) };
            let stored = StoredKey { key, digest: digest(number) };
            Change::InsertKey { stored: Box::new(stored), max_per_owner: Some(2) }
        }
        Step::Edit { number, expect, kind } => {
            let key = store.key(key_id(number)).await.unwrap()?.key;
            let changed = next(&key, |key| match kind {
                0 => key.revoked = Some(revocation()),
                1 => key.replaced_by = Some(key_id(9)),
                2 => key.roles = vec!["role-0".parse().unwrap()],
                3 => key.roles.clear(),
                _ => key.description.push('x'),
            });
            Change::UpdateKey { key: Box::new(changed), expect }
        }
        Step::Delete { number, expect } => Change::DeleteKey { id: key_id(number), expect, at: moment(5) },
        Step::Owner { number, name } => {
            Change::InsertOwner(Box::new(owner(owner_id(number).as_str(), &format!("owner-{name}"))))
        }
        Step::DropOwner { number } => Change::DeleteOwner { id: owner_id(number), expect: 1 },
        Step::Role { name, expect } => {
            let document = document(DocumentKind::Role, &format!("role-{name}"));
            Change::PutDocument { document: Document { version: expect.unwrap_or(0) + 1, ..document }, expect }
        }
        Step::DropRole { name, expect } => {
            Change::DeleteDocument { kind: DocumentKind::Role, name: format!("role-{name}").parse().unwrap(), expect }
        }
        Step::Note => Change::RecordOnly,
    })
}

async fn replay(fresh: Fresh, commits: Vec<Vec<Step>>) {
    let mut records = 0;
    for steps in commits {
        let mut changes = Vec::new();
        for step in &steps {
            changes.extend(change(&fresh.store, step).await.map(|change| (change, draft("test", "x"))));
        }
        let count = changes.len();
        let before = contents(&fresh.store).await;
        match fresh.store.commit(changes, None).await {
            Ok(_) => records += count,
            Err(_) => assert_eq!(contents(&fresh.store).await, before, "a refused commit left something"),
        }
    }
    let before = contents(&fresh.store).await;
    assert_eq!(before.count, before.keys.len() as u64);
    assert_eq!(before.audit.len(), records.min(PAGE_MAX));
    assert!(matches!(before.verdict, AuditVerdict::Ok { .. }));
    assert_eq!(before.by_digest.iter().flatten().count() as u64, before.count);
    let dir = fresh.close();
    assert_eq!(contents(&open(&dir).unwrap()).await, before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_commits_are_there_again(
        commits in proptest::collection::vec(proptest::collection::vec(step(), 1..4), 1..25)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(replay(fresh(), commits));
    }
}

/// Copies the files as they lie on the disk while the store is open: what a crash leaves. They are not closed here, as
/// that would give up the engine's locks on them; and no other process copies them, as a new process has every lock of
/// this one, those of other tests included, until it becomes another program.
fn crash(fresh: &Fresh) -> TempDir {
    let copy = TempDir::new().unwrap();
    std::fs::create_dir(copy.path().join("data")).unwrap();
    for file in ["argus.db", "argus.db-wal", "usage.db", "usage.db-wal"] {
        let from = ManuallyDrop::new(File::open(super::path(&fresh.dir, file)).unwrap());
        let mut bytes = Vec::new();
        (&*from).read_to_end(&mut bytes).unwrap();
        std::fs::write(super::path(&copy, file), bytes).unwrap();
    }
    copy
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_answered() {
    let fresh = fresh();
    add(&fresh.store, 1, key(1, "one")).await;
    fresh.store.add_usage(batch("2026-03-02T10:00:00Z", &[(Some(1), "orders", "ok", 3)])).await.unwrap();
    let counter = CounterRow { key: 7, state: [1, 2, 3], expires_us: 100 };
    fresh.store.save_counters(vec![counter]).await.unwrap();
    for number in 2..200 {
        fresh.store.commit(vec![insertion(number, key(number, &format!("key-{number}")))], None).await.unwrap();
        if number % 60 == 0 {
            let expected = contents(&fresh.store).await;
            assert_eq!(contents(&open(&crash(&fresh)).unwrap()).await, expected);
        }
    }
}
