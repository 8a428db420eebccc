//! TLS to servers: what is spoken over it, and what Argus proves itself with.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::support::certificate::{Authority, Certificate};
use super::support::h2_origin::H2Origin;
use super::support::tls_door::{Door, TlsDoor};
use super::support::{Gateway, Origin, Setup, until};

/// A gateway in front of a door, with the door's authority in `ca.pem`.
fn before(door: &TlsDoor, authority: &Authority, tls: &str, more: &str, files: &[(&str, &str)]) -> Gateway {
    let toml = format!(
        "[resources]\nworkers = 1\n[upstreams.o]\nservers = [\"{}\"]\ntls = {{ ca = \"ca.pem\"{tls} }}\n{more}\n\
         [routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n",
        door.url()
    );
    let setup = files.iter().fold(Setup::new(&toml), |setup, (name, content)| setup.file(name, *content));
    setup.file("ca.pem", authority.pem()).start()
}

fn auto(door: &TlsDoor, authority: &Authority, more: &str) -> Gateway {
    before(door, authority, "", &format!("http2 = \"auto\"\n{more}"), &[])
}

fn der(certificate: &Certificate) -> Vec<u8> {
    CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap().to_vec()
}

fn protocols(door: &TlsDoor) -> Vec<String> {
    door.come().into_iter().map(|come| come.protocol).collect()
}

#[test]
fn a_server_that_prefers_http_2_gets_it() {
    let (authority, old, new) = (Authority::new(), Origin::start(), H2Origin::start());
    let shown = authority.issue(&["localhost", "127.0.0.1"]);
    let door = Door { shown: &shown, clients: None, http1: Some(old.address()), http2: Some(new.address()) }.open();
    let gateway = auto(&door, &authority, "");
    for _ in 0..3 {
        gateway.get("/a").send().expect(200);
    }
    assert_eq!((new.seen().len(), old.count(), protocols(&door)), (3, 0, vec!["h2".to_owned()]));
    // Another protocol can be asked for over HTTP/1.1 only.
    let asks = gateway.get("/a").header("Connection", "upgrade").header("Upgrade", "websocket");
    asks.header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .send()
        .expect(200);
    assert_eq!((old.count(), protocols(&door)), (1, vec!["h2".to_owned(), "http/1.1".to_owned()]));
    gateway.get("/a").send().expect(200);
    assert_eq!((new.seen().len(), door.come().len()), (4, 2));
}

#[test]
fn a_server_that_knows_no_other_gets_http_1_without_a_connection_in_vain() {
    let (authority, old) = (Authority::new(), Origin::start());
    let shown = authority.issue(&["localhost", "127.0.0.1"]);
    let door = Door { shown: &shown, clients: None, http1: Some(old.address()), http2: None }.open();
    let gateway = auto(&door, &authority, "");
    for _ in 0..3 {
        gateway.get("/a").send().expect(200);
    }
    assert_eq!((old.count(), protocols(&door)), (3, vec!["http/1.1".to_owned()]));
    // Those that find the only connection in use do not wait for one another.
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3).map(|_| scope.spawn(|| gateway.get("/hold").send().expect(200))).collect();
        old.wait_for(6);
        (0..3).for_each(|_| old.release());
        until("all to be answered", || {
            old.release();
            asked.iter().all(|one| one.is_finished()).then_some(())
        });
    });
}

#[test]
fn in_the_clear_auto_is_http_1() {
    let origin = Origin::start();
    let toml = "[upstreams.o]\nservers = [\"{origin}\"]\nhttp2 = \"auto\"\n\
                [routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n";
    Gateway::start(&origin, toml).get("/a").send().expect(200);
    assert_eq!(origin.count(), 1);
}

#[test]
fn checks_speak_what_requests_do() {
    let (authority, new) = (Authority::new(), H2Origin::start());
    let shown = authority.issue(&["localhost", "127.0.0.1"]);
    let check = "health = { path = \"/healthz\", every = \"50ms\" }";
    let door = Door { shown: &shown, clients: None, http1: None, http2: Some(new.address()) }.open();
    let gateway = auto(&door, &authority, check);
    until("a check", || new.seen().iter().any(|seen| seen.target.ends_with("/healthz")).then_some(()));
    gateway.get("/a").send().expect(200);
    let plain = H2Origin::start();
    let toml = format!(
        "[upstreams.o]\nservers = [\"http://{}\"]\nhttp2 = \"always\"\n{check}\n\
         [routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n",
        plain.address()
    );
    let gateway = Setup::new(&toml).start();
    until("a check", || (plain.arrived() > 2).then_some(()));
    assert_eq!(plain.last().header("user-agent"), "argus-health");
    gateway.get("/a").send().expect(200);
    // A server that does not speak it fails them.
    let old = Origin::start();
    let toml = toml.replace(&plain.address().to_string(), &old.address().to_string());
    let gateway = Setup::new(&toml).start();
    until("it to be found", || (gateway.get("/a").send().code() == "no_healthy_upstream").then_some(()));
}

const SHOWN: &str = ", certificate = \"client.crt\", key_file = \"client.key\"";

#[test]
fn a_server_that_asks_is_shown_a_certificate() {
    let (authority, clients, origin) = (Authority::new(), Authority::new(), Origin::start());
    let shown = authority.issue(&["localhost", "127.0.0.1"]);
    let door = Door { shown: &shown, clients: Some(&clients), http1: Some(origin.address()), http2: None }.open();
    let first = clients.issue(&["gateway.example"]);
    let files = [("client.crt", first.certificate.as_str()), ("client.key", first.key.as_str())];
    let check = "health = { every = \"50ms\", path = \"/healthz\" }";
    let gateway = before(&door, &authority, SHOWN, check, &files);
    gateway.get("/a").send().expect(200);
    until("a check", || origin.seen().iter().any(|seen| seen.target == "/healthz").then_some(()));
    assert!(door.come().iter().all(|come| come.shown.as_ref() == Some(&der(&first))));
    // Another one is taken up when the files change, without the configuration being touched.
    let second = clients.issue(&["gateway.example"]);
    gateway.write("client.key", second.key.as_bytes());
    gateway.write("client.crt", second.certificate.as_bytes());
    until("the other to be shown", || {
        gateway.get("/a").send().expect(200);
        door.come().iter().any(|come| come.shown.as_ref() == Some(&der(&second))).then_some(())
    });
}

#[test]
fn a_server_that_asks_in_vain_is_not_reached() {
    let (authority, clients, origin) = (Authority::new(), Authority::new(), Origin::start());
    let shown = authority.issue(&["localhost", "127.0.0.1"]);
    let door = Door { shown: &shown, clients: Some(&clients), http1: Some(origin.address()), http2: None }.open();
    let answer = before(&door, &authority, "", "", &[]).get("/a").send();
    assert_eq!(answer.status, 502, "{}", answer.text());
    let stranger = authority.issue(&["gateway.example"]);
    let files = [("client.crt", stranger.certificate.as_str()), ("client.key", stranger.key.as_str())];
    let answer = before(&door, &authority, SHOWN, "", &files).get("/a").send();
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(origin.count(), 0);
}
