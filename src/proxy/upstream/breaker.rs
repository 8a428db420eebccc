//! The circuit breaker of an upstream: while most of what is sent to it fails, nothing is, so that callers are told at
//! once and servers that have too much to do get time. Then a few requests are let through, and they decide.
//!
//! All workers share one. It is written to with every answer, and holds no lock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crate::model::upstream::BreakerSettings;

/// Bits of a count: what is beyond is not counted, and shares hardly change by it.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// The breaker of one upstream.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    epoch: Instant,
    /// The window that is counted in, requests in it and failures among them.
    counts: AtomicU64,
    /// Milliseconds after `epoch` until which nothing is let through; zero while it is closed.
    open_until_ms: AtomicU64,
    /// Requests that are let through after that and have no answer yet.
    probing: AtomicU32,
    /// Those of them that ended well.
    good: AtomicU32,
    refused: AtomicU64,
}

/// Whether requests pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// All do.
    Closed,
    /// A few do.
    HalfOpen,
    /// None does.
    Open,
}

/// What an outcome did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    Opened,
    Closed,
}

/// A request that was let through. Dropped without an outcome it counts for nothing.
#[derive(Debug)]
pub(super) struct Passed<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Breaker {
            settings,
            epoch: Instant::now(),
            counts: AtomicU64::new(0),
            open_until_ms: AtomicU64::new(0),
            probing: AtomicU32::new(0),
            good: AtomicU32::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether requests pass now.
    pub(super) fn circuit(&self, now: Instant) -> Circuit {
        match self.open_until_ms.load(Ordering::Relaxed) {
            0 => Circuit::Closed,
            until if self.ms(now) < until => Circuit::Open,
            _ => Circuit::HalfOpen,
        }
    }

    /// Requests that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Lets a request through, or does not.
    pub(super) fn pass(&self, now: Instant) -> Option<Passed<'_>> {
        let is_probe = match self.circuit(now) {
            Circuit::Closed => false,
            Circuit::HalfOpen => {
                let more = |probing: u32| (probing < self.settings.probes).then_some(probing + 1);
                self.probing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
            }
            Circuit::Open => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        };
        if !is_probe && self.open_until_ms.load(Ordering::Relaxed) != 0 {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Passed { breaker: self, is_probe })
    }

    /// Counts an outcome while it is closed: whether it was one failure too many.
    fn count(&self, failed: bool, now: Instant) -> bool {
        let window_ms = u64::try_from(self.settings.window.as_millis()).unwrap_or(u64::MAX).max(1);
        let window = (self.ms(now) / window_ms) << (2 * COUNT_BITS);
        let next = |counts: u64| {
            let [requests, failures] =
                parts(if counts >> (2 * COUNT_BITS) << (2 * COUNT_BITS) == window { counts } else { 0 });
            let more = |n: u64, by: u64| (n + by).min(COUNT_MAX);
            window | more(requests, 1) << COUNT_BITS | more(failures, u64::from(failed))
        };
        let mut counts = self.counts.load(Ordering::Relaxed);
        loop {
            let counted = next(counts);
            match self.counts.compare_exchange_weak(counts, counted, Ordering::Relaxed, Ordering::Relaxed) {
                Err(other) => counts = other,
                Ok(_) => {
                    let [requests, failures] = parts(counted);
                    let enough = requests >= u64::from(self.settings.requests_min);
                    return failed && enough && failures as f64 >= self.settings.failures * requests as f64;
                }
            }
        }
    }

    fn open(&self, now: Instant) {
        let until = self.ms(now.checked_add(self.settings.duration).unwrap_or(now)).max(1);
        self.good.store(0, Ordering::Relaxed);
        self.open_until_ms.store(until, Ordering::Relaxed);
    }

    fn close(&self) {
        self.counts.store(0, Ordering::Relaxed);
        self.good.store(0, Ordering::Relaxed);
        self.open_until_ms.store(0, Ordering::Relaxed);
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

fn parts(counts: u64) -> [u64; 2] {
    [counts >> COUNT_BITS & COUNT_MAX, counts & COUNT_MAX]
}

impl Passed<'_> {
    /// The request has ended well, or has not.
    pub(super) fn ended(self, good: bool, now: Instant) -> Option<Changed> {
        let breaker = self.breaker;
        let circuit = breaker.circuit(now);
        match (self.is_probe, circuit) {
            (false, Circuit::Closed) if breaker.count(!good, now) => {
                breaker.open(now);
                Some(Changed::Opened)
            }
            (true, Circuit::HalfOpen) if !good => {
                breaker.open(now);
                Some(Changed::Opened)
            }
            (true, Circuit::HalfOpen) => {
                let good = breaker.good.fetch_add(1, Ordering::Relaxed) + 1;
                (good >= breaker.settings.probes).then(|| {
                    breaker.close();
                    Changed::Closed
                })
            }
            // What was sent before it opened, or before another of the few had decided, tells nothing new.
            _ => None,
        }
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.probing.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn breaker() -> (Breaker, Instant) {
        let breaker = Breaker::new(BreakerSettings {
            failures: 0.5,
            requests_min: 4,
            window: Duration::from_secs(10),
            duration: Duration::from_secs(30),
            probes: 2,
        });
        let epoch = breaker.epoch;
        (breaker, epoch)
    }

    fn send(breaker: &Breaker, good: bool, at: Instant) -> Option<Changed> {
        breaker.pass(at).unwrap().ended(good, at)
    }

    #[test]
    fn it_opens_when_the_share_is_reached_and_no_sooner() {
        let (breaker, at) = breaker();
        assert_eq!([false, true, false].map(|good| send(&breaker, good, at)), [None; 3], "too few to tell");
        assert_eq!(send(&breaker, true, at), None, "a good one opens nothing");
        assert_eq!(send(&breaker, true, at), None);
        assert_eq!(send(&breaker, false, at), Some(Changed::Opened), "three of six");
        assert!(breaker.pass(at).is_none());
        assert_eq!((breaker.circuit(at), breaker.refused()), (Circuit::Open, 1));
    }

    #[test]
    fn windows_are_counted_each_for_itself() {
        let (breaker, at) = breaker();
        (0..3).for_each(|_| assert_eq!(send(&breaker, false, at), None));
        let later = at + Duration::from_secs(10);
        (0..3).for_each(|_| assert_eq!(send(&breaker, false, later), None));
        assert_eq!(send(&breaker, false, later), Some(Changed::Opened));
    }

    #[test]
    fn a_few_decide_whether_it_closes() {
        let (breaker, at) = breaker();
        let before = breaker.pass(at).unwrap();
        (0..4).for_each(|_| assert!(send(&breaker, false, at) != Some(Changed::Closed)));
        let half = at + Duration::from_secs(30);
        assert_eq!(breaker.circuit(half), Circuit::HalfOpen);
        let (first, second) = (breaker.pass(half).unwrap(), breaker.pass(half).unwrap());
        assert!(breaker.pass(half).is_none(), "two at once");
        assert_eq!(before.ended(true, half), None, "an old answer closes nothing");
        assert_eq!(first.ended(false, half), Some(Changed::Opened));
        assert_eq!(second.ended(true, half), None);
        let again = half + Duration::from_secs(30);
        drop(breaker.pass(again).unwrap());
        assert_eq!(send(&breaker, true, again), None);
        assert_eq!(send(&breaker, true, again), Some(Changed::Closed));
        assert_eq!(send(&breaker, false, again), None, "it begins anew");
        assert_eq!(breaker.circuit(again), Circuit::Closed);
    }
}
