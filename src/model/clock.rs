//! Time as a value. It enters once per request through [`Clock`], and is passed on from there.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time: what expiry, schedules and logs go by. May jump.
    pub wall: Timestamp,
    /// Unix time in microseconds as it would be had the wall clock never been moved since the process started: what
    /// limits go by. Never goes backwards.
    pub steady_us: u64,
}

impl Now {
    /// A reading at which both clocks agree.
    pub fn at(wall: Timestamp) -> Self {
        Now { wall, steady_us: u64::try_from(wall.as_microsecond()).unwrap_or(0) }
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

/// A clock that stands still until it is told otherwise; for tests and simulation.
#[derive(Debug)]
pub struct ManualClock {
    wall_us: AtomicI64,
    steady_us: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        let us = start.as_microsecond();
        ManualClock { wall_us: AtomicI64::new(us), steady_us: AtomicI64::new(us) }
    }

    /// Lets `by` pass on both clocks.
    pub fn advance(&self, by: std::time::Duration) {
        let us = i64::try_from(by.as_micros()).unwrap_or(i64::MAX / 4);
        self.wall_us.fetch_add(us, Ordering::Relaxed);
        self.steady_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Moves the wall clock alone, as an administrator or NTP would.
    pub fn set_wall(&self, to: Timestamp) {
        self.wall_us.store(to.as_microsecond(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        let wall = Timestamp::from_microsecond(self.wall_us.load(Ordering::Relaxed)).unwrap_or(Timestamp::UNIX_EPOCH);
        Now { wall, steady_us: u64::try_from(self.steady_us.load(Ordering::Relaxed)).unwrap_or(0) }
    }
}
