//! The rules of frames and streams (RFC 9113 sections 4 to 6), one broken at a time: the stream or the connection ends with
//! the error the rule names, and no request comes of it.

use super::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, End, FRAME_SIZE_ERROR, Frames, GOAWAY, HEADERS, PING, PRIORITY,
    PROTOCOL_ERROR, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, block, frame,
};
use super::support::{Gateway, OPEN, Origin};

const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
const PUSH_PROMISE: u8 = 5;

fn head(method: &str) -> Vec<u8> {
    block(&[(":method", method), (":scheme", "http"), (":path", "/hold"), (":authority", "a")])
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET"))
}

/// A request whose body is to come.
fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head("POST"))
}

/// What ends the connection on which `frames` are sent, or the stream 1 of it; answers on the way are passed over.
fn end(frames: &[Vec<u8>]) -> End {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = Frames::open(gateway.at.traffic);
    connection.bytes(&frames.concat());
    let end = loop {
        match connection.next() {
            None => break End::Closed,
            Some(frame) if frame.kind == GOAWAY => break End::Goaway(frame.code()),
            Some(frame) if frame.kind == RST_STREAM => break End::Reset(frame.code()),
            Some(_) => {}
        }
    };
    gateway.get("/hello").send().expect(200);
    end
}

/// The connection ends with this error, or with the general one, which may stand for all others (section 5.4).
#[track_caller]
fn ends_all(code: u32, frames: &[Vec<u8>]) {
    let end = end(frames);
    assert!(end == End::Goaway(code) || end == End::Goaway(PROTOCOL_ERROR), "{end:?}");
}

/// The stream, or with it the connection, ends with this error.
#[track_caller]
fn ends_stream(code: u32, frames: &[Vec<u8>]) {
    let end = end(frames);
    assert!([code, PROTOCOL_ERROR].iter().any(|c| end == End::Reset(*c) || end == End::Goaway(*c)), "{end:?}");
}

#[test]
fn frames_have_the_size_of_their_kind() {
    let large = vec![0; 16_385];
    ends_all(FRAME_SIZE_ERROR, &[post(1), frame(DATA, 0, 1, &large)]);
    ends_all(FRAME_SIZE_ERROR, &[frame(HEADERS, END_HEADERS, 1, &large)]);
    ends_all(FRAME_SIZE_ERROR, &[frame(PING, 0, 0, &[0; 6])]);
    ends_all(FRAME_SIZE_ERROR, &[post(1), frame(RST_STREAM, 0, 1, &[0; 3])]);
    ends_all(FRAME_SIZE_ERROR, &[frame(WINDOW_UPDATE, 0, 0, &[0; 3])]);
    ends_all(FRAME_SIZE_ERROR, &[frame(SETTINGS, 0, 0, &[0; 3])]);
    ends_stream(FRAME_SIZE_ERROR, &[post(1), frame(PRIORITY, 0, 1, &[0; 4])]);
}

#[test]
fn frames_belong_to_a_stream_or_to_none() {
    for of_a_stream in [
        frame(DATA, 0, 0, b"x"),
        frame(HEADERS, END_HEADERS | END_STREAM, 0, &head("GET")),
        frame(PRIORITY, 0, 0, &[0; 5]),
        frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]),
        frame(CONTINUATION, END_HEADERS, 0, &[]),
    ] {
        ends_all(PROTOCOL_ERROR, &[of_a_stream]);
    }
    for of_none in [frame(SETTINGS, 0, 1, &[]), frame(PING, 0, 1, &[0; 8]), frame(GOAWAY, 0, 1, &[0; 8])] {
        ends_all(PROTOCOL_ERROR, &[of_none]);
    }
}

#[test]
fn a_stream_is_opened_before_it_is_used() {
    ends_all(PROTOCOL_ERROR, &[frame(DATA, 0, 1, b"x")]);
    ends_all(PROTOCOL_ERROR, &[frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])]);
    ends_all(PROTOCOL_ERROR, &[frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])]);
    ends_all(PROTOCOL_ERROR, &[frame(CONTINUATION, END_HEADERS, 1, &head("GET"))]);
    // Clients have odd numbers, and theirs only grow (section 5.1.1).
    ends_all(PROTOCOL_ERROR, &[get(2)]);
    ends_all(PROTOCOL_ERROR, &[post(5), get(3)]);
    // Only servers push (section 8.4).
    ends_all(PROTOCOL_ERROR, &[post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])]);
}

