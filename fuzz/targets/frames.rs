//! Where WebSocket frames begin and end does not depend on the pieces in which they pass.

#![no_main]

use argus::proxy::websocket::FrameWalk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let (mut whole, mut pieces) = (FrameWalk::default(), FrameWalk::default());
    whole.pass(bytes);
    for piece in bytes.chunks(usize::from(piece).max(1)) {
        pieces.pass(piece);
    }
    assert_eq!(whole.is_between_frames(), pieces.is_between_frames());
});
