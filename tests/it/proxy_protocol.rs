//! The PROXY protocol: a trusted proxy tells whose connection it passes on, and nobody else does.

use std::io::Write;

use super::support::client::Connection;
use super::support::{Gateway, KEYED, OPEN, Origin, Setup, until};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const REQUEST: &str = "GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";

fn toml(rest: &str) -> String {
    format!("[clients]\ntrusted_proxies = [\"127.0.0.1\"]\naddress_from = \"proxy-protocol\"\n{rest}")
}

/// The client as the origin is told of it.
#[track_caller]
fn check(header: &[u8], client: &str) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &toml(OPEN));
    let mut connection = gateway.connect();
    connection.send([header, REQUEST.as_bytes()].concat()).answer().expect(200);
    connection.send(REQUEST).answer().expect(200);
    for told in ["x-forwarded-for", "x-real-ip"] {
        assert_eq!(origin.last().header(told), client, "{told}");
    }
    let lines = until("both lines", || Some(gateway.lines("access")).filter(|lines| lines.len() == 2));
    assert_eq!(lines[1]["client_ip"], client);
}

#[test]
fn a_line_of_version_1() {
    check(b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n", "203.0.113.9");
}

#[test]
fn a_header_of_version_2() {
    let addresses = [203, 0, 113, 9, 10, 0, 0, 1, 1, 2, 3, 4];
    check(&[V2, &[0x21, 0x11, 0, 12], &addresses].concat(), "203.0.113.9");
}

#[test]
fn a_proxy_that_speaks_for_itself() {
    check(&[V2, &[0x20, 0, 0, 0]].concat(), "127.0.0.1");
}

#[test]
fn a_header_in_pieces_in_front_of_http_2() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &toml(OPEN));
    let mut connection = gateway.connect();
    let header: &[u8] = b"PROXY TCP6 2001:db8::7 fd00::1 4711 443\r\n";
    for byte in header {
        connection.stream().write_all(&[*byte]).unwrap();
    }
    connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    // SETTINGS of the gateway: the header was taken to its last byte, and the preface read whole.
    let mut head = [0; 9];
    std::io::Read::read_exact(connection.stream(), &mut head).unwrap();
    assert_eq!((head[3], head[4]), (4, 0));
}

#[test]
fn it_decides_about_addresses() {
    let origin = Origin::start();
    let only = "[conditions.near]\nip = { allow = [\"203.0.113.0/24\"] }\n[routes.api]\npaths = [\"/*\"]\n\
                upstream = \"{origin}\"\nauth = \"api_key\"\nconditions = [\"near\"]\n";
    let gateway = Gateway::start(&origin, &toml(only));
    let key = gateway.key(&["a"]);
    let ask = |client: &str| {
        let mut connection = gateway.connect();
        connection.send(format!("PROXY TCP4 {client} 10.0.0.1 1 2\r\n"));
        gateway.get("/a").key(&key).send_on(&mut connection)
    };
    ask("203.0.113.77").expect(200);
    ask("198.51.100.1").refused(403, "ip_not_allowed");
}

#[test]
fn a_trusted_proxy_must_send_it() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &toml(OPEN));
    for wrong in [REQUEST, "PROXY TCP4 203.0.113.9\r\n", "PROXY TCP4 203.0.113.9 10.0.0.1 1 2\nGET / HTTP/1.1\r\n"] {
        assert_eq!(gateway.raw(wrong), b"", "{wrong:?}");
    }
    assert_eq!(gateway.metric("argus_malformed_requests_total", &["cause=\"proxy_protocol\""]), 3.0);
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_silent_proxy_is_not_waited_for_long() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &toml(OPEN));
    let mut silent = gateway.connect();
    silent.send("PROXY ");
    // The time for a head is 10 s, for a pause 120 s.
    assert!(silent.is_closed());
    assert_eq!(gateway.metric("argus_malformed_requests_total", &["cause=\"proxy_protocol\""]), 1.0);
}

#[test]
fn nobody_else_may_send_it() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &toml(OPEN));
    let stranger = || Connection::open_from("127.0.0.2".parse().unwrap(), gateway.at.traffic);
    assert_eq!(stranger().send(format!("PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n{REQUEST}")).answer().status, 400);
    assert_eq!(origin.count(), 0);
    stranger().send(REQUEST).answer().expect(200);
    assert_eq!(origin.last().header("x-forwarded-for"), "127.0.0.2");
}

#[test]
fn it_needs_somebody_to_be_trusted() {
    let run = Setup::new(&format!("[clients]\naddress_from = \"proxy-protocol\"\n{KEYED}"))
        .origin("http://127.0.0.1:9")
        .try_start()
        .err()
        .expect("no start");
    assert!(run.stderr.contains("none is named"), "{run:?}");
}
