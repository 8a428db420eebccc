//! More than may be: connections, connections of one address, requests. What is refused is refused at once, and probes
//! and the admin side answer whatever the traffic.

use super::support::client::Connection;
use super::support::{Gateway, OPEN, Origin, until};

const LISTENER: &str = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\n";

#[test]
fn connections_of_one_address() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("{LISTENER}max_connections_per_address = 3\n{OPEN}"));
    let mut three: Vec<_> = (0..3).map(|_| gateway.connect()).collect();
    three.iter_mut().for_each(|c| drop(gateway.get("/hello").send_on(c).expect(200)));
    assert!(gateway.connect().is_closed());
    let mut other = Connection::open_from("127.0.0.2".parse().unwrap(), gateway.at.traffic);
    gateway.get("/hello").send_on(&mut other).expect(200);
    three.pop();
    until("a place to be free", || (gateway.get("/hello").send().status == 200).then_some(()));
    let refused = gateway.metric("argus_malformed_requests_total", &["cause=\"too_many_connections_of_address\""]);
    assert!(refused >= 1.0);
}

#[test]
fn a_trusted_proxy_has_as_many_as_it_needs() {
    let origin = Origin::start();
    let trusted = "[clients]\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let gateway = Gateway::start(&origin, &format!("{LISTENER}max_connections_per_address = 1\n{trusted}{OPEN}"));
    let mut many: Vec<_> = (0..5).map(|_| gateway.connect()).collect();
    many.iter_mut().for_each(|c| drop(gateway.get("/hello").send_on(c).expect(200)));
}

#[test]
fn connections_altogether() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("{LISTENER}max_connections = 2\n{OPEN}"));
    let mut two: Vec<_> = (0..2).map(|_| gateway.connect()).collect();
    two.iter_mut().for_each(|c| drop(gateway.get("/hello").send_on(c).expect(200)));
    assert!(gateway.connect().is_closed());
}

#[test]
fn requests_in_progress() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("[resources]\nworkers = 1\nmax_requests = 4\n{OPEN}"));
    let mut held: Vec<_> = (0..4).map(|_| gateway.connect()).collect();
    for connection in &mut held {
        connection.send(gateway.get("/hold").bytes());
    }
    until("the origin to hold four", || (origin.count() == 4).then_some(()));
    let refused = gateway.get("/hello").send().refused(503, "gateway_overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.text().contains("#temporary-reduced-capacity"), "{}", refused.text());
    assert_eq!(origin.count(), 4);
    // Whoever runs it can still look at it and change it.
    gateway.ops("/livez").expect(200);
    gateway.ops("/readyz").expect(200);
    assert_eq!(gateway.metric("argus_active_requests", &[]), 4.0);
    gateway.admin("GET", "/v1/keys").send().expect(200);
    (0..4).for_each(|_| origin.release());
    for mut connection in held {
        connection.answer().expect(200);
    }
    gateway.get("/hello").send().expect(200);
}
