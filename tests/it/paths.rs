//! Paths that could be read in several ways: refused, but for what a route takes; and what is decided about is what the
//! origin gets.

use super::support::{Gateway, Origin};

const ROUTES: &str = r#"
[routes.open]
paths = ["/open/*", "/files/*"]
upstream = "{origin}"
auth = "none"
path_rules = { dot_segments = "normalize", encoded_slash = "keep" }

[routes.strict]
paths = ["/strict/*"]
upstream = "{origin}"
auth = "none"

[routes.keyed]
paths = ["/files/secret/*", "/keyed/*"]
upstream = "{origin}"
auth = "api_key"
path_rules = { dot_segments = "normalize" }
"#;

fn scene() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, ROUTES);
    (origin, gateway)
}

#[test]
fn dot_segments_are_resolved_where_the_route_says_so() {
    let (origin, gateway) = scene();
    for (sent, got) in [
        ("/open/a/../b?c=/../d", "/open/b?c=/../d"),
        ("/strict/../open/%2e%2E/open/%2e/x", "/open/x"),
        ("/open/..%2e/x", "/open/..%2e/x"),
        ("/open/%252e%252e/x", "/open/%252e%252e/x"),
        ("/open/a;b//c", "/open/a;b//c"),
    ] {
        gateway.get(sent).send().expect(200);
        assert_eq!(origin.last().target, got, "{sent}");
    }
    gateway.get("http://a/open/./b").send().expect(200);
    assert_eq!(origin.last().target, "/open/b");
}

#[test]
fn it_is_the_route_behind_the_dots_that_decides() {
    let (origin, gateway) = scene();
    gateway.get("/open/../strict/a").send().refused(400, "malformed_request");
    gateway.get("/open/../nowhere").send().refused(400, "malformed_request");
    gateway.get("/open/../keyed/a").send().refused(401, "missing_credentials");
    gateway.get("/open/..;/keyed/a").send().refused(400, "malformed_request");
    gateway.get("/open//../keyed/a").send().refused(400, "malformed_request");
    assert_eq!(origin.count(), 0);
    let key = gateway.key(&["a"]);
    gateway.get("/open/../keyed/a").key(&key).send().expect(200);
    assert_eq!(origin.last().target, "/keyed/a");
}

#[test]
fn encoded_slashes_stay_where_they_change_nothing() {
    let (origin, gateway) = scene();
    for path in ["/files/a%2Fb%5cc", "/files/%2f"] {
        gateway.get(path).send().expect(200);
        assert_eq!(origin.last().target, path);
    }
    let reached = origin.count();
    for path in [
        "/strict/a%2fb",
        "/files/secret%2fa",
        "/files%2fa",
        "/files/a%2f..%2fsecret/b",
        "/files/..%5csecret",
        "/files/a%2fb/../c",
        "/keyed/a%2fb",
        "/files/%00",
    ] {
        gateway.get(path).send().refused(400, "malformed_request");
    }
    assert_eq!(origin.count(), reached);
    assert!(gateway.metric("argus_malformed_requests_total", &["cause=\"encoded_slash\""]) >= 3.0);
}

#[test]
fn no_disguise_gets_past_a_route() {
    let origin = Origin::start();
    let toml = r#"
[routes.open]
paths = ["/*"]
upstream = "{origin}"
auth = "none"

[routes.admin]
paths = ["/admin/*", "/v1/jobs:run"]
upstream = "{origin}"
auth = "api_key"
"#;
    let gateway = Gateway::start(&origin, toml);
    for path in [
        "/%61dmin/x",
        "/adm%69n",
        "//admin/x",
        "/admin;x=1/y",
        "/admin%3Bx/y",
        "//%61dmin;v=1",
        "/v1/jobs%3Arun",
        "/v1//jobs:run",
    ] {
        gateway.get(path).send().refused(400, "malformed_request");
    }
    assert_eq!(origin.count(), 0);
    for path in ["/%61dvice", "//x//y", "/x;y=1/z", "/%2561dmin", "/a%20b/caf%C3%A9", "/v1/jobs%3Astop"] {
        gateway.get(path).send().expect(200);
        assert_eq!(origin.last().target, path);
    }
    gateway.get("/admin//x;y/%61").send().refused(401, "missing_credentials");
}

#[test]
fn explain_reads_the_path_as_the_gateway_does() {
    let (_origin, gateway) = scene();
    assert_eq!(gateway.argus(&["explain", "GET http://localhost/strict/../open/a"]).code, Some(0));
    let run = gateway.argus(&["explain", "GET http://localhost/open/../strict/a"]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.stdout.contains("path_rules"), "{}", run.stdout);
}

#[test]
fn another_front_is_put_before_the_path() {
    let origin = Origin::start();
    let toml = r#"
[routes.api]
paths = ["/v1/*"]
upstream = "{origin}"
auth = "none"
path_rules = { dot_segments = "normalize", encoded_slash = "keep" }
rewrite = { prefix = "/v1", to = "/api/v2" }

[routes.mounted]
paths = ["/*"]
upstream = "{origin}"
auth = "none"
rewrite = { prefix = "/", to = "/site" }
"#;
    let gateway = Gateway::start(&origin, toml);
    for (sent, got) in [
        ("/v1/a/b?c=/v1/d", "/api/v2/a/b?c=/v1/d"),
        ("/v1", "/api/v2"),
        ("/v1/", "/api/v2/"),
        ("/v1/%2f//x", "/api/v2/%2f//x"),
        ("/v1/a/../../v1/b", "/api/v2/b"),
        ("/v11", "/site/v11"),
        ("/", "/site/"),
    ] {
        gateway.get(sent).send().expect(200);
        assert_eq!(origin.last().target, got, "{sent}");
    }
}
