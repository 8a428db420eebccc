//! HTTP/2 clients that cost more than they pay: told to calm down, counted, and nobody else notices.

use super::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, HEADERS, PING, PRIORITY, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, block, frame,
};
use super::support::{Gateway, OPEN, Origin, until};

/// Frames sent at once, and how often.
const AT_ONCE: usize = 500;
const TIMES: usize = 200;

/// What a connection that sends `flood` again and again is told, while another one goes on.
#[track_caller]
fn flooded(cause: &str, before: &[u8], flood: &[u8]) -> Option<u32> {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut other = gateway.connect();
    let mut frames = Frames::open(gateway.at.traffic);
    frames.bytes(before);
    let many = flood.repeat(AT_ONCE);
    let mut writer = frames.stream().try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        // Until the gateway has had enough.
        (0..TIMES).all(|_| std::io::Write::write_all(&mut writer, &many).is_ok())
    });
    let code = frames.goaway();
    drop(frames);
    sender.join().unwrap();
    gateway.get("/hello").send_on(&mut other).expect(200);
    let label = format!("cause=\"{cause}\"");
    until("the flood to be counted", || {
        (gateway.metric("argus_malformed_requests_total", &[&label]) == 1.0).then_some(())
    });
    code
}

#[test]
fn frames_that_carry_nothing() {
    for flood in [
        frame(SETTINGS, 0, 0, &[]),
        frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]),
        frame(PING, 0, 0, &[0; 8]),
        frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1]),
        frame(99, 0, 0, &[0; 8]),
    ] {
        assert_eq!(flooded("frame_flood", &[], &flood), Some(ENHANCE_YOUR_CALM), "type {}", flood[3]);
    }
}

#[test]
fn data_without_data() {
    let post = [(":method", "POST"), (":scheme", "http"), (":path", "/hold"), (":authority", "a")];
    let before = frame(HEADERS, END_HEADERS, 1, &block(&post));
    assert_eq!(flooded("http2_flood", &before, &frame(DATA, 0, 1, &[])), Some(ENHANCE_YOUR_CALM));
}

#[test]
fn windows_that_open_and_open() {
    assert_eq!(flooded("window_flood", &[], &frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])), Some(ENHANCE_YOUR_CALM));
}

#[test]
fn a_head_that_goes_on_and_on() {
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "a")];
    let before = frame(HEADERS, END_STREAM, 1, &block(&get));
    assert_eq!(flooded("http2_flood", &before, &frame(CONTINUATION, 0, 1, &[])), Some(ENHANCE_YOUR_CALM));
    // Each of these adds a field.
    let code = flooded("http2_flood", &before, &frame(CONTINUATION, 0, 1, &block(&[("a", "b")])));
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
}

/// Opens streams and gives each up at once, `apart` in writes of their own: how many the origin was asked.
#[track_caller]
fn rapid_resets(end: impl Fn(u32) -> Vec<u8> + Send + 'static, apart: bool) -> usize {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut frames = Frames::open(gateway.at.traffic);
    let get = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/hold"), (":authority", "a")]);
    let mut writer = frames.stream().try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        for n in 0..2_000 {
            let stream = 2 * n + 1;
            let (open, reset) = (frame(HEADERS, END_HEADERS | END_STREAM, stream, &get), end(stream));
            let written = if apart {
                std::io::Write::write_all(&mut writer, &open)
                    .and_then(|()| std::io::Write::write_all(&mut writer, &reset))
            } else {
                std::io::Write::write_all(&mut writer, &[open, reset].concat())
            };
            if written.is_err() {
                return;
            }
        }
    });
    assert_eq!(frames.goaway(), Some(ENHANCE_YOUR_CALM));
    drop(frames);
    sender.join().unwrap();
    gateway.get("/hello").send().expect(200);
    origin.count() - 1
}

#[test]
fn streams_that_are_given_up_at_once() {
    let reset = |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    for apart in [false, true] {
        let asked = rapid_resets(reset, apart);
        assert!(asked < 400, "the origin was asked {asked} times of 2,000");
    }
}

#[test]
fn streams_that_the_gateway_is_made_to_give_up() {
    // A window that is opened beyond what there can be is an error of the stream.
    let provoke = |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
    for apart in [false, true] {
        let asked = rapid_resets(provoke, apart);
        assert!(asked < 400, "the origin was asked {asked} times of 2,000");
    }
}
