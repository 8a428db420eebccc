//! How often requests are sent again: so many times each, and only a share of all.
//!
//! Where servers fail one after the other, every request that is sent again makes it worse. The budget keeps the load
//! that repeats add within a share of the load there was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Prepared;
use crate::model::upstream::RetryOn;

/// What one request sent again costs; what a request earns is its share of this.
const COST: u64 = 1_000;
/// Most that is saved up: a server that dies among many may lose as many requests at once.
const SAVED_MAX: u64 = 100 * COST;
/// Requests sent again in any second whatever was saved up: an upstream with little to do earns nothing.
const PER_SECOND_MIN: u64 = 10;

/// What all workers may send again to one upstream.
#[derive(Debug)]
pub(super) struct Budget {
    earned: u64,
    saved: AtomicU64,
    epoch: Instant,
    /// The second that is counted in, times 256, and what was sent again in it beyond what was saved up.
    second: AtomicU64,
}

impl Budget {
    pub(super) fn new(share: f64) -> Self {
        Budget {
            // Between 0 and the cost: shares are between 0 and 1.
            earned: (share * COST as f64) as u64,
            saved: AtomicU64::new(0),
            epoch: Instant::now(),
            second: AtomicU64::new(0),
        }
    }

    /// A request came. While all is well the budget is full, and workers share a number that nobody writes.
    fn earn(&self) {
        if self.saved.load(Ordering::Relaxed) < SAVED_MAX {
            self.saved.fetch_add(self.earned, Ordering::Relaxed);
        }
    }

    /// Whether one more may be sent again.
    fn spend(&self, now: Instant) -> bool {
        let less = |saved: u64| saved.checked_sub(COST);
        if self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return true;
        }
        let this = now.saturating_duration_since(self.epoch).as_secs() << 8;
        let next = |at: u64| match at.saturating_sub(this) {
            _ if at >> 8 < this >> 8 => Some(this + 1),
            used if used < PER_SECOND_MIN => Some(at + 1),
            _ => None,
        };
        self.second.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

/// The tries of one request.
#[derive(Debug)]
pub struct Tries<'a> {
    upstream: &'a Prepared,
    made: usize,
}

impl<'a> Tries<'a> {
    /// Of a request that is about to be tried for the first time.
    pub(super) fn new(upstream: &'a Prepared) -> Self {
        upstream.budget.earn();
        Tries { upstream, made: 1 }
    }

    /// Whether the request may be tried once more after a new connection could not be made or used. Counts it.
    pub fn again(&mut self, reason: RetryOn) -> bool {
        if !self.is_left(reason) {
            return false;
        }
        if !self.upstream.budget.spend(Instant::now()) {
            self.upstream.tally.no_retry();
            return false;
        }
        self.count(reason)
    }

    /// Whether the request may be tried once more after a kept connection broke. Counts it, but costs nothing: there is
    /// a kept connection only where a request before was answered whole, so that this is no more frequent than answers,
    /// and a server that closes after each of them is well.
    pub fn again_after_kept(&mut self, reason: RetryOn) -> bool {
        self.is_left(reason) && self.count(reason)
    }

    fn is_left(&self, reason: RetryOn) -> bool {
        let policy = &self.upstream.settings.retry;
        policy.after(reason) && self.made < policy.attempts
    }

    fn count(&mut self, reason: RetryOn) -> bool {
        self.made += 1;
        self.upstream.tally.retry(reason);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spent(budget: &Budget, at: Instant) -> usize {
        (0..1_000).take_while(|_| budget.spend(at)).count()
    }

    #[test]
    fn a_few_in_every_second_and_a_share_of_all() {
        let budget = Budget::new(0.2);
        let at = budget.epoch;
        assert_eq!(spent(&budget, at), 10);
        assert_eq!(spent(&budget, at + Duration::from_millis(999)), 0);
        assert_eq!(spent(&budget, at + Duration::from_secs(1)), 10);
        (0..50).for_each(|_| budget.earn());
        assert_eq!(spent(&budget, at + Duration::from_secs(1)), 10, "a fifth of fifty");
        assert_eq!(spent(&budget, at + Duration::from_secs(70)), 10, "seconds without any save nothing");
    }

    #[test]
    fn what_is_saved_up_has_a_bound() {
        let budget = Budget::new(1.0);
        (0..1_000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget, budget.epoch), 110);
    }

    #[test]
    fn without_a_share_the_few_remain() {
        let budget = Budget::new(0.0);
        (0..1_000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget, budget.epoch), 10);
    }
}
