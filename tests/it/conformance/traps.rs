//! Section 8: where stacks like ours, and other proxies, have fallen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Stand;
use crate::support::{BadOrigin, KEYED, OPEN, Setup, until};

#[test]
fn x01_a_silent_connection_is_not_waited_for() {
    let stand = Stand::limited("header_timeout = \"300ms\"\nidle_timeout = \"300ms\"");
    for begun in ["", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nS"] {
        assert!(stand.gateway.connect().send(begun).is_closed(), "{begun:?}");
    }
}

#[test]
fn x02_a_tunnel_needs_a_yes() {
    // The origin says nothing, and what follows the handshake must wait.
    let origin = BadOrigin::start(|mut exchange| {
        exchange.request();
        let _ = exchange.reader().source().set_read_timeout(Some(Duration::from_millis(300)));
        assert!(exchange.head().is_none(), "bytes of a tunnel that is none");
    });
    let toml = format!(
        "[upstreams.o]\nservers = [\"{}\"]\nrequest_timeout = \"1s\"\n{}",
        origin.url(),
        OPEN.replace("{origin}", "o")
    );
    let gateway = Setup::new(&toml).start();
    let mut client = gateway.connect();
    client.send(
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(matches!(client.answer().status, 502 | 504));
}

#[test]
fn x03_old_clients_get_no_chunks_and_no_1xx() {
    let chunks = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let gateway = Setup::new(&OPEN.replace("{origin}", &BadOrigin::replies(chunks).url())).start();
    let all = gateway.connect().send("GET /a HTTP/1.0\r\nHost: a\r\n\r\n").all();
    let text = String::from_utf8_lossy(&all);
    assert!(
        text.contains(" 200 OK\r\n") && text.ends_with("\r\n\r\nok") && !text.contains("transfer-encoding"),
        "{text}"
    );
    assert_eq!(text.matches("HTTP/1.").count(), 1, "{text}");
}

#[test]
fn x04_no_answer_without_a_head() {
    let old = BadOrigin::replies("<html>an answer of HTTP/0.9</html>");
    let gateway = Setup::new(&OPEN.replace("{origin}", &old.url())).start();
    gateway.get("/a").send().refused(502, "upstream_invalid");
}

#[test]
fn x05_bytes_on_an_idle_connection_of_the_origin() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let origin = BadOrigin::start(move |mut exchange| {
        if exchange.request().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen");
            assert!(exchange.request().is_none(), "asked on a connection that had more to say");
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let gateway = Setup::new(&format!("[resources]\nworkers = 1\n{}", OPEN.replace("{origin}", &origin.url()))).start();
    let mut client = gateway.connect();
    for n in 1..=10 {
        assert_eq!(gateway.get("/a").send_on(&mut client).expect(200).text(), "ok");
        // No proxy can tell bytes that come after it asked again from an answer.
        until("the connection to be closed", || (ended.load(Ordering::Relaxed) == n).then_some(()));
    }
}

#[test]
fn x06_a_hundred_fields_and_a_long_target() {
    let stand = Stand::open();
    let lines: String = (0..99).map(|n| format!("X-{n}: y\r\n")).collect();
    let target = format!("/{}", "x".repeat(8_000));
    assert_eq!(stand.passes(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).target(), target);
}

#[test]
fn x07_refusals_come_before_a_100() {
    let stand = Stand::with(KEYED);
    let mut client = stand.gateway.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.informational.len()), (401, 0));
}

#[test]
fn x08_a_429_says_when_to_come_back() {
    let stand = Stand::with(&format!("{OPEN}limits = [{{ rate = \"1/h\", by = \"ip\" }}]\n"));
    stand.gateway.get("/a").send().expect(200);
    for _ in 0..3 {
        let refused = stand.gateway.get("/a").send().refused(429, "rate_limited");
        assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 7_200, "{:?}", refused.headers);
    }
}

#[test]
fn x09_a_scheme_of_authentication_in_any_case() {
    let stand = Stand::with(KEYED);
    let key = stand.gateway.key(&["a"]);
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        stand.gateway.get("/a").header("Authorization", &format!("{scheme} {key}")).send().expect(200);
    }
}
