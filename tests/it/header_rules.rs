//! What a route makes of header fields on their way in and out.

use super::support::{Gateway, Origin};

const ROUTE: &str = r#"
[routes.api]
paths = ["/*"]
upstream = "{origin}"
auth = "api_key"
"#;

fn route(more: &str) -> String {
    format!("{ROUTE}{more}\n")
}

#[test]
fn fields_are_made_of_what_is_known_of_the_key() {
    let origin = Origin::start();
    let toml = route(
        r#"request_headers = { set = { X-Tenant = "{key.meta.tenant}", X-Caller = "{key.id}/{plan} from {client_ip}" } }"#,
    );
    let gateway = Gateway::start(&origin, &toml);
    let key = gateway.key(&["a", "--meta", "tenant=acme"]);
    let other = gateway.key(&["b"]);
    gateway.get("/a").key(&key).header("X-Tenant", "evil").header("Connection", "X-Tenant").send().expect(200);
    let seen = origin.last();
    assert_eq!(seen.headers.all("x-tenant"), ["acme"]);
    assert_eq!(seen.header("x-caller"), format!("{}/default from 127.0.0.1", &key[11..21]));
    gateway.get("/a").key(&other).header("X-Tenant", "evil").send().expect(200);
    assert!(!origin.last().headers.has("x-tenant"), "what is not known is not the client's to say");
}

#[test]
fn fields_are_added_and_removed() {
    let origin = Origin::start();
    let toml = route(
        r#"request_headers = { set = { Authorization = "Basic eDp5" }, add = { X-Way = ["a", "{request_id}"] }, remove = ["Cookie", "X-Forwarded-For"] }"#,
    );
    let gateway = Gateway::start(&origin, &toml);
    let key = gateway.key(&["a"]);
    let answer = gateway
        .get("/a")
        .header("Authorization", &format!("Bearer {key}"))
        .header("Cookie", "a=b")
        .header("X-Way", "mine")
        .send()
        .expect(200);
    let seen = origin.last();
    assert_eq!(seen.headers.all("authorization"), ["Basic eDp5"]);
    assert_eq!(seen.headers.all("x-way"), ["mine", "a", answer.header("x-request-id")]);
    assert!(!seen.headers.has("cookie") && !seen.headers.has("x-forwarded-for"));
    let shown = gateway.argus(&["check", "--show"]).ok();
    assert!(!shown.contains("eDp5"), "{shown}");
}

#[test]
fn answers_are_edited_too() {
    let origin = Origin::start();
    let toml = route(
        r#"response_headers = { set = { X-Origin = "no", Strict-Transport-Security = "max-age=1" }, add = { X-Key = "{key.id}" }, remove = ["X-Secret"] }"#,
    );
    let gateway = Gateway::start(&origin, &toml);
    let key = gateway.key(&["a"]);
    let answer = gateway.get("/cors").key(&key).send().expect(200);
    assert_eq!(answer.headers.all("x-origin"), ["no"]);
    assert_eq!(answer.header("x-key"), &key[11..21]);
    assert_eq!(answer.header("strict-transport-security"), "max-age=1");
    assert!(!answer.headers.has("x-secret"));
    assert!(gateway.get("/cors").send().expect(401).headers.get("x-origin").is_none(), "refusals are Argus's own");
}

#[test]
fn a_trailer_says_nothing_that_is_set() {
    let origin = Origin::start();
    let toml = route(r#"request_headers = { set = { X-Tenant = "acme" } }"#);
    let gateway = Gateway::start(&origin, &toml);
    let key = gateway.key(&["a"]);
    let mut connection = gateway.connect();
    let head = format!("POST /a HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nTransfer-Encoding: chunked\r\n");
    connection
        .send(format!("{head}Trailer: X-Tenant, X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Tenant: evil\r\nX-Sum: 1\r\n\r\n"));
    connection.answer_to("POST").expect(200);
    let seen = origin.last();
    assert_eq!((seen.headers.all("x-tenant"), seen.trailers.get("x-tenant")), (vec!["acme"], None));
    assert_eq!(seen.trailers.get("x-sum"), Some("1"));
}

#[test]
fn the_upstream_is_told_which_host_is_meant() {
    let origin = Origin::start();
    for (host, told) in [
        ("client", "api.example.com".to_owned()),
        ("upstream", origin.address().to_string()),
        ("orders.internal:8080", "orders.internal:8080".to_owned()),
    ] {
        let gateway = Gateway::start(&origin, &route(&format!("upstream_host = \"{host}\"")));
        let key = gateway.key(&["a"]);
        gateway.get("/a").key(&key).host("api.example.com").send().expect(200);
        let seen = origin.last();
        assert_eq!(seen.headers.all("host"), [told]);
        assert_eq!(seen.header("x-forwarded-host"), "api.example.com");
    }
}
