//! First messages of TLS that no library of today sends: old versions, weak ciphers, compression. What is said in answer is
//! read byte for byte, so that it does not hang on what the `openssl` at hand still speaks.

use super::support::certificate::Authority;
use super::support::client::curl;
use super::support::{Connection, Gateway, OPEN, Origin, Setup, until};

const TLS: &str = r#"
[listeners.public]
address = "{traffic}"
tls = "public"

[tls.public]
certificate = "{dir}/tls.crt"
key_file = "{dir}/tls.key"
"#;

const ECDHE_ECDSA_AES128_GCM: u16 = 0xc02b;
const RENEGOTIATION_SCSV: u16 = 0x00ff;
const X25519: u16 = 0x001d;
const ECDSA_P256_SHA256: u16 = 0x0403;

/// Alerts (RFC 8446 section 6).
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const PROTOCOL_VERSION: u8 = 70;

/// A client's first message as TLS 1.2 has it (RFC 5246 section 7.4.1.2).
#[derive(Clone)]
struct Hello {
    version: u16,
    ciphers: Vec<u16>,
    compressions: Vec<u8>,
    groups: Vec<u16>,
    signatures: Vec<u16>,
    /// Further extensions, each with its number.
    more: Vec<(u16, Vec<u8>)>,
}

/// What is said to it.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// A `ServerHello`: version, the last eight bytes of the random, cipher, compression, numbers of extensions.
    Hello(u16, [u8; 8], u16, u8, Vec<u16>),
    /// An alert.
    Alert(u8),
    /// Nothing: the connection is closed.
    Nothing,
}

impl Hello {
    /// One that is taken.
    fn good() -> Self {
        Hello {
            version: 0x0303,
            ciphers: vec![ECDHE_ECDSA_AES128_GCM, RENEGOTIATION_SCSV],
            compressions: vec![0],
            groups: vec![X25519],
            signatures: vec![ECDSA_P256_SHA256],
            more: vec![(23, Vec::new())],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let numbers = |list: &[u16]| list.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let mut extensions = Vec::new();
        let listed = [(10, prefixed(&numbers(&self.groups))), (13, prefixed(&numbers(&self.signatures)))];
        for (number, content) in listed.iter().chain(&self.more) {
            extensions.extend(number.to_be_bytes());
            extensions.extend(prefixed(content));
        }
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(prefixed(&numbers(&self.ciphers)));
        body.push(u8::try_from(self.compressions.len()).unwrap());
        body.extend(&self.compressions);
        body.extend(prefixed(&extensions));
        let message = [&[1, 0][..], &prefixed(&body)].concat();
        // Clients of all times say in the record that they speak TLS 1.0, or SSL 3.0.
        [&[22, 3, u8::from(self.version > 0x0300)][..], &prefixed(&message)].concat()
    }
}

/// Bytes with their length before them.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Reads what comes first.
fn first_said(said: &[u8]) -> Said {
    let two = |at: usize| u16::from_be_bytes([said[at], said[at + 1]]);
    match said.first() {
        None => Said::Nothing,
        Some(21) => Said::Alert(said[6]),
        Some(22) => {
            assert_eq!(said[5], 2, "a ServerHello");
            let after_session = 44 + usize::from(said[43]);
            let mut numbers = Vec::new();
            let mut at = after_session + 5;
            let end = at + usize::from(two(after_session + 3));
            while at < end {
                numbers.push(two(at));
                at += 4 + usize::from(two(at + 2));
            }
            let random_end = said[35..43].try_into().unwrap();
            Said::Hello(two(9), random_end, two(after_session), said[after_session + 2], numbers)
        }
        Some(other) => panic!("a record of kind {other}"),
    }
}

struct Scene {
    gateway: Gateway,
    _origin: Origin,
}

fn scene() -> Scene {
    let (origin, authority) = (Origin::start(), Authority::new());
    let shown = authority.issue(&["localhost"]);
    let gateway = Setup::new(&format!("{TLS}{OPEN}"))
        .origin(&origin.url())
        .file("tls.crt", shown.certificate)
        .file("tls.key", shown.key)
        .file("ca.pem", authority.pem())
        .start();
    Scene { gateway, _origin: origin }
}

impl Scene {
    fn said_to(&self, bytes: &[u8]) -> Said {
        let mut connection = Connection::open(self.gateway.at.traffic);
        connection.send(bytes).half_close();
        first_said(&connection.all())
    }

