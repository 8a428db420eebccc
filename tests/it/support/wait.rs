//! Waiting for a state, with a limit: never for a time.

use std::time::{Duration, Instant};

/// How long a state may take to come about on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Waits until `probe` gives something, and fails naming `what` if that takes too long.
#[track_caller]
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(started.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
