//! The tools of these tests, held against one another: what the origins and clients show without a gateway between them
//! is what a gateway must leave as it is.

use std::net::SocketAddr;

use super::support::client::{Connection, Request, curl, python};
use super::support::message::Ended;
use super::support::{BadOrigin, Origin};

fn get(to: SocketAddr, target: &str) -> super::support::Answer {
    Request::new(to, "GET", target).send()
}

#[test]
fn the_origin_answers_by_the_path_and_remembers() {
    let origin = Origin::start();
    let at = origin.address();
    assert_eq!(get(at, "/anything").text(), "hello\n");
    assert_eq!(get(at, "/status/503").status, 503);
    assert_eq!(get(at, "/bytes/5000").body.len(), 5000);
    let chunked = get(at, "/chunked/200000");
    assert_eq!((chunked.body.len(), chunked.ended), (200_000, Ended::Whole));
    let trailers = Request::new(at, "GET", "/trailers").header("TE", "trailers").send().trailers;
    assert_eq!(trailers.get("x-checksum"), Some("abc"));
    assert!(Request::new(at, "GET", "/headers").header("X-Mine", "1").send().text().contains("x-mine: 1\n"));
    assert_eq!(Request::new(at, "POST", "/echo").body("abc").send().text(), "abc");
    let answer = Request::new(at, "POST", "/else").body("12345").send();
    assert_eq!(answer.status, 200);
    assert_eq!((origin.last().body.as_slice(), origin.last().whole), (&b"12345"[..], true));
    assert_eq!(origin.last().target, "/else");
}

#[test]
fn a_cut_answer_is_seen_to_be_cut() {
    let short = BadOrigin::replies("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    assert_eq!(get(short.address(), "/").ended, Ended::Cut);
    let chunk = BadOrigin::replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert_eq!(get(chunk.address(), "/").ended, Ended::Cut);
    let reset = BadOrigin::replies_and_resets("HTTP/1.1 200 OK\r\n");
    assert_eq!(get(reset.address(), "/").status, 0);
    let whole = BadOrigin::replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(get(whole.address(), "/").ended, Ended::Whole);
}

#[test]
fn other_peoples_clients_are_there() {
    let origin = Origin::start();
    let url = format!("{}/hello", origin.url());
    assert_eq!(curl(&[&url]).ok(), "hello\n");
    let program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode(), end='')";
    assert_eq!(python(program, &[&url]).ok(), "hello\n");
}

#[test]
fn a_held_request_waits_until_it_is_released() {
    let origin = Origin::start();
    let mut connection = Connection::open(origin.address());
    connection.send(Request::new(origin.address(), "GET", "/hold").bytes());
    origin.wait_for(1);
    origin.release();
    assert_eq!(connection.answer().status, 200);
}
