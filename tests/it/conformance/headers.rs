//! Rows H1 to H10: fields on their way in and out.

use super::Stand;
use crate::support::{BadOrigin, Gateway, KEYED, OPEN, RawOrigin, Setup};

fn get(lines: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

/// A gateway whose origin answers with these bytes.
fn before(answer: &str) -> Gateway {
    Setup::new(&OPEN.replace("{origin}", &BadOrigin::replies(answer).url())).start()
}

#[test]
fn h01_fields_of_one_hop() {
    let stand = Stand::open();
    let seen = stand.passes(get(
        "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nProxy-Authenticate: Basic\r\n\
         Proxy-Authorization: Basic eDp5\r\nTE: gzip;q=0.5, trailers\r\nUpgrade: h2c, foo\r\nHTTP2-Settings: AAMAAABk\r\nX-End: yes\r\n",
    ));
    for gone in [
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "upgrade",
        "http2-settings",
        "transfer-encoding",
    ] {
        assert!(!seen.fields.has(gone), "{gone}: {:?}", seen.fields);
    }
    assert!(matches!(seen.field("te"), "" | "trailers"));
    assert_eq!(seen.field("x-end"), "yes");
    let back = before(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Inner, close\r\nKeep-Alive: timeout=5\r\nX-Inner: 1\r\n\
         Proxy-Connection: close\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-End: yes\r\n\r\nok",
    );
    let mut client = back.connect();
    let answer = client.send(get("")).answer().expect(200);
    for gone in ["connection", "keep-alive", "x-inner", "proxy-connection", "proxy-authenticate", "upgrade"] {
        assert!(!answer.headers.has(gone), "{gone}: {:?}", answer.headers);
    }
    assert_eq!(answer.header("x-end"), "yes");
    client.send(get("")).answer().expect(200);
}

#[test]
fn h02_fields_named_in_connection() {
    let stand = Stand::with(KEYED);
    let key = stand.gateway.key(&["a"]);
    let named = "Host, X-API-Key, Argus-Key-Id, Argus-Subject, Argus-Request-Id, X-Forwarded-For, X-Forwarded-Host, X-Real-IP, \
                 Via, X-Request-Id, Content-Length, X-Mine";
    let seen = stand.passes(get(&format!("Connection: {named}\r\nX-API-Key: {key}\r\nX-Mine: 1\r\nX-Kept: 2\r\n")));
    for kept in [
        "host",
        "argus-key-id",
        "argus-request-id",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "via",
        "x-kept",
    ] {
        assert!(seen.fields.has(kept), "{kept}: {:?}", seen.fields);
    }
    assert!(!seen.fields.has("x-mine") && !seen.fields.has("x-api-key"));
    let post = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nConnection: content-length, transfer-encoding\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert_eq!(stand.passes(post).body, b"hello");
}

#[test]
fn h03_nobody_says_who_it_is() {
    let open = OPEN.replace("routes.api", "routes.open").replace("/*", "/open");
    let stand = Stand::with(&format!("{KEYED}{open}"));
    let key = stand.gateway.key(&["a"]);
    let forged: String =
        ["Argus-Subject", "argus-owner", "ARGUS-KEY-ID", "Argus_Subject", "argus_roles", "aRgUs_kEy-iD", "Argus-New"]
            .iter()
            .map(|name| format!("{name}: forged\r\n"))
            .collect();
    let seen = stand.passes(format!("GET /open HTTP/1.1\r\nHost: a\r\n{forged}\r\n"));
    assert!(!seen.holds("forged"), "{}", seen.wire.escape_ascii());
    let seen = stand.passes(get(&format!("{forged}X-API-Key: {key}\r\n")));
    assert!(!seen.holds("forged"), "{}", seen.wire.escape_ascii());
    assert_eq!(seen.fields.all("argus-key-id").len(), 1);
}

#[test]
fn h04_names_with_underscores() {
    let stand = Stand::open();
    let seen = stand.passes(get("X_Forwarded_For: 6.6.6.6\r\nmy_field: 1\r\nmy-field: 2\r\n_: 3\r\n"));
    assert!(!seen.holds("my_field") && !seen.holds("6.6.6.6") && !seen.holds("_:"), "{}", seen.wire.escape_ascii());
    assert_eq!(seen.field("my-field"), "2");
}

#[test]
fn h05_what_is_said_of_the_way() {
    let told = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n\
                X-Forwarded-Prefix: /evil\r\nX-Forwarded-Server: evil\r\nX-Forwarded-Uri: /evil\r\nX-Real-IP: 203.0.113.9\r\n\
                Forwarded: for=203.0.113.9\r\nVia: 1.1 evil\r\nX-Request-Id: evil-1\r\n";
    let stranger = Stand::open();
    let seen = stranger.passes(get(told));
    assert!(!seen.holds("evil") && !seen.holds("203.0.113.9"), "{}", seen.wire.escape_ascii());
    assert_eq!((seen.field("x-forwarded-for"), seen.field("via")), ("127.0.0.1", "1.1 argus"));
    let proxy = Stand::with(&format!("[clients]\ntrusted_proxies = [\"127.0.0.1\"]\n{OPEN}"));
    let seen = proxy.passes(get(told));
    assert_eq!(seen.field("x-forwarded-for"), "203.0.113.9, 127.0.0.1");
    assert_eq!((seen.field("x-real-ip"), seen.field("x-request-id")), ("203.0.113.9", "evil-1"));
    assert!(!seen.fields.has("forwarded"), "only one kind of field is believed");
}

#[test]
fn h06_fields_that_stand_twice() {
    let stand = Stand::with(KEYED);
    let key = stand.gateway.key(&["a"]);
    for twice in [
        format!("X-API-Key: {key}\r\nX-API-Key: other\r\n"),
        format!("X-API-Key: other\r\nX-API-Key: {key}\r\n"),
        format!("X-API-Key: {key}\r\nAuthorization: Bearer other\r\n"),
        format!("Authorization: Bearer {key}\r\nAuthorization: Bearer other\r\n"),
        format!("Authorization: Bearer {key}\r\nAuthorization: Basic eDp5\r\n"),
        "Authorization: Bearer x, Bearer y\r\nX-API-Key: z\r\n".to_owned(),
    ] {
        let answer = stand.gateway.connect().send(get(&twice)).answer();
        answer.refused(400, "multiple_credentials");
    }
    assert_eq!(stand.origin.count(), 0);
    let seen = stand
        .passes(get(&format!("X-API-Key: {key}\r\nContent-Type: a\r\nContent-Type: b\r\nAccept: c\r\nAccept: d\r\n")));
    assert_eq!((seen.fields.all("content-type"), seen.fields.all("accept")), (vec!["a", "b"], vec!["c", "d"]));
}

#[test]
fn h07_answers_with_fields_that_are_none() {
    for lines in ["Bad Name: x\r\n", "X: a\0b\r\n", "X: a\rb\r\n", "X\r\n", ": x\r\n", "X : y\r\n", "X: a\r\n b\r\n"] {
        let answer = before(&format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok")).get("/a").send();
        answer.refused(502, "upstream_invalid");
    }
    let odd = before(
        "HTTP/1.1 200 OK\r\nServer: api/1.0\r\nX: a\tb\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok",
    );
    let answer = odd.get("/a").send().expect(200);
    assert_eq!((answer.header("server"), answer.header("x")), ("api/1.0", "a\tb"));
    assert_eq!(answer.headers.all("set-cookie"), ["a", "b"]);
}

#[test]
fn h08_values_and_their_order() {
    let stand = Stand::open();
    let sent = [
        ("X-B", "1"),
        ("X-A", "a,  b;c=\"d, e\"  f"),
        ("X-B", "2"),
        ("Accept", "*/*"),
        ("X-C", "\u{e4}\t~"),
        ("X-B", "3"),
    ];
    let lines: String = sent.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let seen = stand.passes(get(&lines));
    assert_eq!(seen.fields.all("x-b"), ["1", "2", "3"]);
    for (_, value) in sent {
        assert!(seen.holds(format!(": {value}\r\n")), "{value}: {}", seen.wire.escape_ascii());
    }
}

#[test]
fn h09_trace_and_hops() {
    let stand = Stand::open();
    stand.refuses(405, "trace", "TRACE /a HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\n\r\n");
    stand.refuses(405, "trace", "TRACE /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!(stand.passes("OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n").method(), "OPTIONS");
    assert_eq!(stand.passes(get("Max-Forwards: 0\r\n")).field("max-forwards"), "0", "it means nothing to GET");
}

#[test]
fn h10_fields_of_caches() {
    let fields =
        "ETag: \"x\"\r\nCache-Control: max-age=5\r\nVary: Accept\r\nAge: 3\r\nExpires: 0\r\nLast-Modified: x\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok");
    let stand = Stand::before(RawOrigin::answering(answer), KEYED);
    let key = stand.gateway.key(&["a"]);
    let asked = "If-None-Match: \"x\"\r\nRange: bytes=0-1\r\nCache-Control: no-cache\r\n";
    let mut client = stand.gateway.connect();
    let answer = client.send(get(&format!("X-API-Key: {key}\r\n{asked}"))).answer().expect(200);
    for line in fields.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        assert_eq!(answer.headers.all(name), [value], "{name}");
    }
    for line in asked.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        assert_eq!(stand.origin.last().fields.all(name), [value], "{name}");
    }
    let refused = client.send(get("")).answer().expect(401);
    assert_eq!(refused.header("cache-control"), "no-store");
}
