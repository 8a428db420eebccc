//! A path that is taken means the same to a reader who decodes and resolves it as to one who does not.

#![no_main]

use argus::model::request_path::{self, Reading};
use libfuzzer_sys::fuzz_target;

/// One round of percent-decoding, as a careless server does it.
fn decoded(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|d| std::str::from_utf8(d).ok());
        match code.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|b| *b == b';').next().unwrap_or_default();
    name == b"." || name == b".."
}

fuzz_target!(|path: &str| {
    let Ok(reading) = request_path::read(path) else { return };
    assert!(path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'));
    let bytes = decoded(path);
    assert!(!bytes.contains(&0));
    let slashes = |text: &[u8]| text.iter().filter(|b| matches!(b, b'/' | b'\\')).count();
    match reading {
        Reading::Plain => {
            assert_eq!(slashes(&bytes), slashes(path.as_bytes()), "a slash hides in {path}");
            assert!(!bytes.split(|b| *b == b'/').any(is_dots), "dots hide in {path}");
        }
        Reading::Dots(resolved) => {
            assert_eq!(request_path::read(&resolved), Ok(Reading::Plain), "{path} resolves to {resolved}");
            assert!(!resolved.starts_with("//") && resolved.len() <= path.len(), "{path} resolves to {resolved}");
        }
        Reading::EncodedSlash(seen) => {
            let split = |b: &u8| matches!(b, b'/' | b'\\');
            assert!(!bytes.split(split).any(is_dots), "dots hide in {path}");
            assert!(!matches!(request_path::read(&seen), Ok(Reading::Dots(_) | Reading::EncodedSlash(_))), "{seen}");
        }
    }
});
