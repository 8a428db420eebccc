//! gRPC callers: refusals as they read them, and their deadlines.

use super::support::h2::H2;
use super::support::{Answer, Gateway, KEYED, OPEN, Origin, Setup};

const CALL: (&str, &str) = ("content-type", "application/grpc+proto");
const EMPTY: &[u8] = &[0; 5];

#[track_caller]
fn refused(answer: &Answer, status: &str, code: &str) {
    assert_eq!((answer.status, answer.header("grpc-status")), (200, status), "{:?}", answer.headers);
    assert_eq!(answer.header("content-type"), "application/grpc");
    assert!(answer.header("grpc-message").starts_with(&format!("{code}: ")), "{:?}", answer.headers);
    assert!(answer.body.is_empty() && answer.header("proxy-status").contains(code));
}

#[test]
fn refusals_have_a_status_of_grpc() {
    let origin = Origin::start();
    let routes = "[[routes.api.limits]]\nrate = \"1/h\"\nby = \"key\"\n[routes.admin]\npaths = [\"/admin.Admin/*\"]\n\
                  upstream = \"{origin}\"\nauth = \"api_key\"\nscopes = \"admin:do\"\n\
                  [routes.dead]\npaths = [\"/dead.Dead/*\"]\nupstream = \"http://127.0.0.1:1\"\nauth = \"none\"\n";
    let gateway = Gateway::start(&origin, &format!("{}{routes}", KEYED.replace("/*", "/echo.Echo/*")));
    let key = gateway.key(&["a"]);
    let mut h2 = H2::open(gateway.at.traffic);
    refused(&h2.send("POST", "/echo.Echo/Say", &[CALL], EMPTY), "16", "missing_credentials");
    refused(&h2.send("POST", "/echo.Echo/Say", &[CALL, ("x-api-key", "wrong")], EMPTY), "16", "invalid_credentials");
    refused(&h2.send("POST", "/admin.Admin/Do", &[CALL, ("x-api-key", &key)], EMPTY), "7", "insufficient_scope");
    refused(&h2.send("POST", "/other.Other/Do", &[CALL, ("x-api-key", &key)], EMPTY), "12", "route_not_found");
    h2.send("POST", "/echo.Echo/Say", &[CALL, ("x-api-key", &key)], EMPTY).expect(200);
    let limited = h2.send("POST", "/echo.Echo/Say", &[CALL, ("x-api-key", &key)], EMPTY);
    refused(&limited, "8", "rate_limited");
    assert!(!limited.header("retry-after").is_empty());
    refused(&h2.send("POST", "/dead.Dead/Do", &[CALL], EMPTY), "14", "upstream_unreachable");
    let line = &gateway.metric("argus_decisions_total", &["code=\"rate_limited\""]);
    assert_eq!(*line, 1.0);
    // Everybody else is refused as ever.
    h2.send("POST", "/echo.Echo/Say", &[("content-type", "application/json")], b"{}")
        .refused(401, "missing_credentials");
}

#[test]
fn a_malformed_call_is_an_invalid_argument() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let answer = H2::open(gateway.at.traffic).send("POST", "/a/../b", &[CALL], EMPTY);
    refused(&answer, "3", "malformed_request");
}

#[test]
fn a_caller_says_how_long_it_waits() {
    let silent = super::support::BadOrigin::silent();
    let gateway = Setup::new(OPEN).origin(&silent.url()).start();
    let answer = H2::open(gateway.at.traffic).send("POST", "/a", &[CALL, ("grpc-timeout", "200m")], EMPTY);
    refused(&answer, "4", "upstream_timeout");
}
