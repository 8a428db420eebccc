//! How fast a client sends its body: whoever sends a byte now and then would hold a connection for ever.

use std::sync::Arc;

use super::deadline::{ConnectionClock, is_slow};

/// The pace of one body. Only the time counts in which the upstream could take more than the client had sent, in steps
/// of a sweep.
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
