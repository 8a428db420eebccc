//! Servers that are out of service: found by checks of Argus's own, or by what their answers are like.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::support::{BadOrigin, Gateway, Setup, until};

/// An origin that is well or not: when it is not, everything is answered with 503.
struct Moody {
    origin: BadOrigin,
    is_well: Arc<AtomicBool>,
    checks: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Moody {
    fn start(is_well: bool) -> Self {
        let is_well = Arc::new(AtomicBool::new(is_well));
        let (checks, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (well, checked, asked) = (Arc::clone(&is_well), Arc::clone(&checks), Arc::clone(&requests));
        let origin = BadOrigin::start(move |mut exchange| {
            while let Some(head) = exchange.request() {
                let count = if head.start.contains("/healthz") { &checked } else { &asked };
                count.fetch_add(1, Ordering::Relaxed);
                let status = if well.load(Ordering::Relaxed) { "200 OK" } else { "503 Service Unavailable" };
                exchange.send(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok"));
            }
        });
        Moody { origin, is_well, checks, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn be_well(&self, well: bool) {
        self.is_well.store(well, Ordering::Relaxed);
    }
}

fn before(servers: &[&Moody], upstream: &str) -> Gateway {
    let urls: Vec<String> = servers.iter().map(|s| format!("\"{}\"", s.origin.url())).collect();
    Setup::new(&format!(
        "[resources]\nworkers = 2\n[upstreams.o]\nservers = [{}]\n{upstream}\n\
         [routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n",
        urls.join(", ")
    ))
    .start()
}

fn up(gateway: &Gateway, server: &Moody) -> bool {
    gateway.metric("argus_upstream_up", &["upstream=\"o\"", &format!("server=\"{}\"", server.origin.url())]) == 1.0
}

const CHECKED: &str = "health = { path = \"/healthz\", every = \"50ms\", timeout = \"5s\" }";

#[test]
fn a_server_that_fails_its_checks_gets_nothing() {
    let (a, b) = (Moody::start(true), Moody::start(false));
    let gateway = before(&[&a, &b], CHECKED);
    until("the sick one to be found", || (!up(&gateway, &b)).then_some(()));
    let seen = b.requests();
    for _ in 0..20 {
        gateway.get("/a").send().expect(200);
    }
    assert_eq!(b.requests(), seen);
    b.be_well(true);
    until("the sick one to be back", || up(&gateway, &b).then_some(()));
    until("requests to go there again", || {
        gateway.get("/a").send().expect(200);
        (b.requests() > seen).then_some(())
    });
}

#[test]
fn with_all_out_of_service_callers_are_told() {
    let a = Moody::start(true);
    let gateway = before(&[&a], CHECKED);
    until("a check", || (a.checks.load(Ordering::Relaxed) > 0).then_some(()));
    gateway.get("/a").send().expect(200);
    a.be_well(false);
    until("it to be found", || (!up(&gateway, &a)).then_some(()));
    let asked = a.requests();
    let answer = gateway.get("/a").send().refused(503, "no_healthy_upstream");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(answer.header("proxy-status").contains("error=destination_unavailable"));
    assert_eq!(a.requests(), asked);
    a.be_well(true);
    until("it to be back", || (gateway.get("/a").send().status == 200).then_some(()));
}

#[test]
fn a_server_that_fails_requests_is_ejected_but_not_all() {
    let (a, b) = (Moody::start(true), Moody::start(false));
    let gateway = before(&[&a, &b], "ejection = { after = 3, duration = \"1h\", at_most = \"50%\" }");
    until("it to be ejected", || {
        gateway.get("/a").send();
        (!up(&gateway, &b)).then_some(())
    });
    assert!(b.requests() <= 3, "{}", b.requests());
    a.be_well(false);
    for _ in 0..10 {
        gateway.get("/a").send().expect(503);
    }
    assert!(up(&gateway, &a), "half of them is the most");
    assert!(b.requests() <= 3, "{}", b.requests());
}

#[test]
fn an_ejected_server_comes_back() {
    let (a, b) = (Moody::start(true), Moody::start(false));
    let gateway = before(&[&a, &b], "ejection = { after = 1, duration = \"200ms\" }\nslow_start = \"1s\"");
    until("it to be ejected", || {
        gateway.get("/a").send();
        (!up(&gateway, &b)).then_some(())
    });
    b.be_well(true);
    let seen = b.requests();
    until("requests to go there again", || {
        gateway.get("/a").send().expect(200);
        (b.requests() > seen + 2).then_some(())
    });
}
