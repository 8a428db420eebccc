//! Ctrl-C: the run ends at the next look, with all that it started, and tells what it has so far.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

static WANTED: AtomicBool = AtomicBool::new(false);

extern "C" fn wanted(_signal: libc::c_int) {
    WANTED.store(true, Ordering::Relaxed);
}

/// From here on a signal to end is only noted. Waits that it interrupts return early.
pub fn listen() {
    let handler: extern "C" fn(libc::c_int) = wanted;
    // SAFETY: the structs are plain and ours; the handler does nothing but store a flag.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        libc::sigemptyset(&mut action.sa_mask);
        for signal in [libc::SIGINT, libc::SIGTERM] {
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// An error once the end is wanted.
pub fn check() -> Result<(), Failure> {
    if WANTED.load(Ordering::Relaxed) { Err(Failure::Stopped) } else { Ok(()) }
}
