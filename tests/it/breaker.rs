//! The circuit breaker of an upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::support::bad_origin::nobody;
use super::support::h2_origin::H2Origin;
use super::support::{BadOrigin, Gateway, Setup, until};

const BREAKER: &str = "breaker = { requests = 4, window = \"1h\", duration = \"300ms\", probes = 1 }";

fn before(url: &str, upstream: &str) -> Gateway {
    Setup::new(&format!(
        "[resources]\nworkers = 2\n[upstreams.o]\nservers = [\"{url}\"]\n{upstream}\n\
         [routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n"
    ))
    .start()
}

fn state(gateway: &Gateway) -> f64 {
    gateway.metric("argus_upstream_circuit_state", &["upstream=\"o\""])
}

#[test]
fn callers_are_told_at_once_until_it_is_well_again() {
    let (is_well, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (well, count) = (Arc::clone(&is_well), Arc::clone(&asked));
    let origin = BadOrigin::start(move |mut exchange| {
        while exchange.request().is_some() {
            count.fetch_add(1, Ordering::Relaxed);
            let status = if well.load(Ordering::Relaxed) { "200 OK" } else { "500 Failed" };
            exchange.send(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok"));
        }
    });
    let gateway = before(&origin.url(), &BREAKER.replace("300ms", "1h"));
    (0..4).for_each(|_| drop(gateway.get("/a").send().expect(500)));
    let answer = gateway.get("/a").send().refused(503, "no_healthy_upstream");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!((asked.load(Ordering::Relaxed), state(&gateway)), (4, 2.0));
    assert_eq!(gateway.metric("argus_upstream_circuit_refused_total", &["upstream=\"o\""]), 1.0);
    let gateway = before(&origin.url(), BREAKER);
    (0..4).for_each(|_| drop(gateway.get("/a").send().expect(500)));
    // One that is let through fails, and nothing is for as long again.
    until("one to be let through", || (gateway.get("/a").send().status == 500).then_some(()));
    gateway.get("/a").send().refused(503, "no_healthy_upstream");
    is_well.store(true, Ordering::Relaxed);
    until("it to be well", || (gateway.get("/a").send().status == 200).then_some(()));
    assert_eq!(state(&gateway), 0.0);
    (0..9).for_each(|_| drop(gateway.get("/a").send().expect(200)));
}

#[test]
fn servers_that_are_not_reached_open_it_too() {
    let gateway = before(&nobody(), BREAKER.replace("300ms", "1h").as_str());
    (0..4).for_each(|_| drop(gateway.get("/a").send().refused(502, "upstream_unreachable")));
    gateway.get("/a").send().refused(503, "no_healthy_upstream");
}

#[test]
fn what_a_client_does_wrong_opens_nothing() {
    let origin = super::support::Origin::start();
    let gateway = before(&origin.url(), BREAKER.replace("300ms", "1h").as_str());
    for _ in 0..6 {
        gateway.raw("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
        gateway.get("/status/404").send().expect(404);
    }
    gateway.get("/a").send().expect(200);
    assert_eq!(state(&gateway), 0.0);
}

#[test]
fn without_one_nothing_is_refused() {
    let origin = super::support::Origin::start();
    let gateway = before(&origin.url(), "");
    (0..40).for_each(|_| drop(gateway.get("/status/500").send().expect(500)));
    gateway.get("/a").send().expect(200);
}

#[test]
fn clients_cannot_put_anything_out_of_service() {
    let origin = H2Origin::start();
    let upstream = "http2 = \"always\"\nbreaker = { failures = \"1%\", requests = 1, window = \"1h\", duration = \"1h\" }\n\
                    ejection = { after = 1, duration = \"1h\", at_most = \"100%\" }";
    let gateway = before(&format!("http://{}", origin.address()), upstream);
    // There is no such request over HTTP/2.
    let asks = gateway.get("/ws").header("Connection", "upgrade").header("Upgrade", "websocket");
    let asks = asks.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    asks.send().refused(502, "upstream_invalid");
    // Broken off by the client.
    gateway.raw("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    until("the request to break off", || origin.seen().pop().map(|seen| assert!(!seen.whole)));
    gateway.get("/a").send().expect(200);
    assert_eq!((state(&gateway), gateway.metric("argus_upstream_up", &["upstream=\"o\""])), (0.0, 1.0));
}
