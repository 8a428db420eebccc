use super::*;

fn now() -> Timestamp {
    "2026-09-21T13:33:20Z".parse().unwrap()
}

fn loaded(text: &str) -> Loaded {
    load(&Source::Text { name: "gateway.toml".to_owned(), text: text.to_owned() }, &|_| None)
}

#[test]
fn a_gateway_in_order_is_told_in_a_few_good_lines() {
    let runtime = json!({"version": env!("CARGO_PKG_VERSION"), "node": {"started_at": "2026-09-21T13:00:00Z"},
        "listeners": [{"name": "default"}], "store": {"kind": "embedded", "dir": "./argus-data"},
        "geo": [{"kind": "country", "file": "/c.mmdb", "built_at": "2026-09-01T00:00:00Z"}],
        "certificates": [{"name": "public", "file": "/tls.crt", "expires_at": "2026-12-01T00:00:00Z"}], "decision": {"p99_us": 38.2}});
    let mut findings = vec![
        gateway(&runtime, now()),
        store(&runtime, &json!({"status": "ok", "revision": 12, "store_error": null})),
        clock(now(), now() - SignedDuration::from_secs(1)),
    ];
    findings.extend(geo(&runtime, &loaded(""), now()));
    findings.extend(certificates(&runtime, now()));
    findings.extend(decisions(&runtime));
    findings.extend(exposure(Some("127.0.0.1:9640".parse().unwrap())));
    assert_eq!(
        render(&findings, Paint::OFF),
        format!(
            "\
✓ gateway     argus {}, up 33 min, 1 listener bound
✓ store       embedded, in ./argus-data, revision 12
✓ clock       agrees with the gateway's
✓ geo db      /c.mmdb is 21 d old
✓ tls         /tls.crt ends in 70 d
✓ decision    p99 38 µs
✓ admin       on 127.0.0.1:9640, this machine only
",
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn what_is_not_in_order_comes_with_its_remedy() {
    let runtime = json!({"version": "0.0.1", "geo": [{"file": "/gone.mmdb"}],
        "certificates": [{"file": "/a", "expires_at": "2026-09-21T00:00:00Z"}, {"file": "/b", "expires_at": "2026-09-22T00:00:00Z"}]});
    let mut findings = vec![gateway(&runtime, now()), store(&runtime, &json!({"store_error": "disk_full"}))];
    findings.push(clock(now(), now() + SignedDuration::from_secs(60)));
    findings.extend(geo(&runtime, &loaded(""), now()));
    findings.extend(certificates(&runtime, now()));
    findings.extend(exposure(Some("0.0.0.0:9640".parse().unwrap())));
    let states: Vec<State> = findings.iter().map(|f| f.state).collect();
    assert_eq!(
        states,
        [State::Warning, State::Bad, State::Warning, State::Bad, State::Bad, State::Warning, State::Bad]
    );
    assert!(findings.iter().all(|f| f.remedy.is_some()));
    assert!(render(&findings, Paint::OFF).ends_with(
        "✗ admin       reachable from elsewhere at 0.0.0.0:9640 without TLS  →  set admin.address = \"127.0.0.1:9640\"\n"
    ));
}

#[test]
fn old_databases_are_told_by_the_configured_age() {
    let text = "listen = \":8080\"\n[routes.api]\npaths = [\"/*\"]\nupstream = \"http://127.0.0.1:3000\"\nauth = \"api_key\"\n\
                [geo]\nwarn_if_older_than = \"10d\"\n";
    let loaded = loaded(text);
    assert!(loaded.config.is_some(), "{}", loaded.problems.render(false));
    let runtime = json!({"geo": [{"file": "/c.mmdb", "built_at": "2026-09-01T00:00:00Z"}]});
    assert_eq!(geo(&runtime, &loaded, now())[0].state, State::Warning);
}

#[test]
fn a_wrong_file_is_bad_and_no_file_is_fine_where_none_is_used() {
    let state = |loaded: &Loaded, bare: bool| configuration(loaded, bare).unwrap().state;
    let none = loaded("");
    assert!(none.files.is_empty());
    assert_eq!((state(&none, true), state(&none, false)), (State::Good, State::Warning));
}
