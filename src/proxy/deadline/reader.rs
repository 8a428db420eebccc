//! How fast a client takes an answer: whoever reads a byte now and then would hold a connection, and what waits for it,
//! for ever.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::SWEEP_EVERY;

/// How long the other side may be waited for before its rate counts.
const GRACE: Duration = Duration::from_secs(5);

/// Whether `total` bytes in so many sweeps of waiting are fewer than `rate_min` a second.
pub fn is_slow(sweeps: u32, total: u64, rate_min: u64) -> bool {
    let waited = SWEEP_EVERY.saturating_mul(sweeps);
    waited > GRACE && u128::from(total) < u128::from(rate_min) * waited.as_millis() / 1_000
}

/// One answer on its way to a client that has to take it with a certain rate. Looked at with every sweep: only the time
/// counts in which it is for the client to move. What has been handed out counts as taken, so that a client is never
/// thought slower than it is.
#[derive(Debug)]
pub(super) struct Reader {
    rate_min: u64,
    handed: AtomicU64,
    is_awaited: AtomicBool,
    waited: AtomicU32,
}

impl Reader {
    pub(super) fn new(rate_min: u64) -> Self {
        Reader { rate_min, handed: AtomicU64::new(0), is_awaited: AtomicBool::new(false), waited: AtomicU32::new(0) }
    }

    /// More of the answer was handed out: it is for the client to take it.
    pub(super) fn handed(&self, bytes: u64) {
        self.handed.fetch_add(bytes, Ordering::Relaxed);
        self.is_awaited.store(true, Ordering::Relaxed);
    }

    /// The client has taken what there was.
    pub(super) fn has_taken(&self) {
        self.is_awaited.store(false, Ordering::Relaxed);
    }

    /// A sweep passes. Whether the client is too slow.
    pub(super) fn sweep(&self) -> bool {
        if !self.is_awaited.load(Ordering::Relaxed) {
            return false;
        }
        let waited = self.waited.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        is_slow(waited, self.handed.load(Ordering::Relaxed), self.rate_min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_counts_after_a_while() {
        let sweeps = |s: u32| s * 4;
        assert!(!is_slow(sweeps(5), 0, 240), "not yet");
        assert!(is_slow(sweeps(6), 6 * 240 - 1, 240));
        assert!(!is_slow(sweeps(6), 6 * 240, 240));
        assert!(!is_slow(sweeps(1_000_000), 0, 0), "no bound");
        assert!(is_slow(u32::MAX, u64::MAX / 2, u64::MAX));
    }

    #[test]
    fn only_the_clients_own_time_counts() {
        let reader = Reader::new(1_000);
        assert!(!(0..100).any(|_| reader.sweep()), "nothing was there to take");
        reader.handed(8_000);
        assert!(!(0..32).any(|_| reader.sweep()), "a thousand a second");
        assert!(reader.sweep());
        reader.has_taken();
        assert!(!(0..100).any(|_| reader.sweep()));
    }
}
