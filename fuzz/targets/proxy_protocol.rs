//! What a connection's first bytes tell does not change when more of them come.

#![no_main]

use argus::proxy::proxy_protocol::{Told, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|front: &[u8]| {
    let mut told = None;
    for end in 1..=front.len() {
        let now = parse(&front[..end]).ok();
        match told {
            // Nothing was certain yet.
            None | Some(Some(Told::More)) => {}
            Some(before) => assert_eq!(now, before, "at {end} bytes"),
        }
        if let Some(Told::Header { len, client }) = now {
            assert!(len <= end, "a header of {len} bytes in {end}");
            assert!(client.is_none_or(|c| c == c.to_canonical()));
        }
        told = Some(now);
        if front.len() > 600 && end > 300 {
            break;
        }
    }
    let _ = parse(front);
});
