//! HTTP/2 requests that HTTP/2 does not allow: the stream is reset or refused, nothing reaches the origin, and the
//! connection goes on.

use super::support::frames::{DATA, END_STREAM, End, Frames, PROTOCOL_ERROR, REFUSED_STREAM};
use super::support::{Gateway, OPEN, Origin};

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "a")];

/// What became of a request with these fields. Nothing of it reached the origin, and the next request on the connection
/// is answered.
#[track_caller]
fn sent(fields: &[(&str, &str)]) -> End {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut frames = Frames::open(gateway.at.traffic);
    let end = frames.headers(1, true, fields).end_of(1);
    assert_eq!(origin.count(), 0, "{fields:?}");
    if !matches!(end, End::Goaway(_)) {
        assert_eq!(frames.get(3, "/b").end_of(3), End::Answer, "{fields:?}");
    }
    end
}

/// Such a request ends its stream, or, where what was sent can be no list of fields at all, the connection.
#[track_caller]
fn malformed(fields: &[(&str, &str)]) {
    let end = sent(fields);
    assert!(matches!(end, End::Reset(PROTOCOL_ERROR) | End::Goaway(PROTOCOL_ERROR)), "{end:?} for {fields:?}");
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&GET[..], more].concat()
}

fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    GET.into_iter().filter(|(n, _)| *n != name).collect()
}

fn changed<'a>(name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    GET.into_iter().map(|(n, v)| (n, if n == name { value } else { v })).collect()
}

#[test]
fn pseudo_fields_are_each_there_once_and_first() {
    for name in [":method", ":scheme", ":path"] {
        malformed(&without(name));
    }
    for extra in [(":path", "/b"), (":method", "GET"), (":status", "200"), (":foo", "bar")] {
        malformed(&with(&[extra]));
    }
    let late = [("a", "b"), (":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "a")];
    malformed(&late);
    malformed(&changed(":path", ""));
}

#[test]
fn fields_of_one_connection_and_odd_names_are_none() {
    for field in [
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("X-Upper", "1"),
        ("x:y", "1"),
        ("", "1"),
        ("x y", "1"),
    ] {
        malformed(&with(&[field]));
    }
}

#[test]
fn values_hold_no_line_ends() {
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"] {
        malformed(&with(&[("x-a", value)]));
        malformed(&changed(":path", &format!("/{value}")));
    }
}

#[test]
fn lengths_are_honest() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    for (said, body) in [("5", &b"abc"[..]), ("1", b"abc"), ("x", b"abc")] {
        let mut frames = Frames::open(gateway.at.traffic);
        let mut fields = changed(":method", "POST");
        fields.push(("content-length", said));
        frames.headers(1, false, &fields).frame(DATA, END_STREAM, 1, body);
        assert_eq!(frames.end_of(1), End::Reset(PROTOCOL_ERROR), "{said}");
    }
    assert!(origin.seen().iter().all(|request| !request.whole), "what was begun was never completed");
}

#[test]
fn a_plain_connect_is_refused() {
    let connect = [(":method", "CONNECT"), (":authority", "elsewhere.example:443")];
    assert_eq!(sent(&connect), End::Answer);
}

#[test]
fn another_protocol_than_websocket_is_refused() {
    let mut connect = changed(":method", "CONNECT");
    connect.insert(1, (":protocol", "connect-udp"));
    assert_eq!(sent(&connect), End::Answer);
}

#[test]
fn more_streams_than_are_offered_are_refused() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut frames = Frames::open(gateway.at.traffic);
    for n in 0..200 {
        frames.get(2 * n + 1, "/hold");
    }
    assert_eq!(frames.get(401, "/a").end_of(401), End::Reset(REFUSED_STREAM));
    origin.release();
}
