//! Handshakes that take long, and too many of them at once.

use std::sync::Arc;

use super::support::certificate::Authority;
use super::support::h2::{shown_serial, tls_config};
use super::support::{Connection, Gateway, OPEN, Origin, Setup, until};

const TLS: &str = r#"
[listeners.public]
address = "{traffic}"
tls = "public"

[tls.public]
certificate = "{dir}/tls.crt"
key_file = "{dir}/tls.key"
"#;

fn gateway(limits: &str) -> (Gateway, Authority, Origin) {
    let (origin, authority) = (Origin::start(), Authority::new());
    let shown = authority.issue(&["localhost"]);
    let gateway = Setup::new(&format!("{TLS}[listeners.public.limits]\n{limits}\n{OPEN}"))
        .origin(&origin.url())
        .file("tls.crt", shown.certificate)
        .file("tls.key", shown.key)
        .start();
    (gateway, authority, origin)
}

/// A client's first message, whole.
fn hello(authority: &Authority) -> Vec<u8> {
    let name = "localhost".try_into().unwrap();
    let config = Arc::clone(&tls_config(&authority.pem(), &[b"http/1.1"]));
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn count(gateway: &Gateway, cause: &str) -> f64 {
    gateway.metric("argus_malformed_requests_total", &[&format!("cause=\"{cause}\"")])
}

#[test]
fn a_slow_one_is_cut_off() {
    let (gateway, authority, _origin) = gateway("handshake_timeout = \"1s\"\nheader_timeout = \"60s\"");
    let hello = hello(&authority);
    let (mut silent, mut slow, mut stalled) = (gateway.connect(), gateway.connect(), gateway.connect());
    slow.send(&hello[..1]);
    stalled.send(&hello);
    for connection in [&mut silent, &mut slow, &mut stalled] {
        // To the end of the stream, which comes before the test's own limit.
        connection.all();
    }
    until("all three", || (count(&gateway, "slow_handshake") >= 3.0).then_some(()));
    shown_serial(gateway.at.traffic, "localhost", &authority.pem());
}

#[test]
fn of_too_many_the_last_are_sent_away() {
    let (gateway, authority, _origin) = gateway("max_handshakes = 2\nhandshake_timeout = \"1h\"");
    let hello = hello(&authority);
    // Whoever has not said hello yet is in nobody's way.
    let _silent: Vec<Connection> = (0..5).map(|_| gateway.connect()).collect();
    shown_serial(gateway.at.traffic, "localhost", &authority.pem());
    let mut stalled: Vec<Connection> = (0..2).map(|_| gateway.connect()).collect();
    for connection in &mut stalled {
        connection.send(&hello);
        // What the server says first: it is in the middle of it.
        let mut first = [0];
        std::io::Read::read_exact(connection.stream(), &mut first).unwrap();
    }
    let mut late = gateway.connect();
    late.send(&hello);
    assert_eq!(late.all(), b"", "sent away without a word");
    until("it is counted", || (count(&gateway, "too_many_handshakes") >= 1.0).then_some(()));
    stalled.pop();
    shown_serial(gateway.at.traffic, "localhost", &authority.pem());
}
