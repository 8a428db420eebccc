//! Servers by name: every address is one, names are asked again, and the last good answer stays.

use std::net::Ipv4Addr;

use super::support::dns::Dns;
use super::support::{Gateway, Origin, Setup, ports, until};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Two origins on one port, at the two addresses.
fn origins() -> (Origin, Origin) {
    let port = ports::free();
    (Origin::start_on((ONE, port).into()), Origin::start_on((TWO, port).into()))
}

fn before(dns: &Dns, origin: &Origin) -> Gateway {
    let (port, resolver) = (origin.address().port(), dns.address());
    Setup::new(&format!(
        "[resources]\nworkers = 1\n[upstreams.o]\nservers = [\"http://orders.example.com:{port}\"]\nresolver = \"{resolver}\"\n\
         [routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n"
    ))
    .start()
}

/// The servers that the gateway has, as its metrics name them.
fn has(gateway: &Gateway, address: Ipv4Addr) -> bool {
    gateway.metric("argus_upstream_up", &["upstream=\"o\"", &format!("({address})")]) == 1.0
}

#[test]
fn every_address_is_a_server_and_names_are_asked_again() {
    let (one, two) = origins();
    let dns = Dns::start(&[ONE, TWO]);
    let gateway = before(&dns, &one);
    until("both addresses", || (has(&gateway, ONE) && has(&gateway, TWO)).then_some(()));
    for _ in 0..10 {
        gateway.get("/hello").send().expect(200);
    }
    assert_eq!((one.count(), two.count()), (5, 5));
    dns.answer(&[TWO]);
    until("the first to go", || (!has(&gateway, ONE)).then_some(()));
    for _ in 0..10 {
        gateway.get("/hello").send().expect(200);
    }
    assert_eq!((one.count(), two.count()), (5, 15));
}

#[test]
fn the_last_good_answer_stays() {
    let (one, two) = origins();
    let dns = Dns::start(&[TWO]);
    let gateway = before(&dns, &one);
    until("the address", || has(&gateway, TWO).then_some(()));
    dns.fall_silent();
    until("a failed question", || gateway.said().contains("its last addresses stay in use").then_some(()));
    gateway.get("/hello").send().expect(200);
    dns.answer(&[ONE]);
    until("the other address", || has(&gateway, ONE).then_some(()));
    gateway.get("/hello").send().expect(200);
    assert_eq!((one.count(), two.count()), (1, 1));
}
