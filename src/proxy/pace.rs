//! How fast a client sends its body: whoever sends a byte now and then would hold a connection for ever.

use std::sync::Arc;
use std::time::Duration;

use super::deadline::{ConnectionClock, SWEEP_EVERY};

/// How long a body may be waited for before its rate counts.
const GRACE: Duration = Duration::from_secs(5);

/// The pace of one body. Only the time counts in which the upstream could take more than the client had sent, in steps
/// of [`SWEEP_EVERY`].
#[derive(Debug)]
pub struct Pace {
    clock: Arc<ConnectionClock>,
    /// Bytes a second; 0 for no bound.
    rate_min: u64,
    since: Option<u32>,
    waited: u32,
}

impl Pace {
    /// The pace of a body that has to come with `rate_min` bytes a second; 0 for no bound.
    pub fn new(clock: Arc<ConnectionClock>, rate_min: u64) -> Self {
        Pace { clock, rate_min, since: None, waited: 0 }
    }

    /// The body is waited for.
    pub fn awaited(&mut self) {
        self.since.get_or_insert_with(|| self.clock.sweep());
    }

    /// More of the body came, which makes `total` bytes. Whether they came too slowly.
    pub fn came(&mut self, total: u64) -> bool {
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(self.clock.sweep().wrapping_sub(since));
        }
        is_slow(self.waited, total, self.rate_min)
    }
}

fn is_slow(sweeps: u32, total: u64, rate_min: u64) -> bool {
    let waited = SWEEP_EVERY.saturating_mul(sweeps);
    waited > GRACE && u128::from(total) < u128::from(rate_min) * waited.as_millis() / 1_000
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
}
