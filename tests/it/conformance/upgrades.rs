//! Section 6: upgrades, WebSocket among them, and nothing that only looks like one.

use std::io::{Read, Write};

use super::Stand;
use crate::support::{BadOrigin, OPEN, Setup};

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn ask(lines: &str) -> String {
    format!("GET /ws HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn ws01_a_handshake_and_what_follows() {
    let origin = BadOrigin::start(|mut exchange| {
        if exchange.request().is_some() {
            exchange.send(AGREED);
            let mut bytes = [0; 5];
            exchange.reader().source().read_exact(&mut bytes).unwrap();
            exchange.send(bytes);
        }
    });
    let gateway = Setup::new(&OPEN.replace("{origin}", &origin.url())).start();
    let mut client = gateway.connect();
    assert_eq!(client.send(ask(HANDSHAKE)).answer().status, 101);
    client.stream().write_all(b"\x82\x03abc").unwrap();
    let mut back = [0; 5];
    client.stream().read_exact(&mut back).unwrap();
    assert_eq!(&back, b"\x82\x03abc");
}

#[test]
fn ws02_handshakes_that_are_none() {
    let stand = Stand::open();
    let answer = |lines: &str| stand.gateway.connect().send(ask(lines)).answer();
    let old = answer(&HANDSHAKE.replace(": 13", ": 8")).refused(426, "upgrade_refused");
    assert_eq!(old.header("sec-websocket-version"), "13");
    answer(&HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short")).refused(400, "upgrade_refused");
    answer(&HANDSHAKE.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "")).refused(400, "upgrade_refused");
    answer(&HANDSHAKE.replace("Sec-WebSocket-Version: 13\r\n", "")).refused(426, "upgrade_refused");
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let mut client = stand.gateway.connect();
        client.send(format!("GET /ws HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}{body}"));
        client.answer().refused(400, "upgrade_refused");
        assert!(client.is_closed());
    }
    assert_eq!(stand.origin.count(), 0);
}

#[test]
fn ws03_other_upgrades() {
    let stand = Stand::open();
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Upgrade: websocket\r\n",
        "Connection: keep-alive\r\nUpgrade: websocket\r\n",
    ] {
        let seen = stand.passes(ask(lines));
        assert!(!seen.fields.has("upgrade") && !seen.fields.has("http2-settings"), "{:?}", seen.fields);
    }
}

#[test]
fn ws04_a_no_leaves_no_tunnel() {
    let no = BadOrigin::start(|mut exchange| {
        while let Some(head) = exchange.request() {
            let answer = if head.start.contains("/ws") { "403 Forbidden" } else { "200 OK" };
            exchange.send(format!("HTTP/1.1 {answer}\r\nContent-Length: 2\r\n\r\nno"));
        }
    });
    let toml =
        "[routes.api]\npaths = [\"/ws\"]\nupstream = \"{origin}\"\nauth = \"none\"\n".replace("{origin}", &no.url());
    let gateway = Setup::new(&toml).start();
    let mut client = gateway.connect();
    // What comes with the handshake is a request of its own, and decided about.
    client.send(format!("{}GET /admin HTTP/1.1\r\nHost: a\r\n\r\n", ask(HANDSHAKE)));
    assert_eq!(client.answer().expect(403).text(), "no");
    client.answer().refused(404, "route_not_found");
}

#[test]
fn ws05_bytes_wait_for_the_yes() {
    let origin = BadOrigin::start(|mut exchange| {
        exchange.reader().remember();
        if exchange.request().is_some() {
            let early = exchange.reader().rest();
            exchange.send(AGREED);
            exchange.send([b"\x81", &[u8::try_from(early.len()).unwrap()][..], &early].concat());
            let mut bytes = [0; 5];
            exchange.reader().source().read_exact(&mut bytes).unwrap();
            exchange.send(bytes);
        }
    });
    let gateway = Setup::new(&OPEN.replace("{origin}", &origin.url())).start();
    let mut client = gateway.connect();
    client.send([ask(HANDSHAKE).as_bytes(), b"\x82\x03abc"].concat());
    assert_eq!(client.next_status(), Some(101));
    let mut back = client.rest();
    while back.len() < 7 {
        let mut bytes = [0; 16];
        let n = client.stream().read(&mut bytes).unwrap();
        assert!(n > 0, "{back:?}");
        back.extend_from_slice(&bytes[..n]);
    }
    assert_eq!(back, b"\x81\x00\x82\x03abc", "nothing came before the yes, everything after it");
}

#[test]
fn ws06_a_yes_nobody_asked_for() {
    let eager = BadOrigin::replies(AGREED);
    let gateway = Setup::new(&OPEN.replace("{origin}", &eager.url())).start();
    gateway.get("/a").send().refused(502, "upstream_invalid");
}
