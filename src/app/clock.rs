//! The clock of the system.

use std::time::Instant;

use jiff::Timestamp;

use crate::model::clock::{Clock, Now};

/// Wall clock and monotonic clock of the system; the steady time goes on from the wall time at the start.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_us: u64,
}

impl SystemClock {
    /// A clock whose steady time begins now.
    pub fn new() -> Self {
        let wall = Timestamp::now();
        SystemClock { started: Instant::now(), started_us: Now::at(wall).steady_us }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let passed = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { wall: Timestamp::now(), steady_us: self.started_us.saturating_add(passed) }
    }
}
