//! Ports that nobody else takes between being chosen and being bound.
//!
//! They lie below the range from which the kernel takes the ports of outgoing connections. Each is held by a lock on a
//! file, so that test programs that run side by side never choose the same one; the lock goes with the process.

use std::fs::File;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

static NEXT: AtomicU32 = AtomicU32::new(0);
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A free port of loopback.
pub fn free() -> u16 {
    let dir = std::env::temp_dir().join("argus-test-ports");
    std::fs::create_dir_all(&dir).unwrap();
    let start = std::process::id().wrapping_mul(7_919);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let lock = File::create(dir.join(port.to_string())).unwrap();
        if lock.try_lock().is_err() {
            continue;
        }
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            HELD.lock().unwrap().push(lock);
            return port;
        }
    }
    panic!("no free port among {COUNT}");
}
