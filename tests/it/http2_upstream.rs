//! HTTP/2 to an upstream: the same bytes as over HTTP/1.1, on few connections, and nothing cut that looks whole.

use super::support::certificate::Authority;
use super::support::frames::{DATA, Frames, RST_STREAM};
use super::support::h2::H2;
use super::support::h2_origin::H2Origin;
use super::support::message::Ended;
use super::support::{Gateway, OPEN, Origin, Setup, until};

const HTTP2: &str = "[resources]\nworkers = 1\n[upstreams.o]\nservers = [\"{origin}\"]\nhttp2 = \"always\"\n";
const ROUTE: &str = "[routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n";

fn setup(url: &str, more: &str) -> Setup {
    Setup::new(&format!("{HTTP2}{more}{ROUTE}")).origin(url)
}

fn before(origin: &H2Origin) -> Gateway {
    setup(&format!("http://{}", origin.address()), "").start()
}

#[test]
fn requests_and_answers_pass() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    assert_eq!(gateway.get("/a?b=c").host("api.example").send().expect(200).text(), "hello\n");
    let seen = origin.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "http://api.example/a?b=c"));
    for of_http_1 in ["host", "connection", "transfer-encoding", "keep-alive", "upgrade"] {
        assert!(!seen.headers.has(of_http_1), "{of_http_1}");
    }
    let body = vec![b'y'; 700_000];
    assert!(gateway.request("POST", "/echo").body(body.clone()).send().expect(200).body == body);
    assert!(H2::open(gateway.at.traffic).send("PUT", "/echo", &[], &body).expect(200).body == body);
    assert!(gateway.request("HEAD", "/a").send().expect(200).body.is_empty());
    let answer = gateway.get("/a").send();
    assert!(answer.headers.all("via").iter().any(|via| via.contains("2 argus")), "{:?}", answer.headers);
}

#[test]
fn a_call_of_grpc() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "1S")];
    let message = b"\0\0\0\0\x03abc";
    let answer = H2::open(gateway.at.traffic).send("POST", "/grpc", &fields, message).expect(200);
    assert_eq!((answer.body.as_slice(), answer.ended), (&message[..], Ended::Whole));
    assert_eq!((answer.header("content-type"), answer.trailers.get("grpc-status")), ("application/grpc", Some("0")));
    let seen = origin.last();
    assert_eq!((seen.header("te"), seen.header("grpc-timeout")), ("trailers", "1S"));
}

#[test]
fn trailers_that_are_announced_pass_and_no_others() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    let mut client = gateway.connect();
    client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum, argus-subject\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Sum: 7\r\nArgus-Subject: forged\r\nX-Other: 1\r\n\r\n",
    );
    client.answer().expect(200);
    let seen = origin.last();
    assert_eq!((seen.body.as_slice(), seen.trailers.0), (&b"abc"[..], vec![("x-sum".to_owned(), "7".to_owned())]));
}

#[test]
fn requests_share_a_connection() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..20).map(|_| scope.spawn(|| gateway.get("/hold").send().expect(200))).collect();
        origin.wait_for(20);
        origin.release();
        asked.into_iter().for_each(|one| drop(one.join().unwrap()));
    });
    gateway.get("/a").send().expect(200);
    assert_eq!(origin.connections(), 1);
}

#[test]
fn more_than_the_peer_allows_goes_on_another_connection_up_to_a_bound() {
    let origin = H2Origin::with_streams(1);
    let gateway = before(&origin);
    gateway.get("/a").send().expect(200);
    std::thread::scope(|scope| {
        // One at a time, so that each connection has told by then how many it takes.
        let mut asked = Vec::new();
        for n in 0..16 {
            asked.push(scope.spawn(|| gateway.get("/hold").send().expect(200)));
            origin.wait_for(n + 2);
        }
        assert_eq!(origin.connections(), 16);
        gateway.get("/a").send().refused(503, "gateway_overloaded");
        origin.release();
        asked.into_iter().for_each(|one| drop(one.join().unwrap()));
    });
    gateway.get("/a").send().expect(200);
    assert_eq!(origin.connections(), 16);
}

