//! Client certificates that their authority has taken back.

use super::support::certificate::{Authority, Certificate};
use super::support::client::curl;
use super::support::{Gateway, OPEN, Origin, Setup, until};

const TLS: &str = r#"
[listeners.public]
address = "{traffic}"
tls = "public"

[tls.public]
certificate = "{dir}/tls.crt"
key_file = "{dir}/tls.key"
client_ca = "{dir}/clients.pem"
client_auth = "required"
client_crl = "{dir}/clients.crl"
"#;

/// Years in which a list has ended, and in which tests will not be run any more.
const PAST: i32 = 2021;
const FUTURE: i32 = 2999;

struct Scene {
    gateway: Gateway,
    authority: Authority,
    first: Certificate,
    second: Certificate,
    _origin: Origin,
}

/// `revoked` says which of the certificates `first` and `second` the list holds at first.
fn scene(tls: &str, revoked: &[usize], until: i32) -> Scene {
    let (origin, authority) = (Origin::start(), Authority::new());
    let shown = authority.issue(&["localhost"]);
    let clients = [authority.issue(&["first.example"]), authority.issue(&["second.example"])];
    let list: Vec<&Certificate> = revoked.iter().map(|n| &clients[*n]).collect();
    let mut setup = Setup::new(&format!("{tls}{OPEN}"))
        .origin(&origin.url())
        .file("tls.crt", shown.certificate)
        .file("tls.key", shown.key)
        .file("clients.pem", authority.pem())
        .file("clients.crl", authority.revokes(&list, until));
    for (name, client) in ["first", "second"].iter().zip(&clients) {
        setup = setup.file(&format!("{name}.crt"), client.certificate.clone());
        setup = setup.file(&format!("{name}.key"), client.key.clone());
    }
    let [first, second] = clients;
    Scene { gateway: setup.start(), authority, first, second, _origin: origin }
}

impl Scene {
    fn is_let_in(&self, certificate: &str) -> bool {
        let file = |name: String| self.gateway.path(&name).display().to_string();
        let url = format!("https://localhost:{}/hello", self.gateway.at.traffic.port());
        let (ca, crt, key) =
            (file("clients.pem".into()), file(format!("{certificate}.crt")), file(format!("{certificate}.key")));
        let told = ["-o", "/dev/null", "-w", "%{http_code}"];
        let run = curl(&[&["--cacert", &ca, "--cert", &crt, "--key", &key][..], &told, &[&url]].concat());
        if run.code == Some(0) {
            assert_eq!(run.stdout, "200");
        }
        run.code == Some(0)
    }
}

#[test]
fn what_is_on_the_list_is_refused_and_the_rest_is_not() {
    for auth in ["required", "optional"] {
        let s = scene(&TLS.replace("required", auth), &[0], FUTURE);
        assert!(!s.is_let_in("first"));
        assert!(s.is_let_in("second"));
    }
}

#[test]
fn a_new_list_is_taken_up_when_it_is_there() {
    let s = scene(TLS, &[], FUTURE);
    assert!(s.is_let_in("first") && s.is_let_in("second"));
    s.gateway.write("clients.crl", s.authority.revokes(&[&s.second], FUTURE));
    until("the new list", || (!s.is_let_in("second")).then_some(()));
    assert!(s.is_let_in("first"));
    s.gateway.write("clients.crl", s.authority.revokes(&[&s.first], FUTURE));
    until("the list after it", || (!s.is_let_in("first")).then_some(()));
    assert!(s.is_let_in("second"));
    s.gateway.write("clients.crl", "not a list");
    let said = s.gateway.argus(&["reload"]).fails(2);
    assert!(said.contains("clients.crl"), "{said}");
    assert!(!s.is_let_in("first"), "the list before stays in force");
}

#[test]
fn after_the_end_of_a_list_nobody_is_known_to_be_good() {
    let s = scene(TLS, &[], PAST);
    assert!(!s.is_let_in("first"));
    let said = s.gateway.said();
    assert!(said.contains("a revocation list in"), "{said}");
    let ends = s.gateway.metric("argus_tls_crl_expiry_timestamp_seconds", &["clients.crl"]);
    assert!((1.6e9..1.7e9).contains(&ends), "{ends}");
    s.gateway.write("clients.crl", s.authority.revokes(&[], FUTURE));
    until("the fresh list", || s.is_let_in("first").then_some(()));
}

#[test]
fn nor_without_a_list_of_the_authority() {
    let (s, other) = (scene(TLS, &[], FUTURE), Authority::named("somebody else"));
    s.gateway.write("clients.crl", other.revokes(&[], FUTURE));
    until("a list of somebody else", || (!s.is_let_in("first")).then_some(()));
    let both = format!("{}{}", other.revokes(&[], FUTURE), s.authority.revokes(&[&s.second], FUTURE));
    s.gateway.write("clients.crl", both);
    until("both lists in one file", || s.is_let_in("first").then_some(()));
    assert!(!s.is_let_in("second"));
}
