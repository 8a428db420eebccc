//! Properties of the arithmetic, against an exact log of what was taken when.

use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::model::limit::{LimitBy, LimitKind};

/// 2026-09-21T14:13:20Z, far from any edge.
const START: u64 = 1_790_000_000 * SECOND_US;

fn limit(strategy: Strategy, units: u64, seconds: u64, burst: u64) -> Limit {
    Limit {
        name: "test".parse().unwrap(),
        kind: LimitKind::Rate,
        units,
        window: Window::Seconds(seconds),
        burst: if strategy == Strategy::TokenBucket { burst } else { units },
        strategy,
        by: vec![LimitBy::Key],
    }
}

fn quota(period: CalendarPeriod, zone: &str, units: u64) -> Limit {
    Limit {
        kind: LimitKind::Quota,
        window: Window::Calendar(period, TimeZone::get(zone).unwrap()),
        ..limit(Strategy::FixedWindow, units, 1, units)
    }
}

fn us(text: &str) -> u64 {
    u64::try_from(text.parse::<Timestamp>().unwrap().as_microsecond()).unwrap()
}

/// Takes `cost` at `now` if it is admitted.
fn take(limit: &Limit, cell: &mut Cell, cost: u64, now: u64) -> bool {
    let mut level = level(limit, *cell, now);
    let admitted = level.admits(limit, cost, now);
    if admitted {
        level.take(cost);
        *cell = level.cell(limit, now);
    }
    admitted
}

fn strategy() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop_oneof![Just(Strategy::FixedWindow), Just(Strategy::SlidingWindow), Just(Strategy::TokenBucket)]
}

#[test]
fn fixed_windows_end_where_they_end() {
    let limit = limit(Strategy::FixedWindow, 2, 60, 0);
    let minute = START - START % (60 * SECOND_US);
    let mut cell = [0; 3];
    let end = minute + 60 * SECOND_US;
    for (now, admitted) in [(end - 2, true), (end - 2, true), (end - 1, false), (end, true), (end, true), (end, false)]
    {
        assert_eq!(take(&limit, &mut cell, 1, now), admitted, "{now}");
    }
    let level = level(&limit, cell, end);
    let state = level.state(&limit, 1, true, end);
    assert_eq!((state.remaining, state.reset_us, state.retry_us), (0, 60 * SECOND_US, 60 * SECOND_US));
}

#[test]
fn sliding_windows_weigh_the_part_before() {
    let limit = limit(Strategy::SlidingWindow, 100, 60, 0);
    let minute = START - START % (60 * SECOND_US);
    let mut cell = [0; 3];
    assert!(take(&limit, &mut cell, 100, minute));
    let at = |seconds: u64| minute + seconds * SECOND_US;
    // A quarter into the next part three quarters of the hundred still count.
    assert_eq!(level(&limit, cell, at(75)).remaining(&limit, at(75)), 25);
    assert!(!take(&limit, &mut cell.clone(), 26, at(75)));
    assert!(take(&limit, &mut cell.clone(), 25, at(75)));
    assert_eq!(level(&limit, cell, at(120)).remaining(&limit, at(120)), 100);
    // One unit is free again when a hundredth of the next part has passed.
    let state = level(&limit, cell, at(30)).state(&limit, 1, true, at(30));
    assert_eq!((state.retry_us, state.reset_us), (30_600_000, 30_600_000));
}

#[test]
fn buckets_fill_evenly_and_exactly() {
    // Three a second: a third of a second is no whole number of microseconds.
    let limit = limit(Strategy::TokenBucket, 3, 1, 2);
    let mut cell = [0; 3];
    assert!(take(&limit, &mut cell, 2, START) && !take(&limit, &mut cell, 1, START));
    let wait = level(&limit, cell, START).wait(&limit, 1, START);
    assert_eq!(wait, 333_334);
    assert!(!take(&limit, &mut cell.clone(), 1, START + wait - 1) && take(&limit, &mut cell.clone(), 1, START + wait));
    let mut taken = 2;
    for step in 0..=30_000_000_u64 / 1_000 {
        taken += u64::from(take(&limit, &mut cell, 1, START + step * 1_000));
    }
    assert_eq!(taken, 2 + 30 * 3, "thirty seconds at three a second, and the burst");
}

