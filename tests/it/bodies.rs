//! Bodies stream both ways, as they are.

use std::io::{Read, Write};
use std::time::Duration;

use super::support::message::{Ended, Framing};
use super::support::process::memory;
use super::support::wait::LIMIT;
use super::support::{BadOrigin, Gateway, OPEN, Origin, Setup, until};

fn open() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    (origin, gateway)
}

#[test]
fn lengths_stay_lengths_and_chunks_stay_chunks() {
    let (origin, gateway) = open();
    let answer = gateway.get("/bytes/5000").send().expect(200);
    assert_eq!((answer.header("content-length"), answer.body.len()), ("5000", 5000));
    let answer = gateway.get("/chunked/200000").send().expect(200);
    assert_eq!((answer.body.len(), answer.ended), (200_000, Ended::Whole));
    assert!(!answer.headers.has("content-length"));
    gateway.request("POST", "/a").body("12345").send().expect(200);
    let seen = origin.last();
    assert_eq!((seen.header("content-length"), seen.body.as_slice()), ("5", &b"12345"[..]));
    gateway.request("POST", "/a").body("").send().expect(200);
    assert_eq!(origin.last().header("content-length"), "0");
    let mut connection = gateway.connect();
    connection.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n");
    connection.answer().expect(200);
    let seen = origin.last();
    assert_eq!((seen.body.as_slice(), seen.whole), (&b"hello"[..], true));
    assert!(!seen.headers.has("content-length"));
}

#[test]
fn head_has_the_head_and_nothing_else() {
    let (_origin, gateway) = open();
    let mut connection = gateway.connect();
    let head = gateway.request("HEAD", "/bytes/5000").send_on(&mut connection).expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("5000", 0));
    // The connection goes on, so nothing was sent beyond the head.
    assert_eq!(gateway.get("/hello").send_on(&mut connection).expect(200).text(), "hello\n");
    let refused = gateway.request("HEAD", "/bytes/1").host("a b").send();
    assert_eq!((refused.status, refused.body.len()), (400, 0));
}

#[test]
fn answers_without_a_body() {
    let (_origin, gateway) = open();
    let mut connection = gateway.connect();
    for status in ["204", "304"] {
        let answer = gateway.get(&format!("/status/{status}")).send_on(&mut connection);
        assert_eq!((answer.status.to_string().as_str(), answer.body.len()), (status, 0));
    }
    gateway.get("/hello").send_on(&mut connection).expect(200);
}

#[test]
fn trailers_pass_both_ways() {
    let (origin, gateway) = open();
    let answer = gateway.get("/trailers").header("TE", "trailers").send().expect(200);
    assert_eq!(answer.trailers.get("x-checksum"), Some("abc"));
    let mut connection = gateway.connect();
    connection.send(
        "POST /a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: x-checksum\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\nX-Checksum: abc\r\nArgus-Subject: forged\r\nX-API-Key: forged\r\n\r\n",
    );
    connection.answer().expect(200);
    let seen = origin.last();
    assert_eq!(seen.trailers.get("x-checksum"), Some("abc"));
    assert!(!seen.trailers.has("argus-subject") && !seen.trailers.has("x-api-key"), "{:?}", seen.trailers);
}

