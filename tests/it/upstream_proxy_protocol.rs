//! The PROXY protocol towards servers: every connection says in front whose it is, and is nobody else's.

use std::io::Read;
use std::sync::{Arc, Mutex};

use super::support::certificate::Authority;
use super::support::tls_door::Door;
use super::support::{BadOrigin, Gateway, Origin, Setup, until};

fn before(url: &str, version: &str, more: &str) -> Setup {
    Setup::new(&format!(
        "[resources]\nworkers = 1\n[clients]\ntrusted_proxies = [\"127.0.0.1\"]\n\
         [upstreams.o]\nservers = [\"{url}\"]\nproxy_protocol = \"{version}\"\n{more}\n\
         [routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n"
    ))
}

/// An origin that keeps the first line of every connection and then answers its requests.
fn lines() -> (BadOrigin, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let origin = BadOrigin::start(move |mut exchange| {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") && exchange.reader().source().read_exact(&mut byte).is_ok() {
            line.extend(byte);
        }
        kept.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
        while exchange.request().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    (origin, lines)
}

fn ask(gateway: &Gateway, client: &str) {
    gateway.get("/a").header("X-Forwarded-For", client).send().expect(200);
}

#[test]
fn a_connection_is_for_one_client() {
    let (origin, lines) = lines();
    let gateway = before(&origin.url(), "v1", "").start();
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::1"] {
        ask(&gateway, client);
    }
    let port = gateway.at.traffic.port();
    let told = |client: &str| format!("PROXY TCP4 {client} 127.0.0.1 0 {port}\r\n");
    let six = format!("PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 0 {port}\r\n");
    assert_eq!(*lines.lock().unwrap(), [told("192.0.2.1"), told("192.0.2.2"), six]);
}

#[test]
fn another_gateway_understands_it() {
    let origin = Origin::start();
    for version in ["v1", "v2"] {
        let inner = "[clients]\ntrusted_proxies = [\"127.0.0.1\"]\naddress_from = \"proxy-protocol\"\n\
                     [routes.api]\npaths = [\"/*\"]\nupstream = \"{origin}\"\nauth = \"none\"\n";
        let inner = Gateway::start(&origin, inner);
        let check = "health = { path = \"/healthz\", every = \"50ms\" }";
        let outer = before(&format!("http://{}", inner.at.traffic), version, check).start();
        until("a check", || origin.seen().iter().any(|seen| seen.target == "/healthz").then_some(()));
        for client in ["192.0.2.1", "2001:db8::7", "192.0.2.1"] {
            ask(&outer, client);
            let seen = origin.seen().into_iter().rev().find(|seen| seen.target == "/a").unwrap();
            assert!(seen.header("x-forwarded-for").ends_with(client), "{}", seen.header("x-forwarded-for"));
        }
    }
}

#[test]
fn it_stands_in_front_of_tls() {
    let (authority, origin) = (Authority::new(), Origin::start());
    let shown = authority.issue(&["localhost", "127.0.0.1"]);
    let door = Door { shown: &shown, clients: None, http1: Some(origin.address()), http2: None }.open();
    let start = |url: &str| before(url, "v2", "tls = { ca = \"ca.pem\" }").file("ca.pem", authority.pem()).start();
    // Who does not expect it takes it for a broken handshake.
    assert_eq!(start(&door.url()).get("/a").send().status, 502);
    let toml = "[clients]\ntrusted_proxies = [\"127.0.0.1\"]\naddress_from = \"proxy-protocol\"\n\
                [listeners.public]\naddress = \"{traffic}\"\ntls = \"t\"\n\
                [tls.t]\ncertificate = \"{dir}/t.crt\"\nkey_file = \"{dir}/t.key\"\n\
                [routes.api]\npaths = [\"/*\"]\nupstream = \"{origin}\"\nauth = \"none\"\n";
    let inner = Setup::new(toml).file("t.crt", shown.certificate.as_str()).file("t.key", shown.key.as_str());
    let inner = inner.origin(&origin.url()).start();
    let outer = start(&format!("https://localhost:{}", inner.at.traffic.port()));
    ask(&outer, "192.0.2.9");
    assert!(origin.last().header("x-forwarded-for").ends_with("192.0.2.9"));
}
