//! TLS: who can speak to whom, by which protocol, with which certificate.

use super::support::certificate::Authority;
use super::support::client::{Connection, curl};
use super::support::h2::{H2, shown_serial};
use super::support::{Gateway, KEYED, Origin, Setup, until};

const TLS: &str = r#"
[listeners.public]
address = "{traffic}"
tls = "public"

[tls.public]
certificate = "{dir}/tls.crt"
key_file = "{dir}/tls.key"
"#;

struct Scene {
    origin: Origin,
    gateway: Gateway,
    authority: Authority,
}

fn scene(more: &str) -> Scene {
    let (origin, authority) = (Origin::start(), Authority::new());
    let shown = authority.issue(&["api.example.com", "localhost"]);
    let gateway = Setup::new(&format!("{TLS}{KEYED}{more}"))
        .origin(&origin.url())
        .file("tls.crt", shown.certificate)
        .file("tls.key", shown.key)
        .file("ca.pem", authority.pem())
        .start();
    Scene { origin, gateway, authority }
}

impl Scene {
    fn curl(&self, args: &[&str], target: &str) -> super::support::Run {
        let port = self.gateway.at.traffic.port();
        let ca = self.gateway.path("ca.pem").display().to_string();
        let resolve = format!("api.example.com:{port}:127.0.0.1");
        let url = format!("https://api.example.com:{port}{target}");
        let mut all = vec!["--cacert", &ca, "--resolve", &resolve];
        all.extend(args);
        all.push(&url);
        curl(&all)
    }
}

#[test]
fn both_protocols_by_negotiation() {
    let s = scene("");
    let key = s.gateway.key(&["a"]);
    let field = format!("X-API-Key: {key}");
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let said =
            s.curl(&[flag, "-H", &field, "-w", "%{http_version} %{http_code}", "-o", "/dev/null"], "/hello").ok();
        assert_eq!(said, format!("{version} 200"));
    }
    assert_eq!(s.origin.last().header("x-forwarded-proto"), "https");
    let mut h2 = H2::open_tls(s.gateway.at.traffic, "api.example.com", &s.authority.pem());
    let answer = h2.get("/hello", &[("x-api-key", &key)]).expect(200);
    assert!(answer.header("strict-transport-security").contains("max-age=31536000"));
}

#[test]
fn old_versions_are_refused() {
    let s = scene("");
    assert_ne!(s.curl(&["--tls-max", "1.1"], "/hello").code, Some(0));
    let said = s.curl(&["--tls-max", "1.2", "-o", "/dev/null", "-w", "%{http_code}"], "/hello").ok();
    assert_eq!(said, "401");
}

#[test]
fn plain_bytes_on_a_tls_port_get_nothing() {
    let s = scene("");
    let mut connection = Connection::open(s.gateway.at.traffic);
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = connection.all();
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(s.origin.count(), 0);
}

#[test]
fn a_new_certificate_is_taken_up_while_requests_go_on() {
    let s = scene("");
    let key = s.gateway.key(&["a"]);
    let at = s.gateway.at.traffic;
    let mut old = H2::open_tls(at, "api.example.com", &s.authority.pem());
    let before = shown_serial(at, "api.example.com", &s.authority.pem());
    let next = s.authority.issue(&["api.example.com"]);
    s.gateway.write("tls.key", next.key);
    s.gateway.write("tls.crt", next.certificate);
    until("the new certificate", || (shown_serial(at, "api.example.com", &s.authority.pem()) != before).then_some(()));
    old.get("/hello", &[("x-api-key", &key)]).expect(200);
}

#[test]
fn a_bad_certificate_leaves_the_good_one() {
    let s = scene("");
    let at = s.gateway.at.traffic;
    let before = shown_serial(at, "api.example.com", &s.authority.pem());
    s.gateway.write("tls.crt", "not a certificate");
    let refused = s.gateway.argus(&["reload"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert_eq!(shown_serial(at, "api.example.com", &s.authority.pem()), before);
}

#[test]
fn plain_requests_beside_tls_are_refused_whatever_the_key() {
    let s = scene("[listeners.plain]\naddress = \"{second}\"\n");
    let key = s.gateway.key(&["a"]);
    let ask = |key: Option<&str>| {
        let request = super::support::client::Request::new(s.gateway.at.second, "GET", "/hello");
        let answer = key.map_or_else(
            || request.send(),
            |key| super::support::client::Request::new(s.gateway.at.second, "GET", "/hello").key(key).send(),
        );
        let mut problem = answer.refused(403, "insecure_transport").json();
        problem.as_object_mut().unwrap().remove("request_id");
        problem
    };
    assert_eq!(ask(None), ask(Some(&key)));
    assert_eq!(ask(None), ask(Some("garbage")));
    assert_eq!(s.origin.count(), 0);
}

#[test]
fn or_redirected_if_that_is_asked_for() {
    let s = scene("[listeners.plain]\naddress = \"{second}\"\ninsecure_requests = \"redirect\"\n");
    let answer =
        super::support::client::Request::new(s.gateway.at.second, "GET", "/a?b=c").host("api.example.com").send();
    assert_eq!(answer.status, 308);
    assert!(answer.header("location").starts_with("https://api.example.com"), "{}", answer.header("location"));
    assert!(answer.header("location").ends_with("/a?b=c"), "{}", answer.header("location"));
}
