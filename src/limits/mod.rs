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
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Whether units were taken from every limit; else none were.
    pub admitted: bool,
    /// Whether the counter table is full and a new counter was needed: refused as overload.
    pub table_full: bool,
    len: usize,
    few: [LimitState; FEW],
    /// All of them, once they are more than a few.
    many: Vec<LimitState>,
}

/// States that are kept in place. A verdict is moved several times on its way, and few requests meet more limits.
const FEW: usize = 4;

impl Verdict {
    /// A verdict about no limits at all.
    pub fn unlimited() -> Self {
        let none = LimitState { remaining: 0, reset_us: 0, retry_us: 0, refused: false };
        Verdict { admitted: true, table_full: false, len: 0, few: [none; FEW], many: Vec::new() }
    }

    /// One state per limit asked, in the order asked.
    pub fn states(&self) -> &[LimitState] {
        if self.len <= FEW { &self.few[..self.len] } else { &self.many }
    }

    /// Adds the state of the next limit; beyond [`LIMITS_MAX`] it is not kept.
    pub fn push(&mut self, state: LimitState) {
        match self.len {
            len if len < FEW => self.few[len] = state,
            len if len < LIMITS_MAX => {
                if len == FEW {
                    self.many.extend_from_slice(&self.few);
                }
                self.many.push(state);
            }
            _ => return,
        }
        self.len += 1;
    }
}

/// Where limits are counted.
pub trait Counter: Send + Sync + 'static {
    /// Takes `cost` units from every limit, or from none. `now_us` is steady Unix time in microseconds.
    fn take(&self, takes: &[Take<'_>], cost: u64, now_us: u64) -> Verdict;
    /// What `take` would answer, taking nothing.
    fn peek(&self, takes: &[Take<'_>], cost: u64, now_us: u64) -> Verdict;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_keeps_every_state_in_order() {
        let mut verdict = Verdict::unlimited();
        for n in 0..LIMITS_MAX as u64 + 3 {
            let kept = verdict.states().len() as u64;
            assert_eq!(kept, n.min(LIMITS_MAX as u64));
            assert!(verdict.states().iter().map(|s| s.remaining).eq(0..kept));
            verdict.push(LimitState { remaining: n, reset_us: 0, retry_us: 0, refused: false });
        }
    }
}
