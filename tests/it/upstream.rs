//! What the client sees when the origin fails: a clear answer before the head, a visible break after it.

use super::support::bad_origin::nobody;
use super::support::h2::H2;
use super::support::message::Ended;
use super::support::{BadOrigin, Gateway, OPEN, Origin, Setup, until};

fn before(url: &str) -> Gateway {
    before_with(url, "")
}

fn before_with(url: &str, more: &str) -> Gateway {
    let toml = format!(
        "[upstreams.o]\nservers = [\"{url}\"]\n{more}\n[routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n"
    );
    Setup::new(&toml).start()
}

#[test]
fn nobody_there() {
    let gateway = before(&nobody());
    let answer = gateway.get("/a").send().refused(502, "upstream_unreachable");
    assert!(
        answer.header("proxy-status").contains("argus; error=connection_refused"),
        "{}",
        answer.header("proxy-status")
    );
    assert!(!answer.text().contains("127.0.0.1"), "where the origin is, is nobody's business");
}

#[test]
fn a_name_that_is_not_there() {
    let answer = before("http://origin.invalid:80").get("/a").send();
    assert!(matches!(answer.status, 502 | 504), "{}", answer.text());
    assert!(answer.header("proxy-status").contains("argus; error="), "{}", answer.header("proxy-status"));
}

#[test]
fn no_answer_in_time() {
    let silent = BadOrigin::silent();
    let gateway = before_with(&silent.url(), "request_timeout = \"300ms\"");
    let answer = gateway.get("/a").send().refused(504, "upstream_timeout");
    assert!(answer.header("proxy-status").contains("timeout"), "{}", answer.header("proxy-status"));
}

#[test]
fn closed_before_an_answer() {
    let mute = BadOrigin::start(|mut exchange| {
        exchange.request();
    });
    assert_eq!(before(&mute.url()).get("/a").send().status, 502);
    let reset = BadOrigin::replies_and_resets("");
    assert_eq!(before(&reset.url()).get("/a").send().status, 502);
}

#[test]
fn not_http() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
    ] {
        let bad = BadOrigin::replies(garbage);
        let answer = before(&bad.url()).get("/a").send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "upstream_invalid"),
            "{garbage:?}: {}",
            answer.text()
        );
    }
}

#[test]
fn a_broken_body_never_looks_complete() {
    const CUT: [&str; 3] = [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort",
    ];
    for cut in CUT {
        for bad in [BadOrigin::replies(cut), BadOrigin::replies_and_resets(cut)] {
            let gateway = before(&bad.url());
            let answer = gateway.get("/a").send();
            assert_ne!(answer.ended, Ended::Whole, "HTTP/1.1 after {cut:?}: {answer:?}");
            let answer = H2::open(gateway.at.traffic).get("/a", &[]);
            assert_ne!((answer.status, answer.ended), (200, Ended::Whole), "HTTP/2 after {cut:?}");
        }
    }
}

#[test]
fn a_broken_chunk_is_no_end_either() {
    let bad = BadOrigin::replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
    assert_ne!(before(&bad.url()).get("/a").send().ended, Ended::Whole);
}

#[test]
fn a_body_that_ends_with_the_connection_is_passed() {
    let old = BadOrigin::replies("HTTP/1.0 200 OK\r\n\r\nall of it");
    let answer = before(&old.url()).get("/a").send().expect(200);
    assert_eq!((answer.text().as_str(), answer.ended), ("all of it", Ended::Whole));
}

#[test]
fn extra_bytes_go_to_nobody() {
    let chatty = BadOrigin::start(|mut exchange| {
        while exchange.request().is_some() {
            exchange.send(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen",
            );
        }
    });
    let gateway = before(&chatty.url());
    for _ in 0..5 {
        let answer = gateway.get("/a").send();
        assert_ne!(answer.text(), "stolen");
        assert_eq!(answer.text(), "ok");
    }
}

#[test]
fn informational_answers_do_not_confuse() {
    let origin = BadOrigin::replies(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let answer = before(&origin.url()).get("/a").send().expect(200);
    assert_eq!(answer.text(), "ok");
}

#[test]
fn the_origins_own_errors_pass_untouched() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let answer = gateway.get("/status/503").send();
    assert_eq!((answer.status, answer.text().as_str()), (503, "as asked"));
    assert!(answer.header("proxy-status").contains("received-status=503"), "{}", answer.header("proxy-status"));
}

#[test]
fn connections_are_kept() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = gateway.connect();
    for _ in 0..20 {
        gateway.get("/hello").send_on(&mut connection).expect(200);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_kept_connection_that_has_gone_is_no_error() {
    // Answers once and closes without saying so; the next request finds a dead connection.
    let once = BadOrigin::replies("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = before(&once.url());
    for _ in 0..10 {
        assert_eq!(gateway.get("/a").send().expect(200).text(), "ok");
    }
}

#[test]
fn a_post_is_never_sent_twice() {
    let origin = BadOrigin::start(|mut exchange| {
        if exchange.request().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        // The second request on this connection is read and dropped.
        exchange.request();
    });
    let gateway = before(&origin.url());
    let mut connection = gateway.connect();
    gateway.get("/a").send_on(&mut connection).expect(200);
    let answer = gateway.request("POST", "/a").body("charge me").send_on(&mut connection);
    assert!(answer.status == 502 || origin.connections() == 2 && answer.status == 200, "{answer:?}");
    assert!(origin.connections() <= 2, "{} connections", origin.connections());
}

#[test]
fn several_servers_take_turns_and_stand_in_for_each_other() {
    let (a, b) = (Origin::start(), Origin::start());
    let toml = format!(
        "[upstreams.o]\nservers = [\"{}\", \"{}\"]\nbalance = \"round_robin\"\n[routes.api]\npaths = [\"/*\"]\n\
         upstream = \"o\"\nauth = \"none\"\n",
        a.url(),
        b.url()
    );
    let gateway = Setup::new(&toml).start();
    for _ in 0..20 {
        gateway.get("/hello").send().expect(200);
    }
    assert!(a.count() >= 5 && b.count() >= 5, "{} and {}", a.count(), b.count());
    drop(a);
    // Whoever is gone is found out by the first requests, which may fail; then all pass.
    until("the other server to take all", || (0..10).all(|_| gateway.get("/hello").send().status == 200).then_some(()));
}
