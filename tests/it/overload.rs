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

/// Sends many requests at once on each connection, reads their answers, and tells how many were refused.
fn burst(gateway: &Gateway, connections: &mut [Connection]) -> usize {
    const AT_ONCE: usize = 20;
    let mut refused = 0;
    for connection in &mut *connections {
        connection.send(gateway.get("/hello").bytes().repeat(AT_ONCE));
    }
    for connection in connections {
        for _ in 0..AT_ONCE {
            let answer = connection.answer();
            if answer.status == 503 {
                assert_eq!(answer.refused(503, "gateway_overloaded").header("retry-after"), "1");
                refused += 1;
            } else {
                answer.expect(200);
            }
        }
    }
    refused
}

#[test]
fn a_worker_that_falls_behind_turns_requests_away() {
    let origin = Origin::start();
    let settings = "[resources]\nworkers = 1\nmax_lag = \"5ms\"\n";
    let gateway = Gateway::start(&origin, &format!("{settings}{OPEN}"));
    let mut connections: Vec<_> = (0..100).map(|_| gateway.connect()).collect();
    let mut refused = 0;
    until("the worker to fall behind", || {
        refused += burst(&gateway, &mut connections);
        // Whoever runs it can still look at it and change it.
        gateway.ops("/livez").expect(200);
        gateway.ops("/readyz").expect(200);
        gateway.admin("GET", "/v1/keys").send().expect(200);
        (refused > 0).then_some(())
    });
    assert_eq!(gateway.metric("argus_shed_requests_total", &[]), refused as f64);
    assert_eq!(origin.count() as f64, gateway.metric("argus_http_requests_total", &["code=\"200\""]));
    // When nothing more comes, it is soon in time again, and takes all that comes.
    until("the worker to be in time", || (gateway.metric("argus_worker_lag_seconds", &[]) < 0.005).then_some(()));
    until("every request to be taken", || {
        let before = gateway.metric("argus_shed_requests_total", &[]);
        (0..16).for_each(|_| drop(gateway.get("/hello").send()));
        (gateway.metric("argus_shed_requests_total", &[]) == before).then_some(())
    });
}

#[test]
fn never_means_never() {
    let origin = Origin::start();
    let settings = "[resources]\nworkers = 1\nmax_lag = \"never\"\n";
    let gateway = Gateway::start(&origin, &format!("{settings}{OPEN}"));
    let mut connections: Vec<_> = (0..100).map(|_| gateway.connect()).collect();
    assert_eq!(burst(&gateway, &mut connections), 0);
}
