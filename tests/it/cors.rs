//! Pages of other origins: preflights without a key, and answers that browsers may show.

use super::support::client::{Answer, Request};
use super::support::{Gateway, Origin};

const ROUTE: &str = r#"
[routes.api]
paths = ["/*"]
methods = ["GET", "POST"]
upstream = "{origin}"
auth = "api_key"
limits = [{ rate = "1/h", by = "ip" }]

[routes.api.cors]
origins = ["https://app.example.com", "https://*.preview.example.com"]
expose = ["X-Request-Id"]
credentials = true

[routes.plain]
paths = ["/plain"]
upstream = "{origin}"
auth = "none"
"#;

fn scene() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, ROUTE);
    (origin, gateway)
}

fn preflight(gateway: &Gateway, path: &str, origin: &str, method: &str) -> Request {
    gateway
        .request("OPTIONS", path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", "x-api-key")
}

fn allowed(answer: &Answer) -> &str {
    answer.header("access-control-allow-origin")
}

#[test]
fn a_preflight_needs_no_key_and_costs_nothing() {
    let (origin, gateway) = scene();
    for page in ["https://app.example.com", "https://pr-7.preview.example.com"] {
        let answer = preflight(&gateway, "/a", page, "POST").send().expect(204);
        assert_eq!(allowed(&answer), page);
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "content-type, x-api-key, authorization, argus-api-key"
        );
        assert_eq!(answer.header("access-control-max-age"), "600");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("vary"), "Origin");
        assert!(!answer.headers.has("content-length") && answer.body.is_empty());
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn other_pages_are_told_nothing() {
    let (origin, gateway) = scene();
    for page in ["https://evil.example", "http://app.example.com", "https://app.example.com.evil.example", "null"] {
        let answer = preflight(&gateway, "/a", page, "POST").send().expect(204);
        assert!(!answer.headers.0.iter().any(|(name, _)| name.starts_with("access-control-")), "{page}: {answer:?}");
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn what_is_no_preflight_is_a_request_like_any_other() {
    let (origin, gateway) = scene();
    gateway.request("OPTIONS", "/a").header("Origin", "https://app.example.com").send().expect(405);
    preflight(&gateway, "/a", "https://app.example.com", "DELETE").send().expect(405);
    preflight(&gateway, "/plain", "https://app.example.com", "GET").send().expect(200);
    assert_eq!(origin.last().method, "OPTIONS");
}

#[test]
fn answers_and_refusals_can_be_read() {
    let (_origin, gateway) = scene();
    let key = gateway.key(&["a"]);
    let page = "https://app.example.com";
    let get = |key: &str, page: &str| gateway.get("/cors").key(key).header("Origin", page).send();
    let answer = get(&key, page).expect(200);
    assert_eq!(answer.headers.all("access-control-allow-origin"), [page], "the upstream's own word is replaced");
    assert_eq!(answer.header("access-control-expose-headers"), "x-request-id");
    assert_eq!(answer.headers.all("vary"), ["Accept", "Origin"]);
    assert_eq!(allowed(&get(&key, page).refused(429, "rate_limited")), page);
    assert_eq!(allowed(&get("nonsense", page).refused(401, "invalid_credentials")), page);
    assert!(!get("nonsense", "https://evil.example").expect(401).headers.has("access-control-allow-origin"));
}

#[test]
fn any_page_may_call_where_that_is_said() {
    let origin = Origin::start();
    let toml = "[routes.api]\npaths = [\"/*\"]\nupstream = \"{origin}\"\nauth = \"none\"\ncors = { origins = \"*\", max_age = \"1h\" }\n";
    let gateway = Gateway::start(&origin, toml);
    let answer = preflight(&gateway, "/a%20b", "https://anywhere.example", "PATCH").send().expect(204);
    assert_eq!((allowed(&answer), answer.header("access-control-max-age")), ("*", "3600"));
    assert!(!answer.headers.has("vary"));
    assert_eq!(allowed(&gateway.get("/a").header("Origin", "null").send().expect(200)), "*");
}
