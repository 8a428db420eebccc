//! `argus explain`: every step, its outcome and its rule, and an exit code that says what would happen.

use serde_json::json;

use super::support::{Gateway, Origin, Setup};

const SCOPED: &str = r#"
[routes.invoices]
paths = ["/v1/invoices"]
upstream = "{origin}"
auth = "api_key"
scopes = { GET = "invoices:read", POST = "invoices:write" }
conditions = ["fence"]

[conditions.fence]
ip = { allow = ["203.0.113.0/24"] }
"#;

fn scene() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Setup::new(SCOPED).origin(&origin.url()).start();
    gateway.key(&["partner", "--scope", "invoices:read"]);
    (origin, gateway)
}

#[test]
fn what_would_pass_passes() {
    let (origin, gateway) = scene();
    let run =
        gateway.argus(&["explain", "GET http://localhost/v1/invoices", "--key", "partner", "--ip", "203.0.113.9"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for step in ["route", "invoices", "key", "ip", "scope", "limit"] {
        assert!(run.stdout.contains(step), "{step} is missing:\n{}", run.stdout);
    }
    assert_eq!(origin.count(), 0, "nothing is sent");
}

#[test]
fn what_would_be_refused_says_why_and_how_to_change_it() {
    let (_origin, gateway) = scene();
    let ask = |what: &str, ip: &str| gateway.argus(&["explain", what, "--key", "partner", "--ip", ip]);
    let run = ask("POST http://localhost/v1/invoices", "203.0.113.9");
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.stdout.contains("403 insufficient_scope"), "{}", run.stdout);
    assert!(run.stdout.contains("invoices:write") && run.stdout.contains("gateway.toml:"), "{}", run.stdout);
    assert!(run.stdout.contains("argus key edit partner --add-scope invoices:write"), "{}", run.stdout);
    let run = ask("GET http://localhost/v1/invoices", "192.0.2.1");
    assert_eq!(run.code, Some(5));
    assert!(run.stdout.contains("ip_not_allowed") && run.stdout.contains("192.0.2.1"), "{}", run.stdout);
    let run = ask("GET http://localhost/nowhere", "203.0.113.9");
    assert_eq!(run.code, Some(5));
    assert!(run.stdout.contains("route_not_found"), "{}", run.stdout);
}

#[test]
fn asking_costs_nothing() {
    let origin = Origin::start();
    let toml =
        "[routes.a]\npaths = [\"/*\"]\nupstream = \"{origin}\"\nauth = \"api_key\"\nlimits = [{ rate = \"1/h\" }]\n";
    let gateway = Gateway::start(&origin, toml);
    let key = gateway.key(&["a"]);
    for _ in 0..3 {
        gateway.argus(&["explain", "GET http://localhost/x", "--key", "a"]).ok();
    }
    gateway.get("/x").key(&key).send().expect(200);
    gateway.get("/x").key(&key).send().refused(429, "rate_limited");
    let run = gateway.argus(&["explain", "GET http://localhost/x", "--key", "a"]);
    assert_eq!(run.code, Some(5));
    assert!(run.stdout.contains("rate_limited"), "{}", run.stdout);
}

#[test]
fn the_api_gives_the_same_in_json() {
    let (_origin, gateway) = scene();
    let body =
        json!({ "key_id": "partner", "method": "POST", "url": "http://localhost/v1/invoices", "ip": "203.0.113.9" });
    let answer = gateway.admin("POST", "/v1/explain").json(&body).send().expect(200).json();
    assert!(answer.to_string().contains("insufficient_scope"), "{answer}");
    assert!(answer["steps"].as_array().unwrap().len() >= 5, "{answer}");
}
