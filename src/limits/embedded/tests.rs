//! What is promised of the table: never more than the limit over any number of threads, all or nothing, a cap.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::model::limit::{Limit, LimitBy, LimitKind, Strategy, Window};

const NOW: u64 = 1_790_000_000_000_000;
const BYTES: u64 = 8 * 1024 * 1024;

fn limit(strategy: Strategy, units: u64, seconds: u64) -> Limit {
    Limit {
        name: "test".parse().unwrap(),
        kind: LimitKind::Rate,
        units,
        window: Window::Seconds(seconds),
        burst: units,
        strategy,
        by: vec![LimitBy::Key],
    }
}

#[test]
fn all_or_nothing() {
    let counters = EmbeddedCounters::new(BYTES);
    let (wide, narrow) = (limit(Strategy::FixedWindow, 10, 3_600), limit(Strategy::SlidingWindow, 2, 60));
    let takes = [Take { limit: &wide, counter: 1 }, Take { limit: &narrow, counter: 2 }];
    for _ in 0..2 {
        assert!(counters.take(&takes, 1, NOW).admitted);
    }
    for _ in 0..20 {
        let verdict = counters.take(&takes, 1, NOW);
        let states = verdict.states();
        assert!(!verdict.admitted && !verdict.table_full && !states[0].refused && states[1].refused);
        assert_eq!((states[0].remaining, states[1].remaining), (8, 0), "a refusal takes nothing anywhere");
        assert!(states[1].retry_us > 0 && states[0].retry_us == 0);
    }
    assert!(counters.take(&takes[..1], 8, NOW).admitted && !counters.take(&takes[..1], 1, NOW).admitted);
}

#[test]
fn peek_says_what_take_would() {
    let counters = EmbeddedCounters::new(BYTES);
    let limit = limit(Strategy::TokenBucket, 5, 60);
    let takes = [Take { limit: &limit, counter: 7 }];
    for _ in 0..7 {
        let peeked = counters.peek(&takes, 2, NOW);
        assert_eq!(peeked.states(), counters.peek(&takes, 2, NOW).states());
        let taken = counters.take(&takes, 2, NOW);
        assert_eq!((peeked.admitted, peeked.states()), (taken.admitted, taken.states()));
    }
    assert_eq!(counters.peek(&takes, 1, NOW).states()[0].remaining, 0);
}

