//! HTTP/2 clients that play with what they may: header compression, windows, settings. What no client may do ends its
//! stream or its connection; what it may costs a bounded amount of memory and time, and nobody else notices.

use super::support::frames::{
    ACK, COMPRESSION_ERROR, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, End, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, Frames, GOAWAY, HEADERS, PROTOCOL_ERROR, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame,
};
use super::support::process::memory;
use super::support::{Gateway, OPEN, Origin, until};

const INITIAL_WINDOW_SIZE: u16 = 4;
const POST: [(&str, &str); 4] = [(":method", "POST"), (":scheme", "http"), (":path", "/hold"), (":authority", "a")];

fn stand() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    (origin, gateway)
}

/// What becomes of a connection on which these bytes follow the preface, while another one goes on. Nothing of it
/// reaches the origin.
#[track_caller]
fn sent(bytes: &[u8]) -> Option<u32> {
    let (origin, gateway) = stand();
    let mut other = Frames::open(gateway.at.traffic);
    let code = Frames::open(gateway.at.traffic).bytes(bytes).goaway();
    assert_eq!(other.get(1, "/hello").end_of(1), End::Answer);
    assert_eq!(origin.count(), 1, "only the other one's");
    code
}

#[test]
fn header_blocks_that_cannot_be_read() {
    let headers = |block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
    for wrong in [
        // An index of nothing, and one beyond the table (RFC 7541 sections 6.1 and 2.3.3).
        &[0x80][..],
        &[0xff, 0x80, 0x01],
        // An integer that does not end, or is larger than any (section 5.1).
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        // A table larger than was offered, and a change of its size behind a field (section 4.2).
        &[0x3f, 0xe1, 0xff, 0x7f],
        &[0x82, 0x20],
        // A text longer than the block, and Huffman codes that hold the end or too much padding (section 5.2).
        &[0x00, 0x0a, b'x'],
        &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, b'a'],
        &[0x00, 0x81, 0xff, 0x01, b'a'],
    ] {
        // The general error may stand for all others (RFC 9113 section 5.4).
        let code = sent(&headers(wrong));
        assert!(matches!(code, Some(COMPRESSION_ERROR | PROTOCOL_ERROR)), "{code:?} for {wrong:x?}");
    }
}

#[test]
fn a_small_block_that_stands_for_a_large_head() {
    let (origin, gateway) = stand();
    // A field of 4,000 bytes goes into the table; then one byte stands for it.
    let value = "v".repeat(4_000);
    let get = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "a")]);
    let mut field = block(&[("x-a", &value)]);
    field[0] = 0x40;
    let before = memory(gateway.pid(), "VmRSS");
    for _ in 0..20 {
        let mut frames = Frames::open(gateway.at.traffic);
        frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&get[..], &field].concat());
        assert_eq!(frames.end_of(1), End::Answer);
        frames.frame(HEADERS, END_HEADERS | END_STREAM, 3, &[&get[..], &[0xbe]].concat());
        assert_eq!(frames.end_of(3), End::Answer);
        assert_eq!(origin.last().header("x-a"), value, "once it may");
        // Said to be 64 MB.
        frames.frame(HEADERS, END_HEADERS | END_STREAM, 5, &[&get[..], &[0xbe; 16_000]].concat());
        assert_eq!(frames.goaway(), Some(ENHANCE_YOUR_CALM));
    }
    assert_eq!(origin.count(), 40);
    let growth = memory(gateway.pid(), "VmHWM").saturating_sub(before);
    assert!(growth < 16 << 20, "grew by {growth} bytes");
}

#[test]
fn windows_that_are_overrun() {
    let (_origin, gateway) = stand();
    // More than the window of one stream, which nobody reads: the stream, or the connection, is given up.
    let mut frames = Frames::open(gateway.at.traffic);
    frames.headers(1, false, &POST);
    let piece = vec![b'x'; 16_384];
    for _ in 0..100 {
        frames.frame(DATA, 0, 1, &piece);
    }
    assert!(matches!(frames.end_of(1), End::Reset(FLOW_CONTROL_ERROR) | End::Goaway(FLOW_CONTROL_ERROR)));
    gateway.get("/hello").send().expect(200);
}