#[test]
fn nothing_follows_the_end_of_a_stream() {
    // Of one whose client has ended it (half-closed), section 5.1.
    ends_stream(STREAM_CLOSED, &[get(1), frame(DATA, 0, 1, b"x")]);
    ends_stream(STREAM_CLOSED, &[get(1), get(1)]);
    // Of one that the client has reset: late frames may be passed over, but open nothing.
    let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    ends_stream(STREAM_CLOSED, &[post(1), reset.clone(), frame(DATA, END_STREAM, 1, b"x")]);
    ends_stream(STREAM_CLOSED, &[post(1), reset, get(1)]);
}

#[test]
fn nothing_comes_between_the_parts_of_a_head() {
    let begun = frame(HEADERS, END_STREAM, 1, &head("GET"));
    for between in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &[]),
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(DATA, 0, 1, b"x"),
        frame(CONTINUATION, END_HEADERS, 3, &[]),
        frame(99, 0, 0, &[]),
        get(3),
    ] {
        ends_all(PROTOCOL_ERROR, &[begun.clone(), between]);
    }
    // Nor comes a part after the end.
    ends_all(PROTOCOL_ERROR, &[get(1), frame(CONTINUATION, END_HEADERS, 1, &[])]);
}

#[test]
fn padding_fits_into_its_frame() {
    ends_all(PROTOCOL_ERROR, &[post(1), frame(DATA, PADDED, 1, &[9, 0, 0])]);
    ends_all(PROTOCOL_ERROR, &[frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[200, 0x82])]);
}

#[test]
fn no_stream_depends_on_itself() {
    let itself = [&[0, 0, 0, 1, 15][..], &head("GET")].concat();
    ends_stream(PROTOCOL_ERROR, &[frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &itself)]);
}

#[test]
fn a_second_head_ends_the_stream() {
    // What follows the body is its trailers, and the end (section 8.1).
    ends_stream(PROTOCOL_ERROR, &[post(1), frame(HEADERS, END_HEADERS, 1, &block(&[("a", "b")]))]);
}

#[test]
fn what_nobody_knows_is_passed_over() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut frames = Frames::open(gateway.at.traffic);
    // Unknown kinds, flags and settings (sections 4.1, 5.5 and 6.5.2), padding and priorities.
    frames.frame(99, 0xff, 0, b"what").frame(SETTINGS, 0, 0, &[0xff, 0xff, 0, 0, 0, 1]);
    frames.frame(PING, 0xfe, 0, b"12345678");
    assert_eq!(frames.next_of(PING).map(|ping| (ping.flags & ACK, ping.payload)), Some((ACK, b"12345678".to_vec())));
    let hello = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/hello"), (":authority", "a")]);
    let padded = [&[3, 0, 0, 0, 3, 15][..], &hello, &[0; 3]].concat();
    frames.frame(PRIORITY, 0, 7, &[0, 0, 0, 5, 1]);
    frames.frame(HEADERS, END_HEADERS | END_STREAM | PADDED | WITH_PRIORITY, 9, &padded);
    assert_eq!(frames.end_of(9), End::Answer);
    // Trailers of a request, of which a pseudo-field is no part, and a head in parts.
    let post = block(&[(":method", "POST"), (":scheme", "http"), (":path", "/echo"), (":authority", "a")]);
    let (front, back) = post.split_at(7);
    frames.frame(HEADERS, 0, 11, front).frame(CONTINUATION, 0, 11, &[]).frame(CONTINUATION, END_HEADERS, 11, back);
    frames.frame(DATA, PADDED, 11, &[2, b'h', b'i', 0, 0]);
    frames.frame(HEADERS, END_HEADERS | END_STREAM, 11, &block(&[(":path", "/b"), ("x-checksum", "1")]));
    assert_eq!(frames.end_of(11), End::Answer);
    assert_eq!(frames.next_of(DATA).map(|data| data.payload), Some(b"hi".to_vec()));
    assert_eq!(origin.seen().iter().map(|seen| &*seen.target).collect::<Vec<_>>(), ["/hello", "/echo"]);
}

#[test]
fn a_preface_comes_first() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut frames = Frames::open(gateway.at.traffic);
    // The gateway's own is SETTINGS (section 3.4), which it expects to be acknowledged.
    let first = frames.next().expect("a frame");
    assert_eq!((first.kind, first.stream, first.flags & ACK), (SETTINGS, 0, 0));
    // A wrong preface is no HTTP/2, and no HTTP/1.1 either.
    assert!(gateway.raw("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
    assert_eq!(origin.count(), 0);
}
