//! Several certificates on one listener: the name the client asks for decides, and each is taken up anew by itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::support::certificate::Authority;
use super::support::client::{curl, openssl};
use super::support::h2::shown_serial;
use super::support::{Gateway, OPEN, Origin, Setup, until};

const TLS: &str = r#"
[listeners.public]
address = "{traffic}"
tls = ["first", "wild", "exact"]

[tls.first]
certificate = "{dir}/first.crt"
key_file = "{dir}/first.key"

[tls.wild]
certificate = "{dir}/wild.crt"
key_file = "{dir}/wild.key"

[tls.exact]
certificate = "{dir}/exact.crt"
key_file = "{dir}/exact.key"
"#;

const NAMES: [(&str, &str); 3] = [("first", "first.example"), ("wild", "*.example.com"), ("exact", "api.example.com")];

struct Scene {
    origin: Origin,
    gateway: Gateway,
    authority: Authority,
}

fn scene() -> Scene {
    let (origin, authority) = (Origin::start(), Authority::new());
    let mut setup = Setup::new(&format!("{TLS}{OPEN}")).origin(&origin.url()).file("ca.pem", authority.pem());
    for (file, name) in NAMES {
        let made = authority.issue(&[name]);
        setup = setup.file(&format!("{file}.crt"), made.certificate).file(&format!("{file}.key"), made.key);
    }
    Scene { origin, gateway: setup.start(), authority }
}

impl Scene {
    fn serial(&self, name: &str) -> String {
        shown_serial(self.gateway.at.traffic, name, &self.authority.pem())
    }

    fn renew(&self, file: &str, name: &str) {
        let made = self.authority.issue(&[name]);
        self.gateway.write(&format!("{file}.key"), made.key);
        self.gateway.write(&format!("{file}.crt"), made.certificate);
    }
}

#[test]
fn the_name_decides() {
    let s = scene();
    let subject = |sni: &[&str]| {
        let shown = openssl(s.gateway.at.traffic, sni).stdout;
        let at = shown.find("-----BEGIN CERTIFICATE-----").unwrap();
        let end = shown.find("-----END CERTIFICATE-----").unwrap();
        shown[at..end].to_owned()
    };
    let file = |name: &str| std::fs::read_to_string(s.gateway.path(name)).unwrap().replace("\r\n", "\n");
    for (sni, shown) in [
        (vec!["-servername", "api.example.com"], "exact.crt"),
        (vec!["-servername", "API.Example.com"], "exact.crt"),
        (vec!["-servername", "other.example.com"], "wild.crt"),
        (vec!["-servername", "elsewhere.example"], "first.crt"),
        (vec!["-noservername"], "first.crt"),
    ] {
        assert!(file(shown).starts_with(&subject(&sni)), "{sni:?}");
    }
}

#[test]
fn one_is_taken_up_anew_and_the_others_stay() {
    let s = scene();
    let (exact, wild) = (s.serial("api.example.com"), s.serial("other.example.com"));
    s.renew("exact", "api.example.com");
    until("the new certificate", || (s.serial("api.example.com") != exact).then_some(()));
    assert_eq!(s.serial("other.example.com"), wild);
    s.gateway.write("wild.crt", "not a certificate");
    assert_ne!(s.gateway.argus(&["reload"]).code, Some(0));
    assert_eq!(s.serial("other.example.com"), wild);
    let told = s.gateway.ops("/metrics").text();
    for (file, _) in NAMES {
        assert!(told.contains(&format!("argus_tls_certificate_expiry_timestamp_seconds{{name=\"{file}\"}}")), "{told}");
    }
}

/// Tells that the test is over when it is.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Clients that make a connection for every request, while certificates change under them.
#[test]
fn no_request_is_lost_while_certificates_change() {
    const ROUNDS: usize = 5;
    let s = scene();
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let port = s.gateway.at.traffic.port();
    let (ca, resolve) = (s.gateway.path("ca.pem").display().to_string(), format!("api.example.com:{port}:127.0.0.1"));
    let url = format!("https://api.example.com:{port}/hello");
    std::thread::scope(|scope| {
        // Clients end whatever becomes of the test.
        let _end = Ended(&done);
        for version in ["--http1.1", "--http2"] {
            let (done, asked, ca, resolve, url) = (&done, &asked, &ca, &resolve, &url);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let said = curl(&[
                        version,
                        "-f",
                        "-o",
                        "/dev/null",
                        "-w",
                        "%{http_code}",
                        "--cacert",
                        ca,
                        "--resolve",
                        resolve,
                        url,
                    ]);
                    assert_eq!(said.ok(), "200");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..ROUNDS {
            let (before, seen) = (s.serial("api.example.com"), asked.load(Ordering::Relaxed));
            s.renew("exact", "api.example.com");
            until("the new certificate", || (s.serial("api.example.com") != before).then_some(()));
            s.gateway.signal("HUP");
            until("more requests", || (asked.load(Ordering::Relaxed) > seen + 2).then_some(()));
        }
    });
    assert_eq!(s.origin.count(), asked.load(Ordering::Relaxed));
}
