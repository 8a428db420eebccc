//! What all workers have tried again at an upstream, as metrics tell it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::upstream::RetryOn;

/// Numbers of one upstream that change seldom. What changes with every request is counted by each worker for itself.
#[derive(Debug, Default)]
pub struct Tally {
    on_connect: AtomicU64,
    on_reset: AtomicU64,
    over_budget: AtomicU64,
}

impl Tally {
    /// Requests tried again for this reason.
    pub fn retries(&self, reason: RetryOn) -> u64 {
        self.of(reason).load(Ordering::Relaxed)
    }

    /// Requests not tried again because the budget was spent.
    pub fn over_budget(&self) -> u64 {
        self.over_budget.load(Ordering::Relaxed)
    }

    pub(super) fn retry(&self, reason: RetryOn) {
        self.of(reason).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn no_retry(&self) {
        self.over_budget.fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, reason: RetryOn) -> &AtomicU64 {
        match reason {
            RetryOn::Connect => &self.on_connect,
            RetryOn::Reset => &self.on_reset,
        }
    }
}
