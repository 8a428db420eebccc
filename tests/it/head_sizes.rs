//! Heads that are too large, over HTTP/1 and HTTP/2 alike.

use super::support::h2::H2;
use super::support::{Gateway, OPEN, Origin};

const LIMITS: &str =
    "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nmax_header_size = \"16KiB\"\n";

fn gateway(origin: &Origin) -> Gateway {
    Gateway::start(origin, &format!("{LIMITS}{OPEN}"))
}

#[test]
fn a_long_target() {
    let origin = Origin::start();
    let gateway = gateway(&origin);
    let [long, fits] = [17_000, 15_000].map(|n| format!("/{}", "a".repeat(n)));
    gateway.get(&long).send().refused(414, "target_too_long");
    // What h2 decodes beyond the size it announced, it answers by itself.
    assert_eq!(H2::open(gateway.at.traffic).get(&long, &[]).status, 431);
    assert_eq!(origin.count(), 0);
    gateway.get(&fits).send().expect(200);
    H2::open(gateway.at.traffic).get(&fits, &[]).expect(200);
}

#[test]
fn a_long_field() {
    let origin = Origin::start();
    let gateway = gateway(&origin);
    let long = "a".repeat(20_000);
    gateway.get("/a").header("X-Long", &long).send().expect(431);
    assert_eq!(H2::open(gateway.at.traffic).get("/a", &[("x-long", &long)]).status, 431);
    assert_eq!(origin.count(), 0);
    gateway.get("/a").header("X-Long", &long[..14_000]).send().expect(200);
}

#[test]
fn many_fields() {
    let origin = Origin::start();
    let gateway = gateway(&origin);
    let many = |n| (0..n).fold(gateway.get("/a"), |request, _| request.header("X-A", "b"));
    many(101).send().expect(431);
    H2::open(gateway.at.traffic).get("/a", &[("x-a", "b"); 101]).refused(431, "headers_too_large");
    assert_eq!(origin.count(), 0);
    // The origin, which takes a hundred too, gets a few more than were sent.
    many(85).send().expect(200);
}
