//! What an origin sees behind Argus and behind nginx, for the same odd requests. Where the two differ, the corpus says
//! how and why; a difference that is not listed, and a listed one that is none, fail.

mod corpus;
mod nginx;

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use corpus::{Case, FIELDS, FRAMING, Relation, TARGETS};
use nginx::Nginx;

use crate::support::client::Connection;
use crate::support::raw_origin::Raw;
use crate::support::{OPEN, RawOrigin, Setup};

/// Fields that either proxy writes of its own.
const OWN: &[&str] = &["connection", "via", "x-real-ip", "x-request-id", "argus-request-id"];

/// How long somebody may say nothing before it counts as a refusal, and how long if that is not what was expected.
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);

/// A request as the origin sees it, without what the proxies add.
#[derive(Debug, PartialEq)]
struct Sight {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    trailers: usize,
}

impl Sight {
    fn of(raw: &Raw) -> Self {
        let is_own = |name: &str| OWN.contains(&name) || name.starts_with("x-forwarded-");
        let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
        let mut fields: Vec<_> = raw.fields.0.iter().map(lower).filter(|(name, _)| !is_own(name)).collect();
        fields.sort();
        let (method, target) = (raw.method().to_owned(), raw.target().to_owned());
        Sight { method, target, fields, body: raw.body.clone(), trailers: raw.trailers.0.len() }
    }
}

/// Sends `bytes`; what the origin saw of them.
fn seen(origin: &RawOrigin, proxy: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<Sight> {
    let before = origin.count();
    let mut connection = Connection::open(proxy);
    connection.send(bytes);
    let stream = connection.stream();
    // Whoever says nothing waits for more, and has sent nothing on either.
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        match answer.windows(4).position(|w| w == b"\r\n\r\n") {
            // A 100 comes before the answer.
            Some(end) if answer.starts_with(b"HTTP/1.1 1") => drop(answer.drain(..end + 4)),
            Some(_) => break,
            None => match stream.read(&mut piece) {
                Ok(n @ 1..) => answer.extend_from_slice(&piece[..n]),
                _ => break,
            },
        }
    }
    drop(connection);
    origin.seen()[before..]
        .iter()
        .filter(|raw| raw.ended == crate::support::message::Ended::Whole)
        .map(Sight::of)
        .collect()
}

fn relation(argus: &[Sight], nginx: &[Sight]) -> Relation {
    match (argus.is_empty(), nginx.is_empty()) {
        _ if argus == nginx => Relation::Same,
        (true, false) => Relation::OnlyNginxPasses,
        (false, true) => Relation::OnlyArgusPasses,
        _ => Relation::SeenDifferently,
    }
}

#[test]
fn an_origin_sees_the_same_behind_nginx() {
    let origin = RawOrigin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = Setup::new(OPEN).origin(&origin.url()).start();
    let nginx = Nginx::before(&origin.url());
    let mut wrong = Vec::new();
    let cases: Vec<Case> = [FIELDS, FRAMING, TARGETS].concat();
    for (bytes, expected, why) in &cases {
        let sights = |patience| {
            let (a, n) = (gateway.at.traffic, nginx.address());
            (seen(&origin, a, bytes, patience), seen(&origin, n, bytes, patience))
        };
        let (mut a, mut n) = sights(SHORT);
        if relation(&a, &n) != *expected {
            // A busy machine may have taken longer than that.
            (a, n) = sights(LONG);
        }
        let found = relation(&a, &n);
        if found != *expected {
            wrong.push(format!(
                "{}: {found:?}, not {expected:?} ({why})\n  argus {a:?}\n  nginx {n:?}",
                bytes.escape_ascii()
            ));
        }
    }
    assert!(cases.len() >= 150, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
