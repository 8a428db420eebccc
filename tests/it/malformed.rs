//! What two readers could understand differently is refused, and never reaches the origin.

use super::support::{Gateway, OPEN, Origin};

/// Bytes that are refused with one of these statuses (0: the connection just ends), after which it is closed.
const REFUSED: &[(&str, &[u16])] = &[
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", &[400]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", &[400]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", &[400]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", &[400]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", &[400]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", &[400]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", &[400, 413]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", &[400, 501]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", &[400, 501]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", &[400, 501]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", &[400]),
    (
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    ("POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\nHost: a\n\n", &[400, 0]),
    ("GET /a HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost : a\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: user@a\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", &[400]),
    ("GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", &[400]),
    ("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a/./b HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a%5Cb HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", &[400, 405]),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", &[405]),
    ("GET /a HTTP/1.2\r\nHost: a\r\n\r\n", &[400, 505]),
    ("GET /a HTTP/2.0\r\nHost: a\r\n\r\n", &[400, 505, 0]),
    ("GET /a http/1.1\r\nHost: a\r\n\r\n", &[400, 505]),
    ("GET /a\r\n\r\n", &[400, 505, 0]),
    ("G\u{7f}T /a HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
];

#[test]
fn what_could_mean_two_things_is_refused() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut wrong = Vec::new();
    for (bytes, statuses) in REFUSED {
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut connection = gateway.connect();
        connection.send(format!("{bytes}{smuggled}"));
        let all = connection.half_close().all();
        let text = String::from_utf8_lossy(&all);
        let status: u16 = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        if !statuses.contains(&status) {
            wrong.push(format!("{bytes:?}: {status}, expected one of {statuses:?}"));
        }
        // A refusal of the route kind may keep the connection; one of framing may not.
        if text.matches("HTTP/1.1 ").count() > 1 && status == 400 {
            wrong.push(format!("{bytes:?}: the connection went on: {text}"));
        }
    }
    let reached: Vec<String> = origin.seen().into_iter().map(|r| r.target).filter(|t| t != "/smuggled").collect();
    if !reached.is_empty() {
        wrong.push(format!("the origin was asked for {reached:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn their_twins_pass() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    for bytes in [
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET /a//b;c=d?e=%2f%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%20b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/abs HTTP/1.1\r\nHost: a\r\n\r\n",
        "DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nno",
        "PROPFIND /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
    ] {
        let mut connection = gateway.connect();
        assert_eq!(connection.send(bytes).answer().status, 200, "{bytes:?}");
    }
}

#[test]
fn the_authority_of_an_absolute_target_wins() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = gateway.connect();
    connection.send("GET http://api.example.com/a HTTP/1.1\r\nHost: other.example\r\n\r\n");
    connection.answer().expect(200);
    let seen = origin.last();
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/a", "api.example.com"));
}

#[test]
fn heads_have_a_bound() {
    let origin = Origin::start();
    let toml = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nmax_header_size = \"8KiB\"\n";
    let gateway = Gateway::start(&origin, &format!("{toml}{OPEN}"));
    gateway.get("/a").header("X-Big", &"x".repeat(6_000)).send().expect(200);
    assert_eq!(gateway.get("/a").header("X-Big", &"x".repeat(9_000)).send().status, 431);
    assert!(matches!(gateway.get(&format!("/{}", "x".repeat(9_000))).send().status, 414 | 431));
    let mut many = gateway.get("/a");
    for number in 0..101 {
        many = many.header(&format!("X-{number}"), "1");
    }
    assert_eq!(many.send().status, 431);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = gateway.connect();
    connection.send("GET /bytes/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/2 HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n");
    let lengths: Vec<usize> = (0..3).map(|_| connection.answer().expect(200).body.len()).collect();
    assert_eq!(lengths, [1, 2, 3]);
}

#[test]
fn a_head_that_does_not_end_is_cut_off() {
    let origin = Origin::start();
    let toml = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nheader_timeout = \"300ms\"\n";
    let gateway = Gateway::start(&origin, &format!("{toml}{OPEN}"));
    for begun in ["", "G", "GET /a HTTP/1.1\r\nHost: a\r\n", "PRI * HT"] {
        let mut connection = gateway.connect();
        connection.send(begun);
        let answer = connection.all();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "after {begun:?}: {text}");
    }
}
