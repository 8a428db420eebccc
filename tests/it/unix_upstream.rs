//! Servers behind socket files: everything as over TCP.

use super::support::h2_origin::H2Origin;
use super::support::socket_file::SocketFile;
use super::support::{Gateway, OPEN, Origin, Setup, until};

fn before(file: &SocketFile, more: &str) -> Gateway {
    let toml = "[resources]\nworkers = 1\n[upstreams.o]\nservers = [\"{origin}\"]\n".to_owned()
        + more
        + "\n[routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n";
    Setup::new(&toml).origin(&file.url()).start()
}

#[test]
fn requests_and_answers_pass() {
    let origin = Origin::start();
    let file = SocketFile::before(origin.address());
    let gateway = before(&file, "");
    assert_eq!(gateway.get("/a?b=c").host("api.example").send().expect(200).text(), "hello\n");
    assert_eq!((origin.last().target.as_str(), origin.last().header("host")), ("/a?b=c", "api.example"));
    let body = vec![b'y'; 700_000];
    assert!(gateway.request("POST", "/echo").body(body.clone()).send().expect(200).body == body);
    assert_eq!(file.connections(), 1, "connections are kept");
}

#[test]
fn a_route_may_name_one_itself() {
    let origin = Origin::start();
    let file = SocketFile::before(origin.address());
    let gateway = Setup::new(&format!("{OPEN}upstream_host = \"upstream\"\n")).origin(&file.url()).start();
    gateway.get("/a").host("api.example").send().expect(200);
    assert_eq!(origin.last().header("host"), "localhost");
}

#[test]
fn http_2_passes() {
    let origin = H2Origin::start();
    let file = SocketFile::before(origin.address());
    let gateway = before(&file, "http2 = \"always\"");
    gateway.get("/a").host("api.example").send().expect(200);
    assert_eq!(origin.last().target, "http://api.example/a");
}

#[test]
fn checks_go_there_too() {
    let origin = Origin::start();
    let file = SocketFile::before(origin.address());
    let gateway = before(&file, "health = { path = \"/status/503\", every = \"50ms\" }");
    let server = format!("server=\"{}\"", file.url());
    until("it to be found", || {
        (gateway.metric("argus_upstream_up", &["upstream=\"o\"", &server]) == 0.0).then_some(())
    });
    assert_eq!(origin.last().header("host"), "localhost");
    gateway.get("/a").send().refused(503, "no_healthy_upstream");
}

#[test]
fn a_file_that_is_not_there() {
    let file = SocketFile::before(Origin::start().address());
    let url = format!("{}.gone", file.url());
    let gateway = Setup::new(OPEN).origin(&url).start();
    let answer = gateway.get("/a").send().refused(502, "upstream_unreachable");
    assert!(!answer.text().contains(".sock"), "where the origin is, is nobody's business");
}