#[test]
fn expect_continue_is_decided_first() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, super::support::KEYED);
    let head = |key: &str| {
        format!("POST /a HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    };
    let mut refused = gateway.connect();
    refused.send(head("garbage"));
    let answer = refused.answer();
    assert_eq!((answer.status, answer.informational.len()), (401, 0), "a refused caller never gets a 100");
    let key = gateway.key(&["a"]);
    let mut admitted = gateway.connect();
    admitted.send(head(&key));
    assert_eq!(admitted.next_status(), Some(100));
    assert_eq!(admitted.send("hello").answer().expect(200).text(), "hello\n");
    assert_eq!(origin.last().body, b"hello");
    let other = gateway.get("/a").key(&key).header("Expect", "miracles").send();
    other.refused(417, "expectation_failed");
}

#[test]
fn a_large_body_is_never_held_whole() {
    const SIZE: usize = 64 << 20;
    let (_origin, gateway) = open();
    let before = memory(gateway.pid(), "VmRSS");
    let answer = gateway.get(&format!("/chunked/{SIZE}")).send().expect(200);
    assert_eq!(answer.body.len(), SIZE);
    let grown = memory(gateway.pid(), "VmRSS").saturating_sub(before);
    assert!(grown < 16 << 20, "grew by {grown} bytes");
}

#[test]
fn a_slow_reader_holds_the_origin_back() {
    const SIZE: u64 = 1 << 30;
    let (_origin, gateway) = open();
    let before = memory(gateway.pid(), "VmRSS");
    let mut connection = gateway.connect();
    connection.send(gateway.get(&format!("/chunked/{SIZE}")).bytes());
    // What the sockets on the way hold is filled once reading what came does not make the gateway grow any more.
    let mut piece = vec![0; 1 << 20];
    connection.stream().read_exact(&mut piece).unwrap();
    let (mut last, mut still) = (0, 0);
    until("the gateway to stand still", || {
        let grown = memory(gateway.pid(), "VmRSS").saturating_sub(before);
        assert!(grown < 16 << 20, "grew by {grown} bytes for a client that does not read");
        still = if grown == last { still + 1 } else { 0 };
        last = grown;
        (still == 10).then_some(())
    });
}

#[test]
fn a_slow_origin_holds_the_client_back() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("listen = \"{{traffic}}\"\n{OPEN}"));
    let before = memory(gateway.pid(), "VmRSS");
    let mut connection = gateway.connect();
    connection.send("POST /hold HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    origin.wait_for(1);
    let piece = [b"10000\r\n".as_slice(), &vec![b'x'; 1 << 16], b"\r\n"].concat();
    connection.stream().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut sent = 0;
    while sent < 256 << 20 && connection.stream().write_all(&piece).is_ok() {
        sent += piece.len();
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken though the origin reads nothing");
    let grown = memory(gateway.pid(), "VmRSS").saturating_sub(before);
    assert!(grown < 16 << 20, "grew by {grown} bytes");
}

#[test]
fn bodies_have_a_bound() {
    let origin = Origin::start();
    let toml = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nmax_body_size = \"1KiB\"\n";
    let gateway = Gateway::start(&origin, &format!("{toml}{OPEN}"));
    gateway.request("POST", "/a").body(vec![b'x'; 1024]).send().expect(200);
    let refused = gateway.request("POST", "/a").body(vec![b'x'; 1025]).send().refused(413, "body_too_large");
    assert_eq!(refused.header("connection"), "close");
    let asked = origin.count();
    let mut connection = gateway.connect();
    connection.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send([b"800\r\n".as_slice(), &[b'x'; 2048], b"\r\n0\r\n\r\n"].concat());
    assert_eq!(connection.answer().status, 413);
    until("the origin to see how it ended", || origin.seen().iter().skip(asked).all(|r| !r.whole).then_some(()));
}

#[test]
fn an_answer_before_the_body_is_delivered() {
    let (_origin, gateway) = open();
    let mut connection = gateway.connect();
    connection.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nsome");
    assert_eq!(connection.answer().status, 413);
}

#[test]
fn a_body_may_outlive_its_answer() {
    let (tell, told) = std::sync::mpsc::channel();
    let origin = BadOrigin::start(move |mut exchange| {
        if exchange.head().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            let _ = tell.send(exchange.reader().body(Framing::Length(8)).unwrap().0);
        }
    });
    let limits = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nheader_timeout = \"500ms\"\n";
    let gateway = Setup::new(&format!("{limits}{OPEN}")).origin(&origin.url()).start();
    let mut connection = gateway.connect();
    connection.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    assert_eq!(connection.answer().expect(200).text(), "ok");
    // What comes now is no head, and takes longer than a head may.
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(200));
        connection.send("x");
    }
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), b"xxxxxxxx");
    connection.send(gateway.get("/b").bytes());
    assert_eq!(connection.answer().expect(200).text(), "ok");
}

#[test]
fn a_client_that_hangs_up_ends_the_exchange() {
    let silent = BadOrigin::silent();
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &OPEN.replace("{origin}", &silent.url()));
    let mut connection = gateway.connect();
    connection.send(gateway.get("/a").bytes());
    until("the request to be on its way", || (gateway.metric("argus_active_requests", &[]) > 0.0).then_some(()));
    drop(connection);
    until("the request to be over", || (gateway.metric("argus_active_requests", &[]) == 0.0).then_some(()));
    let line = until("its line in the log", || gateway.lines("access").pop());
    assert_eq!(line["outcome"], "hung_up", "{line}");
}

#[test]
fn compressed_bodies_pass_untouched() {
    let gzip = b"\x1f\x8b\x08\0not really gzip, which nobody looks at";
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: {}\r\n\r\n",
        gzip.len()
    );
    let origin = BadOrigin::replies([head.as_bytes(), gzip].concat());
    let gateway = Setup::new(OPEN).origin(&origin.url()).start();
    let answer = gateway.get("/a").header("Accept-Encoding", "gzip, br").send().expect(200);
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), ("gzip", "Accept-Encoding"));
    assert_eq!(answer.body, gzip);
    let (origin, gateway) = open();
    gateway
        .request("POST", "/a")
        .header("Content-Encoding", "br")
        .header("Accept-Encoding", "br")
        .body(&gzip[..])
        .send();
    let seen = origin.last();
    assert_eq!((seen.header("content-encoding"), seen.header("accept-encoding")), ("br", "br"));
    assert_eq!(seen.body, gzip);
}

#[test]
fn an_old_client_gets_neither_chunks_nor_interim_answers() {
    let origin = BadOrigin::replies(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    let gateway = Setup::new(OPEN).origin(&origin.url()).start();
    for expect in ["", "Expect: 100-continue\r\n"] {
        let request = format!("POST /a HTTP/1.0\r\nHost: a\r\n{expect}Content-Length: 2\r\n\r\nhi");
        let all = gateway.connect().send(request).all();
        let text = String::from_utf8_lossy(&all).to_lowercase();
        assert_eq!(text.matches("http/1.").count(), 1, "one head alone: {text}");
        assert!(text.contains(" 200 ok\r\n") && !text.contains("transfer-encoding"), "{text}");
        assert!(text.ends_with("\r\n\r\nhi"), "{text}");
    }
}

#[test]
fn a_body_that_none_may_have_is_not_passed() {
    for (method, status) in [("GET", "204 No Content"), ("GET", "304 Not Modified"), ("HEAD", "200 OK")] {
        let origin = BadOrigin::replies(format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nevil"));
        let gateway = Setup::new(OPEN).origin(&origin.url()).start();
        for _ in 0..2 {
            let request = format!("{method} /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let all = gateway.connect().send(request).all();
            let text = String::from_utf8_lossy(&all);
            assert!(text.starts_with(&format!("HTTP/1.1 {status}")) && text.ends_with("\r\n\r\n"), "{text}");
        }
    }
}
