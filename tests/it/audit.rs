//! Every change is a record, and records cannot be changed without it being seen.

use super::support::{Gateway, KEYED, Origin};

fn scene() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    for name in ["one", "two", "three"] {
        gateway.key(&[name]);
    }
    gateway.argus(&["key", "disable", "two"]).ok();
    (origin, gateway)
}

fn sql(gateway: &Gateway, statement: &str) -> usize {
    let store = rusqlite::Connection::open(gateway.path("argus-data/argus.db")).unwrap();
    store.execute(statement, []).unwrap_or_else(|e| panic!("{statement}: {e}"))
}

#[test]
fn changes_are_recorded_with_who_and_what() {
    let (_origin, gateway) = scene();
    let log = gateway.argus(&["audit", "log", "--json"]).json();
    let records = log.as_array().unwrap();
    let disabled = records.iter().find(|r| r["action"] == "key.disable" || r["action"] == "key.disabled").unwrap();
    assert_eq!(disabled["target"]["name"], "two", "{disabled}");
    assert_eq!(disabled["outcome"], "success", "{disabled}");
    assert!(disabled["actor"]["via"].as_str().is_some_and(|via| !via.is_empty()), "{disabled}");
    assert_eq!(
        (disabled["hash"].as_str().map(str::len), disabled["prev_hash"].as_str().map(str::len)),
        (Some(64), Some(64))
    );
}

#[test]
fn an_untouched_chain_is_whole() {
    let (_origin, gateway) = scene();
    let run = gateway.argus(&["audit", "verify"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let answer = gateway.admin("GET", "/v1/audit/verify").send().expect(200).text();
    assert!(answer.contains("ok"), "{answer}");
}

#[test]
fn a_changed_a_missing_and_a_moved_record_are_found() {
    for (statement, found) in [
        ("UPDATE audit SET record = replace(record, 'two', 'tvo') WHERE seq = 2", "altered at 2"),
        ("DELETE FROM audit WHERE seq = 2", "gap at 2"),
        ("UPDATE audit SET seq = CASE seq WHEN 2 THEN 30 ELSE seq END", "gap at 2"),
        ("DELETE FROM audit WHERE seq = 4", "gap at 4"),
    ] {
        let (_origin, mut gateway) = scene();
        gateway.stop().ok();
        assert!(sql(&gateway, statement) > 0, "{statement} touched nothing");
        gateway.start_again();
        let said = gateway.argus(&["audit", "verify"]).fails(1);
        assert!(said.contains(found), "after {statement}: {said}");
    }
}
