//! What can be seen from outside: probes, metrics, the access log, the stream of decisions.

use super::support::process::Process;
use super::support::{Gateway, KEYED, Origin, until};

fn scene() -> (Origin, Gateway, String) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("{KEYED}[log]\nformat = \"json\"\n"));
    let key = gateway.key(&["mobile", "--scope", "orders:read"]);
    (origin, gateway, key)
}

#[test]
fn probes() {
    let (_origin, gateway, _key) = scene();
    assert_eq!(gateway.ops("/livez").status, 200);
    assert_eq!(gateway.ops("/readyz").status, 200);
    let verbose = gateway.ops("/readyz?verbose").expect(200).text();
    assert!(verbose.contains("[+]config ok") && verbose.contains("[+]listeners ok"), "{verbose}");
    assert_eq!(gateway.ops("/nothing").status, 404);
    assert_eq!(gateway.argus(&["health"]).code, Some(0));
    assert_eq!(gateway.argus(&["health", "--ready"]).code, Some(0));
}

#[test]
fn metrics_count_what_happened() {
    let (_origin, gateway, key) = scene();
    for _ in 0..3 {
        gateway.get("/a").key(&key).send().expect(200);
    }
    gateway.get("/a").send().expect(401);
    let count = |labels: &[&str]| gateway.metric("argus_http_requests_total", labels);
    until("the requests to be counted", || (count(&["code=\"200\""]) == 3.0).then_some(()));
    assert_eq!(count(&["code=\"401\"", "route=\"api\"", "method=\"GET\""]), 1.0);
    assert_eq!(gateway.metric("argus_decisions_total", &["missing_credentials"]), 1.0);
    let page = gateway.ops("/metrics").expect(200);
    let text = page.text();
    for name in [
        "argus_http_request_duration_seconds_bucket",
        "argus_gateway_duration_seconds_bucket",
        "argus_upstream_duration_seconds_bucket",
        "argus_decision_duration_seconds_bucket",
        "argus_rate_limit_total",
        "argus_active_requests",
        "argus_open_connections",
        "argus_store_up",
        "argus_keys",
        "argus_build_info",
        "argus_config_last_reload_success",
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(name), "{name} is missing");
    }
    assert!(!text.contains(&key[11..21]), "no label names a key");
    assert!(page.header("content-type").contains("version=0.0.4"), "{}", page.header("content-type"));
    let open = super::support::client::Request::new(gateway.at.ops, "GET", "/metrics")
        .header("Accept", "application/openmetrics-text; version=1.0.0")
        .send();
    assert!(open.header("content-type").contains("openmetrics") && open.text().ends_with("# EOF\n"));
}

#[test]
fn the_access_log_has_a_line_for_every_request() {
    let (_origin, gateway, key) = scene();
    let answer = gateway.get("/v1/orders/17?secret=1").key(&key).header("Cookie", "session=abc").send().expect(200);
    gateway.get("/b").send().expect(401);
    let lines = until("two lines", || Some(gateway.lines("access")).filter(|lines| lines.len() >= 2));
    let of = |path: &str| lines.iter().find(|line| line["path"] == path).expect("its line");
    let line = of("/v1/orders/17");
    for (name, value) in [
        ("level", "info"),
        ("route", "api"),
        ("client_ip", "127.0.0.1"),
        ("method", "GET"),
        ("path", "/v1/orders/17"),
        ("query", "[redacted]"),
        ("protocol", "HTTP/1.1"),
        ("outcome", "allowed"),
        ("auth", "api_key"),
        ("key_id", &key[11..21]),
        ("request_id", answer.header("x-request-id")),
    ] {
        assert_eq!(line[name], value, "{name} in {line}");
    }
    for name in ["ts", "listener", "host", "upstream"] {
        assert!(line[name].is_string(), "{name} in {line}");
    }
    for name in [
        "duration_ms",
        "gateway_ms",
        "upstream_ms",
        "status",
        "upstream_status",
        "bytes_in",
        "bytes_out",
        "cost",
        "attempts",
    ] {
        assert!(line[name].is_number(), "{name} in {line}");
    }
    assert_eq!((line["status"].as_u64(), line["bytes_out"].as_u64()), (Some(200), Some(6)));
    assert!(line["code"].is_null());
    let refused = of("/b");
    assert_eq!((refused["outcome"].as_str(), refused["code"].as_str()), (Some("refused"), Some("missing_credentials")));
    let said = gateway.said();
    assert!(!said.contains("session=abc") && !said.contains("secret=1") && !said.contains(&key));
}

#[test]
fn control_bytes_cannot_forge_a_line() {
    let (_origin, gateway, _key) = scene();
    gateway.get("/a%0a%1b[31m").header("User-Agent", "x\u{9b}31m").send();
    let lines = until("the line", || Some(gateway.lines("access")).filter(|lines| !lines.is_empty()));
    assert_eq!(lines.len(), 1);
    assert!(!gateway.said().contains('\u{1b}'));
}

#[test]
fn addresses_and_queries_as_the_log_is_told() {
    let origin = Origin::start();
    let toml = format!(
        "{KEYED}[log]\nformat = \"json\"\naccess = {{ query = \"keep\", ip = \"truncated\", headers = [\"user-agent\"] }}\n"
    );
    let gateway = Gateway::start(&origin, &toml);
    gateway.get("/a?b=c").header("User-Agent", "tests/1").send();
    let line = until("the line", || gateway.lines("access").pop());
    assert_eq!((line["client_ip"].as_str(), line["query"].as_str()), (Some("127.0.0.0"), Some("b=c")), "{line}");
    assert!(line.to_string().contains("tests/1"), "{line}");
}

#[test]
fn tail_shows_decisions_as_they_are_made() {
    let (_origin, gateway, key) = scene();
    let mut command = super::support::process::argus();
    command.current_dir(&gateway.dir).args(["tail", "--filter", "code!=ok"]);
    let tail = Process::spawn(&mut command);
    // The tail is connected once it shows something; until then we go on making things to be shown.
    let shown = until("a refusal to be shown", || {
        gateway.get("/refused").send().expect(401);
        gateway.get("/fine").key(&key).send().expect(200);
        tail.said().lines().find(|line| line.contains("missing_credentials")).map(str::to_owned)
    });
    assert!(shown.contains("401") && shown.contains("/refused"), "{shown}");
    assert!(!tail.said().contains("/fine"), "filtered out");
}