#[test]
fn a_connection_that_takes_no_more_is_replaced() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    for _ in 0..3 {
        gateway.get("/last").send().expect(200);
        gateway.request("POST", "/echo").body("x").send().expect(200);
    }
    assert!(origin.connections() > 1);
}

#[test]
fn what_was_not_looked_at_is_sent_again() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    gateway.get("/a").send().expect(200);
    gateway.get("/refuse").send().expect(200);
    // A request that was taken and given up is not.
    gateway.get("/reset/2").send().refused(502, "upstream_invalid");
    assert_eq!(origin.arrived(), 4);
}

#[test]
fn a_cut_answer_is_seen_to_be_cut() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    // No error, an internal error, a cancelled stream.
    for code in [0, 2, 8] {
        let path = format!("/cut/{code}");
        assert_eq!(gateway.get(&path).send().ended, Ended::Cut, "HTTP/1.1, {code}");
        assert_eq!(H2::open(gateway.at.traffic).get(&path, &[]).ended, Ended::Cut, "HTTP/2, {code}");
    }
    gateway.get("/a").send().expect(200);
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_cut_request_is_seen_to_be_cut() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    gateway.raw("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    until("the request to break off", || origin.seen().pop().map(|seen| assert!(!seen.whole)));
}

/// An upload over HTTP/2 that is reset with this code when the upstream has a part of it.
fn reset_upload(gateway: &Gateway, code: u32, has_arrived: impl Fn() -> bool) {
    let mut frames = Frames::open(gateway.at.traffic);
    let post = [(":method", "POST"), (":scheme", "http"), (":path", "/upload"), (":authority", "a")];
    frames.headers(1, false, &post).frame(DATA, 0, 1, b"a part");
    until("a part of it to arrive", || has_arrived().then_some(()));
    frames.frame(RST_STREAM, 0, 1, &code.to_be_bytes());
}

#[test]
fn an_upload_that_is_reset_never_looks_whole() {
    // NO_ERROR and CANCEL, which hyper takes for an end like any other, and INTERNAL_ERROR.
    for code in [0, 8, 2] {
        let origin = Origin::start();
        let gateway = Gateway::start(&origin, OPEN);
        reset_upload(&gateway, code, || origin.body_bytes() == 6);
        origin.wait_for(1);
        assert!(!origin.last().whole, "over HTTP/1.1, {code}");
        let origin = H2Origin::start();
        let gateway = before(&origin);
        reset_upload(&gateway, code, || origin.arrived() == 1);
        let seen = until("the request to break off", || origin.seen().pop());
        assert!(!seen.whole, "over HTTP/2, {code}");
    }
}

#[test]
fn over_tls_both_have_to_agree() {
    let authority = Authority::new();
    let shown = authority.issue(&["localhost"]);
    let start = |origin: &H2Origin| {
        let url = format!("https://localhost:{}", origin.address().port());
        setup(&url, "tls = { ca = \"ca.pem\" }\n").file("ca.pem", authority.pem()).start()
    };
    let origin = H2Origin::over_tls(&shown, b"h2");
    start(&origin).get("/a").host("api.example").send().expect(200);
    assert_eq!(origin.last().target, "https://api.example/a");
    let other = H2Origin::over_tls(&shown, b"http/1.1");
    start(&other).get("/a").send().refused(502, "upstream_unreachable");
}

#[test]
fn who_speaks_something_else_is_not_understood() {
    let origin = Origin::start();
    setup(&origin.url(), "").start().get("/a").send().refused(502, "upstream_invalid");
    assert_eq!(origin.count(), 0);
}

#[test]
fn websocket_needs_http_1() {
    let origin = H2Origin::start();
    let gateway = before(&origin);
    let asks = gateway.get("/ws").header("Connection", "upgrade").header("Upgrade", "websocket");
    let asks = asks.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    asks.send().refused(502, "upstream_invalid");
    gateway.get("/a").send().expect(200);
}
