//! Rows U1 to U11: whatever the origin does, the client gets a clear answer, or sees that there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::bad_origin::{Exchange, nobody};
use crate::support::message::Ended;
use crate::support::{BadOrigin, Gateway, Setup, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn before(url: &str) -> Gateway {
    before_with(url, "")
}

fn before_with(url: &str, more: &str) -> Gateway {
    let toml = format!(
        "[resources]\nworkers = 1\n[upstreams.o]\nservers = [\"{url}\"]\n{more}\n[routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n"
    );
    Setup::new(&toml).start()
}

/// An origin whose n-th connection does what `script` does.
fn by_connection(script: impl Fn(usize, Exchange) + Send + Sync + 'static) -> BadOrigin {
    let count = Arc::new(AtomicUsize::new(0));
    BadOrigin::start(move |exchange| script(count.fetch_add(1, Ordering::Relaxed), exchange))
}

#[test]
fn u01_nobody_answers() {
    let gone = before(&nobody()).get("/a").send().refused(502, "upstream_unreachable");
    assert!(gone.header("proxy-status").contains("argus; error="), "{}", gone.header("proxy-status"));
    let unknown = before("http://origin.invalid:80").get("/a").send();
    assert!(matches!(unknown.status, 502 | 504), "{}", unknown.text());
    let silent = BadOrigin::silent();
    let late =
        before_with(&silent.url(), "request_timeout = \"300ms\"").get("/a").send().refused(504, "upstream_timeout");
    assert!(late.header("proxy-status").contains("timeout"), "{}", late.header("proxy-status"));
    let good = BadOrigin::replies(OK);
    before(&good.url()).get("/a").send().expect(200);
}

#[test]
fn u02_closed_before_an_answer() {
    // The first connection answers once and then closes on the request; the others answer.
    let origin = by_connection(|n, mut exchange| {
        while exchange.request().is_some() {
            exchange.send(OK);
            if n == 0 {
                exchange.request();
                return;
            }
        }
    });
    let gateway = before(&origin.url());
    gateway.get("/a").send().expect(200);
    gateway.get("/b").send().expect(200);
    let fresh = BadOrigin::start(|mut exchange| {
        exchange.request();
    });
    before(&fresh.url()).get("/a").send().refused(502, "upstream_invalid");
}

#[test]
fn u02_a_post_is_not_sent_twice() {
    let posts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&posts);
    let origin = by_connection(move |_, mut exchange| {
        if exchange.request().is_some() {
            exchange.send(OK);
        }
        if exchange.request().is_some_and(|head| head.start.starts_with("POST")) {
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    let gateway = before(&origin.url());
    let mut connection = gateway.connect();
    gateway.get("/a").send_on(&mut connection).expect(200);
    let answer = gateway.request("POST", "/a").body("charge me").send_on(&mut connection);
    assert_eq!((answer.status, posts.load(Ordering::Relaxed)), (502, 1), "{answer:?}");
}

#[test]
fn u03_answers_that_are_cut() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\nX: y\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    ] {
        for bad in [BadOrigin::replies(cut), BadOrigin::replies_and_resets(cut)] {
            let gateway = before(&bad.url());
            let answer = gateway.get("/a").send();
            assert!(answer.ended != Ended::Whole || answer.status == 502, "HTTP/1.1 after {cut:?}: {answer:?}");
        }
    }
    let whole = BadOrigin::replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n");
    assert_eq!(before(&whole.url()).get("/a").send().expect(200).ended, Ended::Whole);
}

#[test]
fn u04_what_is_no_answer() {
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(1 << 20));
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "hello",
        "HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
        &large,
    ] {
        let bad = BadOrigin::replies(garbage);
        let answer = before(&bad.url()).get("/a").send();
        let shown: String = garbage.chars().take(80).collect();
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_invalid"), "{shown:?}: {}", answer.text());
    }
}

#[test]
fn u04_answers_that_are_merely_odd() {
    for odd in [
        "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 A phrase of its own\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX:\r\ncontent-length:2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let origin = BadOrigin::replies(odd);
        let answer = before(&origin.url()).get("/a").send();
        assert!(matches!(answer.status, 200 | 299), "{odd:?}: {}", answer.status);
        assert_eq!(answer.text(), "ok", "{odd:?}");
    }
}

