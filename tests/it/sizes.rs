//! Bounds of a route on the bodies of requests and answers.

use super::support::message::Ended;
use super::support::{Gateway, Origin};

const ROUTES: &str = r#"
[listeners.default]
address = "{traffic}"
limits = { max_body_size = "100B" }

[routes.small]
paths = ["/small/*"]
upstream = "{origin}"
auth = "none"
strip_prefix = "/small"
max_body_size = "10B"
max_response_size = "1000B"

[routes.large]
paths = ["/large/*"]
upstream = "{origin}"
auth = "none"
strip_prefix = "/large"
max_body_size = "unlimited"

[routes.usual]
paths = ["/*"]
upstream = "{origin}"
auth = "none"
"#;

fn scene() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, ROUTES);
    (origin, gateway)
}

#[test]
fn a_route_takes_what_it_says_in_place_of_the_listener() {
    let (origin, gateway) = scene();
    for (path, most) in [("/small/a", 10), ("/usual", 100), ("/large/a", 100_000)] {
        gateway.request("POST", path).body("x".repeat(most)).send().expect(200);
        assert_eq!(origin.last().body.len(), most);
        if path == "/large/a" {
            continue;
        }
        let refused = gateway.request("POST", path).body("x".repeat(most + 1)).send().refused(413, "body_too_large");
        assert_eq!(refused.header("connection"), "close");
        let mut connection = gateway.connect();
        let data = "x".repeat(most + 1);
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{data}\r\n0\r\n\r\n",
            most + 1
        ));
        connection.answer_to("POST").refused(413, "body_too_large");
    }
}

#[test]
fn an_answer_that_says_it_is_too_large_is_not_begun() {
    let (_origin, gateway) = scene();
    assert_eq!(gateway.get("/small/bytes/1000").send().expect(200).body.len(), 1000);
    gateway.get("/small/bytes/1001").send().refused(502, "response_too_large");
    assert_eq!(gateway.get("/large/bytes/100001").send().expect(200).body.len(), 100_001);
    let head = gateway.request("HEAD", "/small/bytes/1001").send().expect(200);
    assert_eq!(head.header("content-length"), "1001");
}

#[test]
fn an_answer_that_turns_out_too_large_is_cut() {
    let (_origin, gateway) = scene();
    let whole = gateway.get("/small/chunked/1000").send().expect(200);
    assert_eq!((whole.body.len(), whole.ended), (1000, Ended::Whole));
    let cut = gateway.get("/small/chunked/200000").send();
    assert_eq!(cut.ended, Ended::Cut);
    assert!(cut.body.len() <= 1000, "{}", cut.body.len());
}
