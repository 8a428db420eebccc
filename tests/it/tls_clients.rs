//! Client certificates: who must show one, whose are good, and who hears of it.

use super::support::certificate::Authority;
use super::support::client::curl;
use super::support::{Gateway, OPEN, Origin, Run, Setup, until};

const TLS: &str = r#"
[listeners.public]
address = "{traffic}"
tls = "public"

[tls.public]
certificate = "{dir}/tls.crt"
key_file = "{dir}/tls.key"
client_ca = "{dir}/clients.pem"
client_auth = "required"
"#;

struct Scene {
    origin: Origin,
    gateway: Gateway,
    authority: Authority,
}

/// `tls` as [`TLS`] or a variant of it. Two certificates of clients are in the gateway's folder: `good`, of the
/// authority that vouches for clients, and `alien`.
fn scene(tls: &str) -> Scene {
    let (origin, authority) = (Origin::start(), Authority::new());
    let shown = authority.issue(&["localhost"]);
    let good = authority.issue(&["orders.example"]);
    let alien = Authority::new().issue(&["orders.example"]);
    let gateway = Setup::new(&format!("{tls}{OPEN}"))
        .origin(&origin.url())
        .file("tls.crt", shown.certificate)
        .file("tls.key", shown.key)
        .file("clients.pem", authority.pem())
        .file("ca.pem", authority.pem())
        .file("good.crt", good.certificate)
        .file("good.key", good.key)
        .file("alien.crt", alien.certificate)
        .file("alien.key", alien.key)
        .start();
    Scene { origin, gateway, authority }
}

impl Scene {
    fn curl(&self, certificate: Option<&str>, more: &[&str]) -> Run {
        let file = |name: &str| self.gateway.path(name).display().to_string();
        let url = format!("https://localhost:{}/hello", self.gateway.at.traffic.port());
        let mut all = vec!["--cacert".to_owned(), file("ca.pem"), "-o".to_owned(), "/dev/null".to_owned()];
        all.extend(["-w".to_owned(), "%{http_code}".to_owned()]);
        if let Some(name) = certificate {
            all.extend(["--cert".to_owned(), file(&format!("{name}.crt"))]);
            all.extend(["--key".to_owned(), file(&format!("{name}.key"))]);
        }
        all.extend(more.iter().map(|a| (*a).to_owned()));
        all.push(url);
        curl(&all)
    }
}

#[test]
fn required_means_that_without_one_there_is_no_connection() {
    let s = scene(TLS);
    for tls in ["--tls-max=1.2", "--tlsv1.3"] {
        let tls: Vec<&str> = tls.split('=').collect();
        assert_eq!(s.curl(Some("good"), &tls).ok(), "200");
        assert_ne!(s.curl(None, &tls).code, Some(0));
        assert_ne!(s.curl(Some("alien"), &tls).code, Some(0));
    }
    assert_eq!(s.origin.count(), 2);
    assert!(s.gateway.metric("argus_malformed_requests_total", &["cause=\"tls_handshake\""]) >= 4.0);
}

#[test]
fn optional_means_that_one_that_is_shown_must_be_good() {
    let s = scene(&TLS.replace("required", "optional"));
    assert_eq!(s.curl(Some("good"), &[]).ok(), "200");
    assert_eq!(s.curl(None, &[]).ok(), "200");
    assert_ne!(s.curl(Some("alien"), &[]).code, Some(0));
    assert_eq!(s.origin.count(), 2);
    let lines = until("both lines", || Some(s.gateway.lines("access")).filter(|l| l.len() == 2));
    let told: Vec<usize> = lines.iter().filter_map(|l| l["client_cert"].as_str()).map(str::len).collect();
    assert_eq!(told, [64], "the fingerprint of the one that was shown");
}

#[test]
fn the_upstream_hears_of_it_where_that_is_asked_for() {
    let forged = ["-H", "Client-Cert: :eA==:", "-H", "Client-Cert-Chain: :eA==:", "-H", "Client_Cert: x"];
    let s = scene(&TLS.replace("required", "optional"));
    s.curl(Some("good"), &forged).ok();
    let seen = s.origin.last();
    assert_eq!((seen.header("client-cert"), seen.header("client-cert-chain")), ("", ""), "nor what the client says");

    let s = scene(&(TLS.replace("required", "optional") + "forward_client_cert = true\n"));
    s.curl(Some("good"), &forged).ok();
    let seen = s.origin.last();
    let (told, chain) = (seen.header("client-cert").to_owned(), seen.header("client-cert-chain").to_owned());
    let pem = std::fs::read_to_string(s.gateway.path("good.crt")).unwrap();
    let body: String = pem.lines().filter(|l| !l.starts_with("-----")).collect();
    assert_eq!((told, chain), (format!(":{body}:"), String::new()));
    s.curl(None, &forged).ok();
    assert_eq!(s.origin.last().header("client-cert"), "");
}

#[test]
fn a_trusted_proxy_may_say_it() {
    let s = scene(&(TLS.replace("required", "optional") + "\n[clients]\ntrusted_proxies = [\"127.0.0.1\"]\n"));
    s.curl(None, &["-4", "-H", "Client-Cert: :eA==:"]).ok();
    assert_eq!(s.origin.last().header("client-cert"), ":eA==:");
}

#[test]
fn authorities_are_taken_up_anew_and_no_session_outlives_them() {
    let s = scene(TLS);
    let session = s.gateway.path("session").display().to_string();
    assert_eq!(s.curl(Some("good"), &[]).ok(), "200");
    let shown = super::support::client::openssl(
        s.gateway.at.traffic,
        &[
            "-sess_out",
            &session,
            "-cert",
            &s.gateway.path("good.crt").display().to_string(),
            "-key",
            &s.gateway.path("good.key").display().to_string(),
        ],
    );
    assert!(!shown.stdout.contains("Post-Handshake New Session Ticket"), "no ticket: {shown:?}");
    s.gateway.write("clients.pem", Authority::new().pem());
    until("the new authorities", || (s.curl(Some("good"), &[]).code != Some(0)).then_some(()));
    s.gateway.write("clients.pem", s.authority.pem());
    until("the old ones again", || (s.curl(Some("good"), &[]).code == Some(0)).then_some(()));
}
