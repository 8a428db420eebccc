//! What `openssl` makes of the TLS spoken here: versions, ciphers, protocols, sessions.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::support::certificate::Authority;
use super::support::client::openssl;
use super::support::h2::shown_serial;
use super::support::{Gateway, OPEN, Origin, Setup, until};

const TLS: &str = r#"
[listeners.public]
address = "{traffic}"
tls = "public"

[tls.public]
certificate = "{dir}/tls.crt"
key_file = "{dir}/tls.key"
"#;

struct Scene {
    gateway: Gateway,
    authority: Authority,
    _origin: Origin,
}

fn scene(more: &str) -> Scene {
    let (origin, authority) = (Origin::start(), Authority::new());
    let shown = authority.issue(&["localhost"]);
    let gateway = Setup::new(&format!("{TLS}{more}{OPEN}"))
        .origin(&origin.url())
        .file("tls.crt", shown.certificate)
        .file("tls.key", shown.key)
        .start();
    Scene { gateway, authority, _origin: origin }
}

impl Scene {
    /// What is said of a connection with these arguments; `None` where there is none.
    fn shaken(&self, args: &[&str]) -> Option<String> {
        let said = openssl(self.gateway.at.traffic, args).stdout;
        let begins = |word: &str| said.lines().any(|line| line.starts_with(word));
        let is_new = begins("New, TLSv1.") && !begins("no peer certificate available");
        (is_new || begins("Reused, TLSv1.")).then_some(said)
    }

    #[track_caller]
    fn takes(&self, args: &[&str], telling: &str) {
        let said = self.shaken(args).unwrap_or_else(|| panic!("{args:?} is refused"));
        assert!(said.contains(telling), "{args:?}: {said}");
    }

    #[track_caller]
    fn refuses(&self, args: &[&str]) {
        assert_eq!(self.shaken(args), None, "{args:?}");
    }
}

#[test]
fn versions_and_ciphers() {
    let s = scene("");
    s.takes(&["-tls1_3"], "TLSv1.3");
    s.takes(&["-tls1_2"], "TLSv1.2");
    s.refuses(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    s.refuses(&["-tls1", "-cipher", "ALL:@SECLEVEL=0"]);
    s.takes(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-AES128-GCM-SHA256");
    s.takes(&["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], "ECDHE-ECDSA-CHACHA20-POLY1305");
    // Blocks chained, keys exchanged without forward secrecy, no authentication.
    for weak in ["ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA", "AES128-SHA", "AES256-GCM-SHA384", "aNULL"] {
        s.refuses(&["-tls1_2", "-cipher", &format!("{weak}:@SECLEVEL=0")]);
    }
    let s = scene("min_version = \"1.3\"\n");
    s.takes(&["-tls1_3"], "TLSv1.3");
    s.refuses(&["-tls1_2"]);
}

#[test]
fn protocols() {
    let s = scene("");
    s.takes(&["-alpn", "h2,http/1.1"], "ALPN protocol: h2");
    s.takes(&["-alpn", "http/1.1"], "ALPN protocol: http/1.1");
    s.takes(&[], "No ALPN negotiated");
    s.refuses(&["-alpn", "imap"]);
}

#[test]
fn sessions_are_resumed_by_whichever_worker() {
    let s = scene("");
    let file = s.gateway.path("session").display().to_string();
    for version in ["-tls1_3", "-tls1_2"] {
        s.takes(&[version, "-sess_out", &file], "New, ");
        for _ in 0..6 {
            s.takes(&[version, "-sess_in", &file], "Reused, ");
        }
    }
    let before = shown_serial(s.gateway.at.traffic, "localhost", &s.authority.pem());
    let next = s.authority.issue(&["localhost"]);
    s.gateway.write("tls.key", next.key);
    s.gateway.write("tls.crt", next.certificate);
    until("the new certificate", || {
        (shown_serial(s.gateway.at.traffic, "localhost", &s.authority.pem()) != before).then_some(())
    });
    s.takes(&["-tls1_2", "-sess_in", &file], "New, ");
}

#[test]
fn and_not_where_clients_show_certificates() {
    let clients = "client_ca = \"{dir}/tls.crt\"\nclient_auth = \"optional\"\n";
    let s = scene(clients);
    let file = s.gateway.path("session").display().to_string();
    s.takes(&["-tls1_3", "-sess_out", &file], "New, ");
    assert!(std::fs::metadata(&file).is_err(), "no ticket, no session");
    s.takes(&["-tls1_2", "-sess_out", &file], "New, ");
    let again = s.shaken(&["-tls1_2", "-sess_in", &file]);
    assert!(again.is_none_or(|said| !said.contains("Reused, ")));
}

#[test]
fn nothing_is_taken_before_a_handshake_has_ended() {
    let s = scene("");
    let said = s.shaken(&["-tls1_3"]).expect("a handshake");
    assert!(said.contains("Max Early Data: 0"), "{said}");
}

/// A client that wants to begin anew on a connection that has been made (CVE-2011-1473).
#[test]
fn there_is_no_second_handshake_on_a_connection() {
    let s = scene("");
    let at = s.gateway.at.traffic.to_string();
    let mut command = Command::new("timeout");
    command.args(["20", "openssl", "s_client", "-tls1_2", "-connect", &at]);
    let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The line is a command of `s_client`; that its input stays open lets it wait for what comes of it.
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"R\n").unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    client.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    client.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    drop(input);
    let status = client.wait().unwrap();
    assert!(err.contains("RENEGOTIATING"), "{out}\n{err}");
    assert_eq!(status.code(), Some(1), "refused, and not waited for: {out}\n{err}");
    assert!(err.contains("no renegotiation"), "{err}");
    s.takes(&["-tls1_2"], "TLSv1.2");
}
