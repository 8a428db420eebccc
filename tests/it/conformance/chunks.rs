//! Rows F9 to F11 and F16 to F18: bodies, whose end is as certain as their beginning.

use super::Stand;
use crate::support::message::Ended;
use crate::support::{BadOrigin, KEYED, OPEN, Setup, until};

const HEAD: &str = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";

/// Sends a chunked body that is none. The origin must never see a whole request, nor anything that follows.
fn breaks(stand: &Stand, body: &str) {
    let asked = stand.origin.count();
    let mut connection = stand.gateway.connect();
    connection.send(format!("{HEAD}\r\n{body}")).send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = connection.answer();
    assert!(matches!(answer.status, 0 | 400), "{body:?}: {} {}", answer.status, answer.text());
    assert!(connection.is_closed(), "{body:?}: the connection goes on");
    let idle = || (stand.gateway.metric("argus_active_requests", &[]) == 0.0).then_some(());
    until("the exchange to be over", idle);
    let seen = stand.origin.seen();
    let whole: Vec<_> = seen.iter().skip(asked).filter(|raw| raw.ended != Ended::Cut).collect();
    assert!(whole.is_empty(), "{body:?}: the origin took it for whole: {whole:?}");
}

#[test]
fn f09_chunks_that_are_none() {
    let stand = Stand::open();
    for size in ["+5", "-5", "0x5", " 5", "5 5", "g", "", ";x", "00000000000000005", "10000000000000005", "5\t5", "5,"]
    {
        breaks(&stand, &format!("{size}\r\nhello\r\n0\r\n\r\n"));
    }
    for body in [
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "5\rX\nhello\r\n0\r\n\r\n",
        "5;x\ry\r\nhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\rb\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\nno colon\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n",
        "5\r\nhello\r\n0\r\n folded\r\n\r\n",
    ] {
        breaks(&stand, body);
    }
    assert!(
        stand.counted("body") + stand.counted("bare_line_feed") + stand.counted("chunk") >= 24.0,
        "{:?}",
        stand.causes()
    );
    let seen =
        Stand::open().passes(format!("{HEAD}\r\n05\r\nhello\r\nA\r\n0123456789\r\na \r\n0123456789\r\n000\r\n\r\n"));
    assert_eq!(seen.body, b"hello01234567890123456789");
}

#[test]
fn f10_chunk_extensions() {
    let stand = Stand::open();
    let seen = stand.passes(format!("{HEAD}\r\n5;x=y;z=\"q;\r\n\"\r\nhello\r\n0;last\r\n\r\n").replace("\r\n\"", "\""));
    assert!(!seen.holds(";x=y") && !seen.holds(";last"), "{}", seen.wire.escape_ascii());
    assert_eq!(seen.body, b"hello");
    // A line has 1 KiB at most, and all of a body's lines together 16 KiB.
    let long = "x".repeat(1_100);
    breaks(&stand, &format!("5;{long}\r\nhello\r\n0\r\n\r\n"));
    let many = format!("1;{}\r\na\r\n", "x".repeat(900)).repeat(30);
    breaks(&stand, &format!("{many}0\r\n\r\n"));
    let few = format!("1;{}\r\na\r\n", "x".repeat(900)).repeat(10);
    assert_eq!(Stand::open().passes(format!("{HEAD}\r\n{few}0\r\n\r\n")).body, b"aaaaaaaaaa");
}

#[test]
fn f11_trailers() {
    let stand = Stand::with(KEYED);
    let key = stand.gateway.key(&["a"]);
    let post = |fields: &str, trailers: &str| {
        format!("{HEAD}X-API-Key: {key}\r\n{fields}\r\n5\r\nhello\r\n0\r\n{trailers}\r\n")
    };
    let declared =
        "TE: trailers\r\nConnection: te\r\nTrailer: X-Sum, Host, Content-Length, Authorization, Argus-Subject\r\n";
    let bad = "Host: b\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer x\r\nArgus-Subject: root\r\n\
               Argus_Subject: root\r\nX-Forwarded-For: 6.6.6.6\r\nX-API-Key: x\r\nCookie: a=b\r\nConnection: x\r\n";
    let seen = stand.passes(post(declared, &format!("X-Sum: abc\r\n{bad}")));
    assert_eq!(seen.trailers.0, [("x-sum".to_owned(), "abc".to_owned())], "{:?}", seen.trailers);
    let undeclared = stand.passes(post("", "X-Sum: abc\r\n"));
    assert!(undeclared.trailers.0.is_empty() && !undeclared.holds("abc"), "{:?}", undeclared.trailers);
    let seen = stand.passes(post("", ""));
    assert_eq!((seen.body.as_slice(), seen.trailers.0.len()), (&b"hello"[..], 0));
}