#[test]
fn u05_answers_before_the_answer() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let origin = BadOrigin::replies(format!("{hints}{}{OK}", "HTTP/1.1 102 Processing\r\n\r\n"));
    assert_eq!(before(&origin.url()).get("/a").send().expect(200).text(), "ok");
    let gateway = before(&origin.url());
    let mut old = gateway.connect();
    let answer = old.send("GET /a HTTP/1.0\r\nHost: a\r\n\r\n").answer();
    assert_eq!((answer.status, answer.informational.len()), (200, 0), "an old client knows no 1xx");
    let eager = BadOrigin::replies("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    before(&eager.url()).get("/a").send().refused(502, "upstream_invalid");
}

#[test]
fn u06_answers_that_have_no_body() {
    for (method, answer, status) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\nhello", 204),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", 304),
        ("GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 304),
    ] {
        let origin = BadOrigin::start(move |mut exchange| {
            while let Some(head) = exchange.request() {
                let answers = if head.start.contains("/odd") { answer } else { OK };
                exchange.send(answers);
            }
        });
        let gateway = before(&origin.url());
        let mut connection = gateway.connect();
        let odd = gateway.request(method, "/odd").send_on(&mut connection);
        assert_eq!((odd.status, odd.body.len()), (status, 0), "{method} {answer:?}");
        // Neither side takes what followed for the next answer.
        assert_eq!(gateway.get("/next").send_on(&mut connection).expect(200).text(), "ok", "{method} {answer:?}");
    }
}

#[test]
fn u07_an_answer_before_the_body_has_come() {
    let eager = BadOrigin::start(|mut exchange| {
        if exchange.head().is_some() {
            exchange.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
            exchange.drain();
        }
    });
    let gateway = before(&eager.url());
    let mut connection = gateway.connect();
    connection.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\nsome");
    assert_eq!(connection.answer().expect(413).text(), "no");
    assert!(connection.is_closed(), "what is left of the body is no request");
}

#[test]
fn u08_answers_that_end_with_the_connection() {
    for old in [
        "HTTP/1.0 200 OK\r\n\r\nall of it",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it",
        "HTTP/1.1 200 OK\r\n\r\nall of it",
    ] {
        let origin = BadOrigin::replies(old);
        let gateway = before(&origin.url());
        let answer = gateway.get("/a").send().expect(200);
        assert_eq!((answer.text().as_str(), answer.ended), ("all of it", Ended::Whole), "{old:?}");
        let answer = gateway.connect().send("GET /a HTTP/1.0\r\nHost: a\r\n\r\n").answer().expect(200);
        assert_eq!((answer.text().as_str(), answer.ended), ("all of it", Ended::AtClose), "{old:?}");
        assert!(!answer.headers.has("transfer-encoding"), "an old client knows no chunks");
    }
}

#[test]
fn u09_an_origin_that_takes_too_long() {
    let begun = BadOrigin::start(|mut exchange| {
        if exchange.request().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
            exchange.drain();
        }
    });
    let gateway = before_with(&begun.url(), "request_timeout = \"300ms\"");
    let answer = gateway.get("/a").send().expect(200);
    assert_eq!((answer.text().as_str(), answer.ended), ("some", Ended::Cut));
    let half = BadOrigin::start(|mut exchange| {
        if exchange.request().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Le");
            exchange.drain();
        }
    });
    before_with(&half.url(), "request_timeout = \"300ms\"").get("/a").send().refused(504, "upstream_timeout");
}

#[test]
fn u10_bytes_behind_an_answer() {
    let stolen = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";
    let chatty = BadOrigin::start(move |mut exchange| {
        while exchange.request().is_some() {
            exchange.send(format!("{OK}{stolen}"));
        }
    });
    let gateway = before(&chatty.url());
    let mut connection = gateway.connect();
    for _ in 0..10 {
        assert_eq!(gateway.get("/a").send_on(&mut connection).expect(200).text(), "ok");
    }
}

#[test]
fn u11_connections_that_are_not_kept() {
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    for answer in [closing, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"] {
        let origin = BadOrigin::start(move |mut exchange| {
            if exchange.request().is_some() {
                exchange.send(answer);
                // Whatever came now would go unheard.
                assert!(exchange.request().is_none(), "asked again after it said goodbye");
            }
        });
        let gateway = before(&origin.url());
        let mut connection = gateway.connect();
        for n in 1..=3 {
            gateway.get("/a").send_on(&mut connection).expect(200);
            until("a connection for each", || (origin.connections() == n).then_some(()));
        }
    }
}