/// Threads that take from the same few counters, each of a request's limits in another order.
#[track_caller]
fn check_threads(strategy: Strategy) {
    const THREADS: u64 = 8;
    const CALLS: u64 = 4_000;
    let counters = EmbeddedCounters::new(BYTES);
    let (own, shared) = (limit(strategy, 300, 3_600), limit(strategy, 1_000, 3_600));
    let admitted: [AtomicU64; 5] = Default::default();
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for id in 0..THREADS {
            let (counters, own, shared, admitted, start) = (&counters, &own, &shared, &admitted, &start);
            scope.spawn(move || {
                start.wait();
                for call in 0..CALLS {
                    let which = (id * 7 + call) % 5;
                    let mut takes =
                        [Take { limit: own, counter: u128::from(which) + 1 }, Take { limit: shared, counter: 99 }];
                    if call % 2 == 1 {
                        takes.reverse();
                    }
                    if counters.take(&takes, 1, NOW).admitted {
                        admitted[which as usize].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let per_counter: Vec<u64> = admitted.iter().map(|a| a.load(Ordering::Relaxed)).collect();
    assert!(per_counter.iter().all(|a| *a <= 300), "{per_counter:?}");
    assert_eq!(per_counter.iter().sum::<u64>(), 1_000, "exactly what the shared limit has: {per_counter:?}");
}

#[test]
fn threads_never_take_more_than_there_is() {
    check_threads(Strategy::FixedWindow);
    check_threads(Strategy::SlidingWindow);
    check_threads(Strategy::TokenBucket);
}

#[test]
fn a_full_table_refuses_new_counters_and_forgets_none() {
    let counters = EmbeddedCounters::new(0);
    let limit = limit(Strategy::FixedWindow, 2, 3_600);
    let take = |counter: u128, now| counters.take(&[Take { limit: &limit, counter }], 1, now);
    let mut active = Vec::new();
    let mut refused = 0;
    for counter in 1..20_000_u128 {
        let verdict = take(counter, NOW);
        if verdict.admitted {
            active.push(counter);
        } else {
            assert!(verdict.table_full);
            refused += 1;
        }
    }
    assert!(refused > 0 && active.len() > 1_000, "{refused} refused, {} active", active.len());
    assert_eq!(counters.len(), active.len());
    assert!(counters.bytes() <= 192 * 1024, "{} bytes", counters.bytes());
    for counter in &active {
        assert!(take(*counter, NOW).admitted, "active counters go on");
        assert!(!take(*counter, NOW).admitted, "and have kept what they counted");
    }
    // When their window is over they make room.
    let later = NOW + 3_600_000_000;
    // Few enough that no shard gets more than it has room for, however they are hashed.
    let fresh = (30_000..30_100_u128).filter(|c| take(*c, later).admitted).count();
    assert_eq!(fresh, 100);
    counters.sweep(later);
    assert_eq!(counters.len(), 100);
    counters.sweep(later + 3_600_000_000);
    assert_eq!((counters.len(), counters.bytes()), (0, 0));
}

#[test]
fn all_or_nothing_when_the_table_is_full() {
    let counters = EmbeddedCounters::new(0);
    let limit = limit(Strategy::FixedWindow, 1_000_000, 3_600);
    let one = |counter| Take { limit: &limit, counter };
    let mut counter = 10_u128;
    let (mut full_pairs, mut taken) = (0, 0);
    assert!(counters.take(&[one(1)], 1, NOW).admitted);
    while full_pairs < 100 {
        counter += 1;
        let verdict = counters.take(&[one(1), one(counter)], 1, NOW);
        full_pairs += u64::from(verdict.table_full);
        taken += u64::from(verdict.admitted);
    }
    let left = counters.peek(&[one(1)], 0, NOW).states()[0].remaining;
    assert_eq!(1_000_000 - left, taken + 1, "a refused pair took nothing from its active half");
}

#[test]
fn counters_outlive_the_table() {
    let counters = EmbeddedCounters::new(BYTES);
    let (long, short) = (limit(Strategy::SlidingWindow, 5, 60), limit(Strategy::SlidingWindow, 5, 59));
    for counter in 1..=500_u128 {
        assert!(counters.take(&[Take { limit: &long, counter }], 3, NOW).admitted);
        assert!(counters.take(&[Take { limit: &short, counter: counter + 1_000 }], 3, NOW).admitted);
    }
    let rows = counters.snapshot_rows(NOW);
    assert_eq!(rows.len(), 500, "windows under a minute are not worth keeping");
    let next = EmbeddedCounters::new(BYTES);
    assert!(next.take(&[Take { limit: &long, counter: 1 }], 1, NOW).admitted);
    next.restore(&rows, NOW);
    for counter in 2..=500_u128 {
        let verdict = next.take(&[Take { limit: &long, counter }], 3, NOW);
        assert!(!verdict.admitted && verdict.states()[0].remaining == 2);
    }
    assert!(next.take(&[Take { limit: &long, counter: 1 }], 4, NOW).admitted, "one in use already stays as it is");
    let late = EmbeddedCounters::new(BYTES);
    late.restore(&rows, NOW + 3_600_000_000);
    assert!(late.is_empty(), "what is worth nothing is not taken up");
}

#[test]
fn a_clock_put_back_over_a_restart_locks_nobody_out() {
    for strategy in [Strategy::FixedWindow, Strategy::SlidingWindow, Strategy::TokenBucket] {
        let limit = limit(strategy, 5, 60);
        let take = |counters: &EmbeddedCounters, now| counters.take(&[Take { limit: &limit, counter: 1 }], 5, now);
        let counters = EmbeddedCounters::new(BYTES);
        assert!(take(&counters, NOW).admitted);
        let next = EmbeddedCounters::new(BYTES);
        let earlier = NOW - 86_400_000_000;
        next.restore(&counters.snapshot_rows(NOW), earlier);
        assert!(!take(&next, earlier).admitted, "{strategy:?}: what was counted stands");
        assert!(take(&next, earlier + 120_000_000).admitted, "{strategy:?}: and is over two windows later");
    }
}

#[test]
fn more_limits_than_can_be_counted_are_refused() {
    let counters = EmbeddedCounters::new(BYTES);
    let limit = limit(Strategy::FixedWindow, 5, 60);
    let takes: Vec<Take<'_>> = (1..=LIMITS_MAX as u128 + 1).map(|counter| Take { limit: &limit, counter }).collect();
    assert!(!counters.take(&takes, 1, NOW).admitted && counters.take(&takes[1..], 1, NOW).admitted);
    assert!(counters.take(&[], 1, NOW).admitted);
}
