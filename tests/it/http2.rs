//! HTTP/2 from the client: the same decisions, the same bytes at the origin.

use super::support::h2::H2;
use super::support::message::Ended;
use super::support::{Gateway, KEYED, OPEN, Origin};

#[test]
fn the_same_answers_as_over_http_1() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    let mut h2 = H2::open(gateway.at.traffic);
    h2.get("/hello", &[]).refused(401, "missing_credentials");
    assert_eq!(h2.get("/hello?x=1", &[("x-api-key", &key)]).expect(200).text(), "hello\n");
    let seen = origin.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/hello?x=1"));
    assert_eq!(seen.header("host"), gateway.at.traffic.to_string());
    assert!(!seen.headers.has("x-api-key"));
    let head = h2.send("HEAD", "/bytes/10", &[("x-api-key", &key)], b"").expect(200);
    assert!(head.body.is_empty());
}

#[test]
fn bodies_and_trailers() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut h2 = H2::open(gateway.at.traffic);
    let body = vec![b'y'; 300_000];
    assert!(h2.send("POST", "/echo", &[], &body).expect(200).body == body);
    let answer = h2.get("/chunked/500000", &[]);
    assert_eq!((answer.body.len(), answer.ended), (500_000, Ended::Whole));
    let answer = h2.get("/trailers", &[("te", "trailers")]).expect(200);
    assert_eq!(answer.trailers.get("x-checksum"), Some("abc"));
    assert!(!answer.headers.has("transfer-encoding") && !answer.headers.has("connection"));
}

#[test]
fn cookies_in_pieces_are_put_together() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    H2::open(gateway.at.traffic).get("/a", &[("cookie", "a=1"), ("cookie", "b=2")]).expect(200);
    assert_eq!(origin.last().headers.all("cookie"), ["a=1; b=2"]);
}

#[test]
fn identity_is_nobodys_to_claim_here_either() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    H2::open(gateway.at.traffic).get("/a", &[("argus-subject", "forged"), ("argus_owner", "forged")]).expect(200);
    assert!(!origin.last().headers.0.iter().any(|(_, value)| value == "forged"));
}

#[test]
fn a_host_that_contradicts_the_authority_is_refused() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let answer = H2::open(gateway.at.traffic).get("/a", &[("host", "elsewhere.example")]);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(origin.count(), 0);
}
