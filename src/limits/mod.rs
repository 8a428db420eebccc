//! Counters of limits: the port, and the adapter that counts in memory.

pub mod embedded;
mod table;
pub mod window;

use crate::model::limit::{LIMITS_MAX, Limit};

pub use embedded::EmbeddedCounters;

/// A counter as it is kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptCounter {
    /// Which counter.
    pub counter: u128,
    /// What it holds.
    pub cell: [u64; 3],
    /// Steady time in microseconds after which it is worth nothing.
    pub expires_us: u64,
}

/// One limit a request meets, and which counter is its own.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// The counter: a hash of the limit's identity and the subject it counts for.
    pub counter: u128,
}

/// A limit after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// Units still free; never negative.
    pub remaining: u64,
    /// Microseconds until some units return; never in the past.
    pub reset_us: u64,
    /// Microseconds until this cost would be admitted; 0 if it is now.
    pub retry_us: u64,
    /// Whether this limit refuses.
    pub refused: bool,
}

/// What became of a request at its limits.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    /// Whether units were taken from every limit; else none were.
    pub admitted: bool,
    /// Whether the counter table is full and a new counter was needed: refused as overload.
    pub table_full: bool,
    len: usize,
    states: [LimitState; LIMITS_MAX],
}

impl Verdict {
    /// A verdict about no limits at all.
    pub fn unlimited() -> Self {
        let none = LimitState { remaining: 0, reset_us: 0, retry_us: 0, refused: false };
        Verdict { admitted: true, table_full: false, len: 0, states: [none; LIMITS_MAX] }
    }

    /// One state per limit asked, in the order asked.
    pub fn states(&self) -> &[LimitState] {
        &self.states[..self.len]
    }

    /// Adds the state of the next limit; beyond [`LIMITS_MAX`] it is not kept.
    pub fn push(&mut self, state: LimitState) {
        if self.len < LIMITS_MAX {
            self.states[self.len] = state;
            self.len += 1;
        }
    }
}

/// Where limits are counted.
pub trait Counter: Send + Sync + 'static {
    /// Takes `cost` units from every limit, or from none. `now_us` is steady Unix time in microseconds.
    fn take(&self, takes: &[Take<'_>], cost: u64, now_us: u64) -> Verdict;
    /// What `take` would answer, taking nothing.
    fn peek(&self, takes: &[Take<'_>], cost: u64, now_us: u64) -> Verdict;
}
