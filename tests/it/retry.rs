//! What is sent again, and what never is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::support::bad_origin::nobody;
use super::support::{BadOrigin, Gateway, Origin, Setup};

fn before(servers: &[&str], retry: &str) -> Gateway {
    let toml = format!(
        "[resources]\nworkers = 1\n[upstreams.o]\nservers = {servers:?}\nretry = {{ {retry} }}\n[routes.api]\npaths = [\"/*\"]\n\
         upstream = \"o\"\nauth = \"none\"\n"
    );
    Setup::new(&toml).start()
}

fn retries(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric("argus_upstream_retries_total", &["upstream=\"o\"", &format!("reason=\"{reason}\"")])
}

/// Answers once on every connection; the request after that is read and answered with a reset. Counts the requests.
fn once() -> (BadOrigin, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let origin = BadOrigin::start(move |mut exchange| {
        if exchange.request().is_some() {
            count.fetch_add(1, Ordering::Relaxed);
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        if exchange.request().is_some() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        exchange.reset();
    });
    (origin, seen)
}

#[test]
fn another_server_stands_in_for_one_that_is_away() {
    let origin = Origin::start();
    let gateway = before(&[&nobody(), &nobody(), &origin.url()], "");
    for _ in 0..6 {
        gateway.request("POST", "/hello").body("once").send().expect(200);
    }
    assert_eq!(origin.count(), 6);
    assert!(retries(&gateway, "connect") >= 2.0, "each that is away was met at least once");
}

#[test]
fn no_more_attempts_than_allowed() {
    let origin = Origin::start();
    for (retry, status) in [("attempts = 1", 502), ("on = \"reset\"", 502), ("attempts = 2", 200)] {
        let gateway = before(&[&nobody(), &origin.url()], retry);
        // Each server has the first turn once, and the one that failed is passed over from then on.
        let met = [gateway.get("/hello").send().status, gateway.get("/hello").send().status];
        assert_eq!(met.into_iter().max(), Some(status), "{retry}: {met:?}");
    }
    let gateway = before(&[&nobody(), &nobody(), &origin.url()], "attempts = 2");
    let met: Vec<u16> = (0..3).map(|_| gateway.get("/hello").send().status).collect();
    assert!(met.contains(&502), "two were tried and neither is there: {met:?}");
}

#[test]
fn a_kept_connection_that_breaks_is_made_good_as_the_policy_says() {
    for (retry, method, sent) in [
        ("", "GET", 2),
        ("", "DELETE", 2),
        ("", "POST", 1),
        ("methods = [\"GET\"]", "GET", 2),
        ("methods = [\"GET\"]", "DELETE", 1),
        ("on = \"connect\"", "GET", 1),
        ("attempts = 1", "GET", 1),
    ] {
        let (origin, seen) = once();
        let gateway = before(&[&origin.url()], retry);
        gateway.get("/a").send().expect(200);
        let answer = gateway.request(method, "/a").send();
        // What may not be sent twice goes on a new connection where the kept one lay too long.
        assert_eq!(seen.load(Ordering::Relaxed), 1 + sent, "{method} with {retry:?}: {}", answer.text());
        assert!(sent == 1 || answer.status == 200, "{method} with {retry:?}: {}", answer.text());
        assert_eq!(retries(&gateway, "reset"), sent as f64 - 1.0, "{method} with {retry:?}");
    }
}

#[test]
fn the_first_request_on_a_connection_is_not_sent_again() {
    let deaf = BadOrigin::start(|mut exchange| {
        exchange.request();
        exchange.reset();
    });
    before(&[&deaf.url()], "attempts = 5").get("/a").send().refused(502, "upstream_invalid");
    assert_eq!(deaf.connections(), 1);
}

#[test]
fn a_budget_bounds_what_is_tried_again() {
    const REQUESTS: usize = 60;
    for (budget, most_in_a_second) in [("0%", Some(10)), ("100%", None)] {
        // TLS never comes to be, so that every attempt is a connection that is counted.
        let servers = [BadOrigin::start(drop), BadOrigin::start(drop)];
        let urls = servers.each_ref().map(|s| s.url().replace("http:", "https:"));
        let gateway = before(&[&urls[0], &urls[1]], &format!("attempts = 2, budget = \"{budget}\""));
        let from = Instant::now();
        for _ in 0..REQUESTS {
            gateway.get("/a").send().refused(502, "upstream_unreachable");
        }
        let seconds = usize::try_from(from.elapsed().as_secs()).unwrap() + 2;
        let repeats = servers.iter().map(BadOrigin::connections).sum::<usize>() - REQUESTS;
        let most = most_in_a_second.map_or(REQUESTS, |n| n * seconds);
        assert!(repeats <= most, "{repeats} repeats with {budget}");
        let over_budget = gateway.metric("argus_upstream_retries_over_budget_total", &["upstream=\"o\""]);
        assert_eq!((retries(&gateway, "connect"), over_budget), (repeats as f64, (REQUESTS - repeats) as f64));
        assert!(repeats >= 10 && (budget == "0%" || repeats == REQUESTS), "{repeats} repeats with {budget}");
    }
}