#[test]
fn windows_that_are_opened_too_far() {
    let far = 0x7fff_ffff_u32.to_be_bytes();
    assert_eq!(sent(&frame(WINDOW_UPDATE, 0, 0, &far)), Some(FLOW_CONTROL_ERROR), "the connection's");
    // A window of nothing is no window (RFC 9113 section 6.9).
    assert_eq!(sent(&frame(WINDOW_UPDATE, 0, 0, &[0; 4])), Some(PROTOCOL_ERROR));
    let (_origin, gateway) = stand();
    let mut frames = Frames::open(gateway.at.traffic);
    frames.headers(1, false, &POST).frame(WINDOW_UPDATE, 0, 1, &far);
    assert_eq!(frames.end_of(1), End::Reset(FLOW_CONTROL_ERROR), "a stream's");
    assert_eq!(frames.get(3, "/hello").end_of(3), End::Answer);
    // A setting that opens all windows too far ends the connection.
    let mut frames = Frames::open(gateway.at.traffic);
    frames.headers(1, false, &POST).frame(WINDOW_UPDATE, 0, 1, &0x7fff_0000_u32.to_be_bytes());
    frames.frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(frames.goaway(), Some(FLOW_CONTROL_ERROR));
}

#[test]
fn settings_that_are_none() {
    let setting = |id: u16, value: u32| frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    for (wrong, code) in [
        (setting(2, 2), PROTOCOL_ERROR),
        (setting(INITIAL_WINDOW_SIZE, 0x8000_0000), FLOW_CONTROL_ERROR),
        (setting(5, 16_383), PROTOCOL_ERROR),
        (setting(5, 0x0100_0000), PROTOCOL_ERROR),
        (frame(SETTINGS, 0, 0, &[0; 5]), FRAME_SIZE_ERROR),
        (frame(SETTINGS, 0, 1, &[]), PROTOCOL_ERROR),
        (frame(SETTINGS, ACK, 0, &[0; 6]), FRAME_SIZE_ERROR),
        // A frame that is larger than was offered.
        (frame(DATA, 0, 1, &[0; 16_385]), FRAME_SIZE_ERROR),
    ] {
        // The general error may stand for all others (RFC 9113 section 5.4).
        let told = sent(&wrong);
        assert!(told == Some(code) || told == Some(PROTOCOL_ERROR), "{told:?} for {:x?}", &wrong[..9]);
    }
}

#[test]
fn windows_that_stay_shut() {
    let origin = Origin::start();
    let limits = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nidle_timeout = \"1s\"\n";
    let gateway = Gateway::start(&origin, &format!("{limits}{OPEN}"));
    let mut other = gateway.connect();
    gateway.get("/hello").send_on(&mut other).expect(200);
    let before = memory(gateway.pid(), "VmRSS");
    // Each asks for as many large answers as it may, and takes nothing of them.
    let mut stalled: Vec<_> = (0..5)
        .map(|_| {
            let mut frames = Frames::open_with(gateway.at.traffic, &[(INITIAL_WINDOW_SIZE, 0)]);
            for n in 0..60 {
                frames.get(2 * n + 1, "/chunked/10000000");
            }
            frames
        })
        .collect();
    until("all to be under way", || (gateway.metric("argus_active_requests", &[]) >= 300.0).then_some(()));
    // They end when nothing has moved for as long as a connection may be silent; until then they hold little.
    let most = std::cell::Cell::new(0);
    until("all to be given up", || {
        most.set(memory(gateway.pid(), "VmRSS").max(most.get()));
        (gateway.metric("argus_active_requests", &[]) == 0.0).then_some(())
    });
    for frames in &mut stalled {
        while let Some(frame) = frames.next() {
            assert!(frame.kind != DATA || frame.payload.is_empty(), "nobody opened a window");
        }
    }
    let growth = most.get().saturating_sub(before);
    assert!(growth < 120 << 20, "three hundred answers of 10 MB held {growth} bytes");
    gateway.get("/hello").send().expect(200);
}

#[test]
fn a_window_of_a_byte_at_a_time() {
    let (_origin, gateway) = stand();
    let mut frames = Frames::open_with(gateway.at.traffic, &[(INITIAL_WINDOW_SIZE, 1)]);
    frames.get(1, "/bytes/40");
    let mut got = 0;
    while got < 40 {
        let frame = frames.next().expect("an answer");
        assert!(frame.kind != GOAWAY && frame.kind != RST_STREAM, "{frame:?}");
        if frame.kind == DATA && !frame.payload.is_empty() {
            assert_eq!(frame.payload, b"x", "no more than was asked for");
            got += 1;
            frames.frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
        }
    }
}

#[test]
fn spaces_around_a_value() {
    let (origin, gateway) = stand();
    for value in [" a", "a ", "\ta", "a\t", " "] {
        let mut frames = Frames::open(gateway.at.traffic);
        let get = [(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "a"), ("x-a", value)];
        assert_eq!(frames.headers(1, true, &get).end_of(1), End::Answer);
        assert_eq!(frames.get(3, "/hello").end_of(3), End::Answer);
    }
    assert_eq!(origin.count(), 5, "those with spaces are a 400");
    let refused = gateway.metric("argus_malformed_requests_total", &["cause=\"padded_value\""]);
    assert_eq!(refused, 5.0);
}
