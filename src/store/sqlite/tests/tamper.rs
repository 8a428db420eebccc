//! What the chain shows when somebody works on the file.

use rusqlite::Connection;

use super::{console, fresh};
use crate::model::audit::{AuditDraft, AuditRecord};
use crate::store::contract::sample::{add, draft, insertion, key, moment};
use crate::store::{AuditVerdict, PurgeBefore, Store};

/// What verification says of six records after `tamper`; before it, it was content.
async fn verdict(tamper: impl FnOnce(&Connection)) -> AuditVerdict {
    verdict_after(None, tamper).await
}

/// The same, of a chain whose first two records were deleted by age: 3 to 6, and 7 which says so.
async fn verdict_after(purge: Option<PurgeBefore>, tamper: impl FnOnce(&Connection)) -> AuditVerdict {
    let fresh = fresh();
    for number in 1..=6 {
        let (change, _) = insertion(number, key(number, &format!("key-{number}")));
        let draft = draft("key.create", &format!("target-{number}"));
        let draft = AuditDraft { time: moment(number.into()), ..draft };
        fresh.store.commit(vec![(change, draft)], None).await.unwrap();
    }
    if let Some(before) = purge {
        let draft = AuditDraft { time: moment(100), ..draft("retention.purge", "store") };
        assert_eq!(fresh.store.purge(before, draft).await.unwrap().audit, 2);
    }
    assert!(matches!(fresh.store.verify_audit().await.unwrap(), AuditVerdict::Ok { .. }));
    tamper(&console(&fresh.dir));
    fresh.store.verify_audit().await.unwrap()
}

fn run(sql: &str) -> impl FnOnce(&Connection) {
    move |c| {
        c.execute_batch(sql).unwrap();
        assert!(c.changes() > 0, "{sql}");
    }
}

#[tokio::test]
async fn changed_fields() {
    for sql in [
        "UPDATE audit SET record = replace(record, 'adm_root', 'adm_mala') WHERE seq = 3",
        "UPDATE audit SET record = replace(record, 'target-3', 'target-9') WHERE seq = 3",
        "UPDATE audit SET record = replace(record, '\"outcome\":\"success\"', '\"outcome\":\"failure\"') WHERE seq = 3",
        "UPDATE audit SET record = 'nonsense' WHERE seq = 3",
        "UPDATE audit SET target = 'another' WHERE seq = 3",
        "UPDATE audit SET time_ns = time_ns + 1 WHERE seq = 3",
    ] {
        assert_eq!(verdict(run(sql)).await, AuditVerdict::Altered { seq: 3 }, "{sql}");
    }
}

#[tokio::test]
async fn missing_records() {
    for (sql, seq) in [
        ("DELETE FROM audit WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 6", 6),
        ("DELETE FROM audit WHERE seq > 2", 3),
        ("DELETE FROM audit", 1),
    ] {
        assert_eq!(verdict(run(sql)).await, AuditVerdict::Gap { seq }, "{sql}");
    }
}

#[tokio::test]
async fn reordered_and_renumbered_records() {
    let swap = "UPDATE audit SET seq = -3 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;
                UPDATE audit SET seq = 4 WHERE seq = -3";
    assert_eq!(verdict(run(swap)).await, AuditVerdict::Altered { seq: 3 });
    assert_eq!(verdict(run("UPDATE audit SET seq = 30 WHERE seq = 3")).await, AuditVerdict::Gap { seq: 3 });
    let close_ranks = "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = -seq WHERE seq > 3;
                       UPDATE audit SET seq = -seq - 1 WHERE seq < 0";
    assert_eq!(verdict(run(close_ranks)).await, AuditVerdict::Altered { seq: 3 });
    let relabel = "UPDATE audit SET seq = -seq WHERE seq > 3; DELETE FROM audit WHERE seq = 3;
        UPDATE audit SET record = json_set(record, '$.seq', -seq - 1), seq = -seq - 1 WHERE seq < 0";
    assert_eq!(verdict(run(relabel)).await, AuditVerdict::Altered { seq: 3 });
}

#[tokio::test]
async fn added_records() {
    let copy = "INSERT INTO audit SELECT seq + 1, time_ns, target, record FROM audit WHERE seq = 6";
    assert_eq!(verdict(run(copy)).await, AuditVerdict::Altered { seq: 7 });
    let before = "INSERT INTO audit SELECT 0, time_ns, target, record FROM audit WHERE seq = 1";
    assert_eq!(verdict(run(before)).await, AuditVerdict::Altered { seq: 0 });
}

/// Whoever also computes the hash anew is found by the record after, or by the head.
#[tokio::test]
async fn records_written_anew() {
    let rewrite = |seq: u64| {
        move |c: &Connection| {
            let text: String =
                c.query_row("SELECT record FROM audit WHERE seq = ?1", [seq.cast_signed()], |row| row.get(0)).unwrap();
            let mut record: AuditRecord = serde_json::from_str(&text).unwrap();
            record.draft.actor.name = "somebody else".into();
            let mut prev = [0; 32];
            hex::decode_to_slice(&record.prev_hash, &mut prev).unwrap();
            record.hash = hex::encode(record.compute(&prev));
            let text = serde_json::to_string(&record).unwrap();
            c.execute("UPDATE audit SET record = ?2 WHERE seq = ?1", (seq.cast_signed(), text)).unwrap();
        }
    };
    assert_eq!(verdict(rewrite(3)).await, AuditVerdict::Altered { seq: 4 });
    assert_eq!(verdict(rewrite(6)).await, AuditVerdict::Altered { seq: 6 });
}

#[tokio::test]
async fn a_shortened_chain_is_guarded_alike() {
    let purge = || Some(PurgeBefore { audit: Some(moment(3)), ..Default::default() });
    let first_gone = verdict_after(purge(), run("DELETE FROM audit WHERE seq = 3")).await;
    assert_eq!(first_gone, AuditVerdict::Gap { seq: 3 });
    let base_moved = run("DELETE FROM audit WHERE seq = 3; UPDATE audit_chain SET seq = 3 WHERE part = 'base'");
    assert_eq!(verdict_after(purge(), base_moved).await, AuditVerdict::Altered { seq: 4 });
}

#[tokio::test]
async fn changes_go_on_after_tampering() {
    let fresh = fresh();
    for number in 1..=3 {
        add(&fresh.store, number, key(number, &format!("key-{number}"))).await;
    }
    run("DELETE FROM audit WHERE seq = 2")(&console(&fresh.dir));
    add(&fresh.store, 4, key(4, "key-4")).await;
    assert_eq!(fresh.store.verify_audit().await.unwrap(), AuditVerdict::Gap { seq: 2 });
}