    #[track_caller]
    fn check(&self, what: &str, change: impl FnOnce(&mut Hello), alert: u8) {
        let mut hello = Hello::good();
        change(&mut hello);
        assert_eq!(self.said_to(&hello.bytes()), Said::Alert(alert), "{what}");
    }
}

#[test]
fn one_that_is_taken_and_what_is_agreed_on() {
    let s = scene();
    let mut hello = Hello::good();
    // Compression is offered (CVE-2012-4929), and a heartbeat (RFC 6520).
    hello.compressions = vec![1, 0];
    hello.more.push((15, vec![1]));
    let Said::Hello(version, random_end, cipher, compression, extensions) = s.said_to(&hello.bytes()) else {
        panic!("it is not taken");
    };
    assert_eq!((version, cipher, compression), (0x0303, ECDHE_ECDSA_AES128_GCM, 0));
    assert!(!extensions.contains(&15), "no heartbeat: {extensions:?}");
    assert!(extensions.contains(&0xff01), "renegotiation is told to be secure (RFC 5746): {extensions:?}");
    assert!(extensions.contains(&23), "and the secret is bound to the handshake (RFC 7627): {extensions:?}");
    assert_eq!(&random_end, b"DOWNGRD\x01", "a client that could do better would notice (RFC 8446 section 4.1.3)");
}

#[test]
fn old_versions() {
    let s = scene();
    for (what, version) in [("SSL 3.0", 0x0300), ("TLS 1.0", 0x0301), ("TLS 1.1", 0x0302)] {
        s.check(what, |hello| hello.version = version, PROTOCOL_VERSION);
        let listed = [&[2][..], &version.to_be_bytes()].concat();
        s.check(what, |hello| hello.more.push((43, listed)), PROTOCOL_VERSION);
    }
    // SSL 2.0: a length with its highest bit set, CLIENT-HELLO, version 0.2, one cipher, no session, a challenge.
    let ssl2 = [&[0x80, 28, 1, 0, 2, 0, 3, 0, 0, 0, 16, 1, 0, 0x80][..], &[7; 16]].concat();
    let said = s.said_to(&ssl2);
    assert!(matches!(said, Said::Nothing | Said::Alert(_)), "{said:?}");
}

#[test]
fn weak_ciphers() {
    let s = scene();
    for (what, cipher) in [
        ("no encryption", 0xc006),
        ("RC4", 0xc007),
        ("3DES", 0xc008),
        ("blocks chained", 0xc009),
        ("blocks chained, SHA-256", 0xc023),
        ("no authentication", 0xc018),
        ("export grade", 0x0003),
        ("RSA without forward secrecy", 0x009c),
        ("finite fields", 0x009e),
    ] {
        s.check(what, |hello| hello.ciphers = vec![cipher, RENEGOTIATION_SCSV], HANDSHAKE_FAILURE);
    }
    s.check("secp192r1", |hello| hello.groups = vec![0x0013], HANDSHAKE_FAILURE);
    s.check("ECDSA with SHA-1", |hello| hello.signatures = vec![0x0203], HANDSHAKE_FAILURE);
    s.check("RSA with MD5", |hello| hello.signatures = vec![0x0101], HANDSHAKE_FAILURE);
}

#[test]
fn compression_alone_and_the_next_client() {
    let s = scene();
    s.check("deflate and nothing else", |hello| hello.compressions = vec![1], ILLEGAL_PARAMETER);
    let refused = || s.gateway.metric("argus_malformed_requests_total", &["cause=\"tls_handshake\""]);
    until("the count of refused handshakes", || (refused() == 1.0).then_some(()));
    let (ca, port) = (s.gateway.path("ca.pem").display().to_string(), s.gateway.at.traffic.port());
    curl(&["--cacert", &ca, "-o", "/dev/null", &format!("https://localhost:{port}/hello")]).ok();
}