#[test]
fn f11_trailers_of_an_answer() {
    let answer = "HTTP/1.1 200 OK\r\nTrailer: X-Sum, Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: abc\r\n\
                  Set-Cookie: a=b\r\nContent-Length: 9\r\nConnection: close\r\n\r\n";
    let origin = BadOrigin::replies(answer);
    let gateway = Setup::new(&OPEN.replace("{origin}", &origin.url())).start();
    let asked = gateway.get("/a").header("TE", "trailers").send().expect(200);
    assert_eq!(asked.trailers.0, [("x-sum".to_owned(), "abc".to_owned())]);
    let unasked = gateway.get("/a").send().expect(200);
    assert_eq!((unasked.text().as_str(), unasked.trailers.0.len(), unasked.ended), ("ok", 0, Ended::Whole));
}

#[test]
fn f16_a_body_that_is_too_large() {
    let stand = Stand::limited("max_body_size = \"1KiB\"");
    let (fits, large) = ("x".repeat(1_024), "x".repeat(1_025));
    let post =
        |length: usize, body: &str| format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
    assert_eq!(stand.passes(post(1_024, &fits)).body.len(), 1_024);
    for (length, body) in [(1_025, large.as_str()), (1 << 62, "x")] {
        let mut connection = stand.gateway.connect();
        connection.send(post(length, body));
        stand.refusal(&mut connection, "POST", 413).unwrap();
    }
    let asked = stand.origin.count();
    let mut connection = stand.gateway.connect();
    connection.send(format!("{HEAD}\r\n400\r\n{fits}\r\n1\r\nx\r\n0\r\n\r\n"));
    let answer = connection.answer();
    assert_eq!((answer.status, answer.header("connection")), (413, "close"));
    assert!(connection.is_closed());
    until("the origin to see the end", || (stand.gateway.metric("argus_active_requests", &[]) == 0.0).then_some(()));
    assert!(stand.origin.seen().iter().skip(asked).all(|raw| raw.ended == Ended::Cut));
    assert_eq!(
        Stand::limited("max_body_size = \"1KiB\"").passes(format!("{HEAD}\r\n400\r\n{fits}\r\n0\r\n\r\n")).body.len(),
        1_024
    );
}

#[test]
fn f17_bodies_of_methods_that_seldom_have_one() {
    let stand = Stand::open();
    for method in ["GET", "DELETE", "OPTIONS", "PROPFIND"] {
        let seen = stand.passes(format!("{method} /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
        assert_eq!((seen.method(), seen.field("content-length"), seen.body.as_slice()), (method, "5", &b"hello"[..]));
        let seen = stand.passes(format!(
            "{method} /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ));
        assert_eq!((seen.field("transfer-encoding"), seen.body.as_slice()), ("chunked", &b"hello"[..]), "{method}");
        let seen = stand.passes(format!("{method} /a HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(
            !seen.fields.has("content-length") && !seen.fields.has("transfer-encoding"),
            "{method}: {:?}",
            seen.fields
        );
    }
    let seen = stand.passes("HEAD /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(seen.body, b"hello");
}

#[test]
fn f18_expectations() {
    let stand = Stand::with(KEYED);
    let key = stand.gateway.key(&["a"]);
    let head = |key: &str, expect: &str, version: &str| {
        format!(
            "POST /a HTTP/{version}\r\nHost: a\r\nX-API-Key: {key}\r\nExpect: {expect}\r\nContent-Length: 5\r\n\r\n"
        )
    };
    let mut refused = stand.gateway.connect();
    let answer = refused.send(head("wrong", "100-continue", "1.1")).answer();
    assert_eq!((answer.status, answer.informational.len()), (401, 0), "a refused caller never gets a 100");
    assert!(refused.is_closed(), "its body, sent or not, cannot be told from a request");
    for expectation in ["miracles", "100-continue, miracles", "200-ok", ""] {
        let mut other = stand.gateway.connect();
        other.send(head(&key, expectation, "1.1"));
        stand.refusal(&mut other, "POST", 417).unwrap_or_else(|why| panic!("{expectation}: {why}"));
    }
    let mut admitted = stand.gateway.connect();
    admitted.send(head(&key, "100-Continue", "1.1"));
    assert_eq!(admitted.next_status(), Some(100));
    admitted.send("hello").answer().expect(200);
    assert_eq!(stand.origin.last().body, b"hello");
    // One that does not wait for it, and an old one that cannot know of it (RFC 9110 section 10.1.1).
    let mut eager = stand.gateway.connect();
    eager.send(head(&key, "100-continue", "1.1") + "hello").answer().expect(200);
    let mut old = stand.gateway.connect();
    let answer = old.send(head(&key, "100-continue", "1.0") + "hello").answer();
    assert_eq!((answer.status, answer.informational.len()), (200, 0));
    assert!(stand.origin.seen().iter().all(|raw| raw.body == b"hello"));
}
