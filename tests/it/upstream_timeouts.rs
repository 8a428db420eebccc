//! How long an upstream may take: for the head of its answer, between two pieces of it, and for all of it.

use super::support::h2::H2;
use super::support::message::Ended;
use super::support::{BadOrigin, Gateway, Setup};

/// Longer than any test may take: a limit that is not meant.
const NEVER: &str = "1h";

fn before(origin: &BadOrigin, timeouts: &str) -> Gateway {
    let url = origin.url();
    let toml = format!(
        "[upstreams.o]\nservers = [\"{url}\"]\n{timeouts}\n[routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n"
    );
    Setup::new(&toml).start()
}

/// Begins an answer and says nothing more.
fn begun() -> BadOrigin {
    BadOrigin::start(|mut exchange| {
        if exchange.request().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
            exchange.drain();
        }
    })
}

/// Sends a body without an end, a piece every few milliseconds.
fn endless() -> BadOrigin {
    BadOrigin::start(|mut exchange| {
        if exchange.request().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for _ in 0..2_000 {
                exchange.send("4\r\nmore\r\n");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    })
}

#[test]
fn the_head_has_its_own_time() {
    let silent = BadOrigin::silent();
    for timeouts in ["first_byte_timeout = \"200ms\"", "timeout = \"200ms\""] {
        let gateway = before(&silent, &format!("request_timeout = \"{NEVER}\"\n{timeouts}"));
        let answer = gateway.get("/a").send().refused(504, "upstream_timeout");
        assert!(answer.header("proxy-status").contains("timeout"), "{}", answer.header("proxy-status"));
    }
}

#[test]
fn a_pause_in_the_body_has_its_own_time() {
    let gateway = before(&begun(), &format!("request_timeout = \"{NEVER}\"\nidle_timeout = \"200ms\""));
    let answer = gateway.get("/a").send().expect(200);
    assert_eq!((answer.text().as_str(), answer.ended), ("some", Ended::Cut));
}

#[test]
fn a_body_that_takes_too_long_is_cut_visibly() {
    for origin in [begun(), endless()] {
        let gateway = before(&origin, &format!("request_timeout = \"{NEVER}\"\ntimeout = \"2s\""));
        let answer = gateway.get("/a").send().expect(200);
        assert_eq!(answer.ended, Ended::Cut, "{} bytes", answer.text().len());
        let answer = H2::open(gateway.at.traffic).get("/a", &[]);
        assert_ne!((answer.status, answer.ended), (200, Ended::Whole));
    }
}

#[test]
fn what_is_done_in_time_is_whole() {
    let quick = BadOrigin::replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
    let gateway = before(&quick, "timeout = \"1h\"\nfirst_byte_timeout = \"1h\"\nidle_timeout = \"1h\"");
    let answer = gateway.get("/a").send().expect(200);
    assert_eq!((answer.text().as_str(), answer.ended), ("body", Ended::Whole));
}
