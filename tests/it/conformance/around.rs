//! Rows A1 to A10: what goes on around a request.

use super::Stand;
use crate::support::client::Request;
use crate::support::{KEYED, OPEN, Origin, Setup};

fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn a01_unknown_and_wrong_keys_look_alike() {
    let stand = Stand::with(&format!("{KEYED}limits = [{{ rate = \"100/m\", by = \"key\" }}]\n"));
    let key = stand.gateway.key(&["a"]);
    let last = if key.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &key[..key.len() - 1]);
    let unknown = key.replace(&key[11..21], "AAAAAAAAAA");
    let told = |key: &str| {
        let answer = stand.gateway.get("/a").key(key).send().refused(401, "invalid_credentials");
        let mut fields: Vec<_> = answer.headers.0.clone();
        fields.retain(|(name, _)| !matches!(name.to_lowercase().as_str(), "date" | "x-request-id"));
        let mut body = answer.json();
        body.as_object_mut().unwrap().remove("request_id");
        (fields, body.to_string())
    };
    let first = told(&wrong);
    assert_eq!(first, told(&unknown));
    assert_eq!(first, told("garbage"));
    assert!(!first.0.iter().any(|(name, _)| name.to_lowercase().contains("ratelimit")), "{:?}", first.0);
    stand.gateway.get("/a").key(&key).send().expect(200);
}

#[test]
fn a02_a_credential_in_two_places() {
    let stand = Stand::with(KEYED);
    let key = stand.gateway.key(&["a"]);
    let answer = stand
        .gateway
        .connect()
        .send(get("/a", &format!("X-API-Key: {key}\r\nAuthorization: Bearer hunter2\r\n")))
        .answer();
    answer.refused(400, "multiple_credentials");
    stand.gateway.get("/a").key(&key).send().expect(200);
    assert!(!stand.gateway.said().contains("hunter2") && !stand.gateway.said().contains(&key));
}

#[test]
fn a05_the_client_chooses_no_upstream() {
    let elsewhere = Origin::start();
    let stand = Stand::open();
    let authority = elsewhere.address();
    stand.passes(format!("GET http://{authority}/a HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
    stand.passes(format!(
        "GET /a HTTP/1.1\r\nHost: {authority}\r\nX-Forwarded-Host: {authority}\r\nForwarded: host={authority}\r\n\r\n"
    ));
    stand.passes(get("/a", "X-Original-URL: /b\r\nX-Rewrite-URL: /b\r\n"));
    assert_eq!((elsewhere.count(), stand.origin.last().target()), (0, "/a"));
}

#[test]
fn a06_the_admin_side_is_another_door() {
    let stand = Stand::open();
    let admin = stand.gateway.at.admin;
    let bearer = format!("Bearer {}", stand.gateway.admin_key());
    let seen = stand.passes(get("/v1/keys", &format!("X-Forwarded-Host: {admin}\r\n")));
    assert_eq!(seen.target(), "/v1/keys", "to the data side it is a path like any other");
    let ask = |host: &str, more: Option<(&str, &str)>| {
        let request = Request::new(admin, "GET", "/v1/keys").header("Authorization", &bearer).host(host);
        more.into_iter().fold(request, |r, (name, value)| r.header(name, value)).send().status
    };
    assert_eq!(ask(&admin.to_string(), None), 200);
    assert!(matches!(ask("evil.example", None), 400..=499), "a name that was bound to this address");
    assert!(matches!(ask(&format!("evil.example:{}", admin.port()), None), 400..=499));
    assert_eq!(Request::new(admin, "GET", "/v1/keys").send().status, 401);
}

#[test]
fn a07_nothing_writes_into_the_log() {
    let stand = Stand::open();
    stand.passes(get("/a?x=%0a%1b[31m", "User-Agent: a\t\u{9b}31m\"}\r\nReferer: \u{1f600}\"\\\r\n"));
    let line = crate::support::until("its line", || stand.gateway.lines("access").pop());
    assert_eq!(line["status"], 200);
    assert!(!stand.gateway.said().contains(['\u{1b}', '\u{9b}']), "{}", stand.gateway.said());
}

#[test]
fn a08_a_head_is_never_more_than_it_may_be() {
    let stand = Stand::limited("max_header_size = \"8KiB\"");
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", stand.gateway.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
    };
    let before = resident();
    let mut clients: Vec<_> = (0..50).map(|_| stand.gateway.connect()).collect();
    for client in &mut clients {
        client.send(get("/a", "").trim_end()).send(format!("\r\nX: {}", "x".repeat(1 << 20)));
    }
    for client in &mut clients {
        let all = client.all();
        assert!(all.is_empty() || all.starts_with(b"HTTP/1.1 431 "), "{}", all.escape_ascii());
    }
    assert!(resident() < before + 20, "{before} and then {} MiB", resident());
}

#[test]
fn a09_nothing_of_a_request_comes_back_as_it_was() {
    let stand = Stand::with(
        "[routes.api]\nhosts = [\"a\"]\npaths = [\"/a\"]\nmethods = [\"GET\"]\nupstream = \"{origin}\"\nauth = \"none\"\n",
    );
    for (target, lines) in [
        ("/<script>alert(1)</script>", ""),
        ("/b%0d%0aSet-Cookie:%20x=y", ""),
        ("/b\"},\"code\":\"x", ""),
        ("/b", "X-Request-Id: a\"<b>\r\n"),
        ("/a", "Upgrade: <x>\r\nExpect: <script>\r\n"),
    ] {
        let answer = stand.gateway.connect().send(get(target, lines)).answer();
        assert!(matches!(answer.status, 400..=499), "{target}: {}", answer.status);
        assert!(!answer.headers.has("set-cookie") && answer.header("content-type") == "application/problem+json");
        assert!(!answer.headers.0.iter().any(|(_, value)| value.contains('<')), "{:?}", answer.headers);
        assert!(answer.json()["code"] != "x", "{}", answer.text());
    }
}

#[test]
fn a10_bodies_are_not_unpacked() {
    let stand = Stand::limited("max_body_size = \"64KiB\"");
    // A bomb: 1 GiB of nothing in a few bytes, were anybody to unpack it.
    let bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not really, but said to be";
    let head =
        format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
    let seen = stand.passes([head.as_bytes(), bomb].concat());
    assert_eq!((seen.body.as_slice(), seen.field("content-encoding")), (&bomb[..], "gzip"));
}

#[test]
fn a07_the_command_line_escapes_what_it_shows() {
    let origin = Origin::start();
    let gateway = Setup::new(OPEN).origin(&origin.url()).start();
    let created = gateway.argus(&["key", "create", "evil\u{1b}[31mname"]);
    let listed = gateway.argus(&["key", "list"]);
    for run in [created, listed] {
        assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run:?}");
    }
}
