//! Rows F12 to F15, F19 and F21: one request after the other, and what ends a connection.

use std::io::{Read, Write};

use super::Stand;
use crate::support::{BadOrigin, OPEN, Setup, until};

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn f12_empty_lines_before_a_request() {
    let stand = Stand::open();
    stand.passes(format!("\r\n{}", get("/a")));
    stand.refuses(400, "empty_lines", format!("\r\n\r\n{}", get("/a")));
    stand.refuses(400, "empty_lines", format!("\r\n\r\n\r\n\r\n{}", get("/a")));
    stand.refuses(400, "bare_line_feed", format!("\n{}", get("/a")));
    stand.refuses(400, "head", format!(" \r\n{}", get("/a")));
}

#[test]
fn f13_pipelined_requests() {
    // Answers by the target, and says so if a second request comes before the first is answered.
    let origin = BadOrigin::start(|mut exchange| {
        while let Some(head) = exchange.request() {
            let target = head.start.split(' ').nth(1).unwrap_or_default().to_owned();
            let early = if exchange.reader().rest().is_empty() { "" } else { " too early" };
            let body = format!("{target}{early}");
            exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let gateway = Setup::new(&OPEN.replace("{origin}", &origin.url())).start();
    let mut connection = gateway.connect();
    connection.send((0..20).map(|n| get(&format!("/{n}"))).collect::<String>());
    for n in 0..20 {
        assert_eq!(connection.answer().expect(200).text(), format!("/{n}"));
    }
    let stand = Stand::open();
    let mut connection = stand.gateway.connect();
    let bad = "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    connection.send([&get("/1"), &get("/2"), bad, &get("/smuggled")].concat());
    let statuses = [connection.answer().status, connection.answer().status, connection.answer().status];
    assert_eq!(statuses, [200, 200, 400]);
    assert!(connection.is_closed());
    assert_eq!(stand.origin.seen().iter().map(|raw| raw.target().to_owned()).collect::<Vec<_>>(), ["/1", "/2"]);
}

#[test]
fn f13_a_refused_head_behind_good_ones() {
    let stand = Stand::open();
    for bad in [
        "GET /bad HTTP/1.1\nHost: a\r\n\r\n",
        "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /b ad HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    ] {
        let asked = stand.origin.count();
        let mut connection = stand.gateway.connect();
        connection.send([&get("/1"), &get("/2"), bad, &get("/smuggled")].concat());
        let statuses = [connection.answer().status, connection.answer().status, connection.answer().status];
        assert_eq!(statuses, [200, 200, 400], "{bad:?}");
        assert!(connection.is_closed());
        assert_eq!(stand.origin.count(), asked + 2);
    }
}

#[test]
fn f14_what_follows_a_last_request() {
    let stand = Stand::open();
    for last in ["GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /a HTTP/1.0\r\nHost: a\r\n\r\n"] {
        let asked = stand.origin.count();
        let mut connection = stand.gateway.connect();
        connection.send(format!("{last}{}", get("/smuggled")));
        let answer = connection.answer().expect(200);
        // To an old client that says nothing, the end is understood.
        assert_eq!(answer.header("connection"), if last.contains("/1.0") { "" } else { "close" });
        assert!(connection.is_closed());
        assert_eq!(stand.origin.count(), asked + 1);
    }
    let mut kept = stand.gateway.connect();
    for _ in 0..2 {
        kept.send("GET /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").answer().expect(200);
    }
}

#[test]
fn f14_a_refusal_arrives_though_more_was_sent() {
    let stand = Stand::open();
    for bad in ["GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /a HTTP/1.1\nHost: a\r\n\r\n"] {
        let mut connection = stand.gateway.connect();
        connection.send(bad);
        // More than any buffer between here and there holds, unless somebody throws it away.
        let writer = connection.stream().try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            let mut writer = writer;
            let _ = (0..64).try_for_each(|_| writer.write_all(&[b'x'; 1 << 16]));
        });
        let mut all = Vec::new();
        let ended = connection.stream().read_to_end(&mut all);
        assert!(all.starts_with(b"HTTP/1.1 400 "), "{bad:?}: {ended:?} {}", all.escape_ascii());
        sender.join().unwrap();
    }
}

#[test]
fn f15_heads_that_are_too_large() {
    let stand = Stand::limited("max_header_size = \"8KiB\"");
    let field = |n: usize| format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(n));
    let fields = |n: usize| {
        let lines: String = (0..n).map(|i| format!("X-{i}: y\r\n")).collect();
        format!("GET /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
    };
    stand.passes(field(7_000));
    stand.refuses(431, "head_too_large", field(9_000));
    stand.refuses(431, "head_too_large", field(100_000));
    stand.passes(fields(99));
    stand.refuses(431, "head_too_large", fields(100));
    stand.passes(get(&format!("/{}", "x".repeat(7_000))));
    stand.refuses(414, "head_too_large", get(&format!("/{}", "x".repeat(9_000))));
}

#[test]
fn f19_a_client_that_closes_its_half() {
    let stand = Stand::open();
    let mut connection = stand.gateway.connect();
    connection.send(get("/a")).half_close();
    let all = connection.all();
    assert!(all.is_empty() || all.starts_with(b"HTTP/1.1 200 "), "{}", all.escape_ascii());
    until("the exchange to be over", || (stand.gateway.metric("argus_active_requests", &[]) == 0.0).then_some(()));
    until("the connection to be over", || (stand.gateway.metric("argus_open_connections", &[]) == 0.0).then_some(()));
}

#[test]
fn f21_who_takes_too_long() {
    let stand = Stand::limited("header_timeout = \"300ms\"\nidle_timeout = \"300ms\"");
    for begun in ["", "PRI * HT", "\r\n"] {
        let all = stand.gateway.connect().send(begun).all();
        assert!(all.is_empty(), "{begun:?}: {}", all.escape_ascii());
    }
    for begun in ["G", "P", "GET /a HTTP/1.1\r\nHost: a\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nX: y", "\r\nGET"] {
        let mut connection = stand.gateway.connect();
        let answer = connection.send(begun).answer().refused(408, "request_timeout");
        assert_eq!(answer.header("connection"), "close");
        assert!(connection.is_closed());
    }
    let slow = |stand: &Stand| stand.gateway.metric("argus_malformed_requests_total", &["cause=\"slow_head\""]);
    until("each to be counted", || (slow(&stand) >= 5.0).then_some(()));
    let mut idle = stand.gateway.connect();
    idle.send(get("/a")).answer().expect(200);
    assert!(idle.is_closed(), "an idle connection ends at its own time");
    assert_eq!(stand.origin.count(), 1);
}