#[track_caller]
fn check_calendar(period: CalendarPeriod, zone: &str, at: &str, start: &str, end: &str) {
    let limit = quota(period, zone, 5);
    let now = us(at);
    match level(&limit, [0; 3], now) {
        Level::Fixed { start: s, end: e, .. } => assert_eq!((s, e), (us(start), us(end)), "{zone} {at}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn calendars_follow_their_zone() {
    use CalendarPeriod::{Day, Month, Week};
    check_calendar(Day, "UTC", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
    // The day clocks go forward has 23 hours, the day they go back 25.
    let berlin = "Europe/Berlin";
    check_calendar(Day, berlin, "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00");
    check_calendar(Day, berlin, "2026-10-25T12:00:00+01:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00");
    check_calendar(Week, berlin, "2026-03-29T12:00:00+02:00", "2026-03-23T00:00:00+01:00", "2026-03-30T00:00:00+02:00");
    check_calendar(Week, "UTC", "2026-09-21T00:00:00Z", "2026-09-21T00:00:00Z", "2026-09-28T00:00:00Z");
    check_calendar(
        Month,
        berlin,
        "2026-10-31T23:59:59+01:00",
        "2026-10-01T00:00:00+02:00",
        "2026-11-01T00:00:00+01:00",
    );
    check_calendar(Month, "UTC", "2024-02-29T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
    // Midnight does not exist on this day in this zone.
    check_calendar(
        Day,
        "America/Santiago",
        "2026-09-06T12:00:00-03:00",
        "2026-09-06T01:00:00-03:00",
        "2026-09-07T00:00:00-03:00",
    );
}

#[test]
fn a_calendar_quota_is_told_by_its_counter_alone() {
    let limit = quota(CalendarPeriod::Month, "Europe/Berlin", 2);
    let mut cell = [0; 3];
    let end = us("2026-11-01T00:00:00+01:00");
    assert!(take(&limit, &mut cell, 2, us("2026-10-02T00:00:00Z")));
    assert_eq!(cell[2], end);
    assert!(!take(&limit, &mut cell, 1, end - 1) && take(&limit, &mut cell, 1, end));
    // Another period on the same counter counts by its own calendar at once.
    let daily = quota(CalendarPeriod::Day, "Europe/Berlin", 2);
    let next = us("2026-11-02T12:00:00+01:00");
    assert!(matches!(level(&daily, cell, next), Level::Fixed { count: 0, .. }));
}

#[test]
fn a_changed_limit_goes_on_with_what_was_counted() {
    let minute = START - START % (60 * SECOND_US);
    let ten = limit(Strategy::SlidingWindow, 10, 60, 0);
    let mut cell = [0; 3];
    assert!(take(&ten, &mut cell, 10, minute));
    assert!(!take(&limit(Strategy::SlidingWindow, 5, 60, 0), &mut cell, 1, minute));
    assert!(take(&limit(Strategy::SlidingWindow, 11, 60, 0), &mut cell, 1, minute));
    assert!(!take(&limit(Strategy::FixedWindow, 11, 60, 0), &mut cell, 1, minute));
    let hourly = limit(Strategy::SlidingWindow, 11, 3_600, 0);
    assert_eq!(level(&hourly, cell, minute).remaining(&hourly, minute), 0, "a longer window keeps the count");
}

#[test]
fn a_slow_bucket_made_fast_is_empty_and_no_worse() {
    let slow = limit(Strategy::TokenBucket, 1, 86_400, 100);
    let mut cell = [0; 3];
    assert!(take(&slow, &mut cell, 100, START));
    let fast = limit(Strategy::TokenBucket, 100, 1, 100);
    assert_eq!(level(&fast, cell, START).wait(&fast, 1, START), 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Against an exact log: whatever happens, no aligned window and no bucket ever gives more than it may.
    #[test]
    fn never_more_than_the_limit(
        strategy in strategy(),
        units in 1_u64..50,
        seconds in 1_u64..120,
        burst in 1_u64..80,
        calls in proptest::collection::vec((0_u64..30_000_000, 0_u64..6), 1..120),
    ) {
        let limit = limit(strategy, units, seconds, burst);
        let window = seconds * SECOND_US;
        let (mut cell, mut now, mut log) = ([0; 3], START, Vec::new());
        for (pause, cost) in calls {
            now += pause;
            if take(&limit, &mut cell, cost, now) {
                log.push((now, cost));
            }
        }
        for (at, _) in &log {
            let taken = |from: u64, to: u64| -> u64 {
                log.iter().filter(|(t, _)| (from..=to).contains(t)).map(|(_, c)| c).sum()
            };
            match strategy {
                Strategy::FixedWindow | Strategy::SlidingWindow => {
                    let start = at - at % window;
                    prop_assert!(taken(start, start + window - 1) <= units);
                }
                // Any stretch gets the burst and what flows in meanwhile.
                Strategy::TokenBucket => for (to, _) in log.iter().filter(|(to, _)| to >= at) {
                    let inflow = u128::from(to - at) * u128::from(units) / u128::from(window);
                    prop_assert!(u128::from(taken(*at, *to)) <= u128::from(burst) + inflow);
                },
            }
        }
        if strategy == Strategy::SlidingWindow {
            // Against an exact sliding log: more than the limit by no more than the share of the part before that the
            // weighing takes for gone, and so never twice the limit.
            for (at, _) in &log {
                let start = at - at % window;
                let exact: u64 = log.iter().filter(|(t, _)| t <= at && t + window > *at).map(|(_, c)| c).sum();
                let before: u64 = log.iter().filter(|(t, _)| (start - window..start).contains(t)).map(|(_, c)| c).sum();
                let over = u128::from(before) * u128::from(at - start) / u128::from(window);
                prop_assert!(u128::from(exact) <= u128::from(units) + over && exact < 2 * units);
            }
        }
    }

    /// Waiting as long as told is enough, and not a microsecond too long.
    #[test]
    fn the_wait_is_exact(
        strategy in strategy(),
        units in 1_u64..1_000,
        seconds in 1_u64..90_000,
        burst in 1_u64..1_000,
        calls in proptest::collection::vec((0_u64..90_000_000, 0_u64..400), 1..30),
        cost in 1_u64..1_200,
    ) {
        let limit = limit(strategy, units, seconds, burst);
        let (mut cell, mut now) = ([0; 3], START);
        for (pause, cost) in calls {
            now += pause;
            take(&limit, &mut cell, cost, now);
        }
        let before = level(&limit, cell, now);
        let wait = before.wait(&limit, cost, now);
        prop_assert_eq!(wait == 0, before.admits(&limit, cost, now));
        if cost <= limit.burst {
            prop_assert!(level(&limit, cell, now + wait).admits(&limit, cost, now + wait), "after {wait}");
            if wait > 0 {
                let early = now + wait - 1;
                prop_assert!(!level(&limit, cell, early).admits(&limit, cost, early), "a microsecond before {wait}");
            }
        } else {
            prop_assert!(wait > 0);
        }
    }

    /// While nobody takes, what is free only grows, and the moment of return never moves back.
    #[test]
    fn remaining_and_reset_are_monotone(
        strategy in strategy(),
        units in 1_u64..1_000,
        seconds in 1_u64..3_600,
        burst in 1_u64..1_000,
        taken in proptest::collection::vec((0_u64..9_000_000, 1_u64..300), 1..12),
        pauses in proptest::collection::vec(0_u64..600_000_000, 1..20),
    ) {
        let limit = limit(strategy, units, seconds, burst);
        let (mut cell, mut now) = ([0; 3], START);
        for (pause, cost) in taken {
            now += pause;
            take(&limit, &mut cell, cost, now);
        }
        let mut before = level(&limit, cell, now).state(&limit, 1, false, now);
        let mut at = now;
        for pause in pauses {
            now += pause;
            let state = level(&limit, cell, now).state(&limit, 1, false, now);
            prop_assert!(state.remaining >= before.remaining && state.remaining <= limit.burst.max(units));
            if state.reset_us > 0 {
                prop_assert!(now + state.reset_us >= at + before.reset_us || before.reset_us == 0);
            }
            (before, at) = (state, now);
        }
    }

    /// Whatever a counter holds, whatever the limit and whenever it is: nothing panics, wraps or promises nonsense.
    #[test]
    fn any_cell_is_read_as_something(
        strategy in strategy(),
        units in 1_u64..=UNITS_MAX,
        seconds in 1_u64..=WINDOW_SECONDS_MAX,
        burst in 1_u64..=UNITS_MAX,
        cell in any::<Cell>(),
        cost in any::<u64>(),
        now in 0_u64..=253_402_300_799_000_000,
    ) {
        let limit = limit(strategy, units, seconds, burst);
        let mut level = level(&limit, cell, now);
        let state = level.state(&limit, cost, true, now);
        prop_assert!(state.remaining <= units.max(limit.burst));
        prop_assert!(now.checked_add(state.retry_us).is_some() && now.checked_add(state.reset_us).is_some());
        if level.admits(&limit, cost, now) {
            level.take(cost);
            let _ = (level.cell(&limit, now), level.expires(&limit, now), level.state(&limit, 1, false, now));
        }
    }

    /// A clock that is put back frees nothing, and locks nobody out: brought up to the earlier moment, a counter is
    /// free three windows (or minutes) later. One that is put forward frees what it would have freed by then.
    #[test]
    fn clock_jumps(
        strategy in strategy(),
        units in 1_u64..100,
        seconds in 1_u64..3_600,
        burst in 1_u64..100,
        by in 1_u64..1_000_000_000_000_000,
    ) {
        let limit = limit(strategy, units, seconds, burst);
        let mut cell = [0; 3];
        prop_assert!(take(&limit, &mut cell, limit.burst, START));
        let enough = (3 * seconds.max(60) * SECOND_US).max(limit.burst * seconds * SECOND_US / units + 1);
        let earlier = START - by;
        let back = level(&limit, cell, earlier);
        prop_assert!(!back.admits(&limit, 1, earlier));
        let put_right = back.cell(&limit, earlier);
        prop_assert!(level(&limit, put_right, earlier + enough).admits(&limit, limit.burst, earlier + enough));
        prop_assert_eq!(level(&limit, cell, START + by + enough).remaining(&limit, START + by + enough), limit.burst);
    }

    /// Threads that read the clock and come late: by the latest moment a counter has seen, no window gives too much.
    #[test]
    fn late_threads_turn_nothing_back(
        sliding in any::<bool>(),
        units in 1_u64..50,
        seconds in 1_u64..100,
        calls in proptest::collection::vec((0_u64..30_000_000, 0_u64..60_000_000, 0_u64..6), 1..120),
    ) {
        let strategy = if sliding { Strategy::SlidingWindow } else { Strategy::FixedWindow };
        let limit = limit(strategy, units, seconds, units);
        let window = seconds * SECOND_US;
        let (mut cell, mut clock, mut latest, mut log) = ([0; 3], START, 0, std::collections::BTreeMap::new());
        for (pause, late, cost) in calls {
            clock += pause;
            let now = clock - late;
            let admitted = take(&limit, &mut cell, cost, now);
            if admitted {
                latest = latest.max(now);
                *log.entry(latest / window).or_insert(0) += cost;
            }
        }
        prop_assert!(log.values().all(|taken| *taken <= units), "{:?}", log);
    }

    /// A counter that has expired is worth no more than an unused one.
    #[test]
    fn expiry_is_late_enough(
        strategy in strategy(),
        units in 1_u64..1_000,
        seconds in 1_u64..3_600,
        burst in 1_u64..1_000,
        costs in proptest::collection::vec((0_u64..9_000_000, 1_u64..300), 1..12),
    ) {
        let limit = limit(strategy, units, seconds, burst);
        let (mut cell, mut now) = ([0; 3], START);
        for (pause, cost) in costs {
            now += pause;
            take(&limit, &mut cell, cost, now);
        }
        let end = level(&limit, cell, now).expires(&limit, now);
        prop_assert_eq!(level(&limit, cell, end).remaining(&limit, end), level(&limit, [0; 3], end).remaining(&limit, end));
    }
}
