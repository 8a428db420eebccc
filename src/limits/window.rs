//! The arithmetic of limits: what a counter holds, what it admits, and when it admits again. Pure: numbers in, numbers
//! out, whole numbers only, no clock.
//!
//! A counter is three numbers, and holds counts and times only, never a limit: a limit that was changed acts at once
//! on the counters there are. Whatever they hold, from whichever limit, is read as something sensible.
//!
//! | strategy | the three numbers | admits when |
//! | --- | --- | --- |
//! | fixed window | start, count, end (calendar only) | `count + cost <= units` |
//! | sliding window | start, count, count of the window before | `count + before * (1 - elapsed / window) + cost <= units` |
//! | token bucket | time of the theoretical arrival, 0, its fraction | what the bucket is short of + `cost` fits its size |
//!
//! Times are steady Unix microseconds. Products are taken in 128 bits, so that nothing wraps: units are at most 10^12
//! and windows at most 3.2 * 10^14 microseconds.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use super::LimitState;
use crate::model::limit::{CalendarPeriod, Limit, Strategy, UNITS_MAX, WINDOW_SECONDS_MAX, Window};

/// What a counter holds; all zero is an unused one.
pub type Cell = [u64; 3];

const SECOND_US: u64 = 1_000_000;
/// Marks the third number of a bucket, so that it is not read as a count.
const BUCKET: u64 = 1 << 63;
/// Longest time between reading the clock and taking: the longest lookup of a key, many times over. Counters of
/// shorter windows are not kept over a restart, so that no clock that was put back can be behind them.
const LATE_US_MAX: u64 = 60 * SECOND_US;
/// Furthest a theoretical arrival may lie ahead: keeps every time inside 64 bits.
const AHEAD_US_MAX: u64 = 1 << 62;

/// A counter brought up to a moment, under a limit.
#[derive(Debug, Clone, Copy)]
pub enum Level {
    /// A fixed window.
    Fixed {
        /// When it began.
        start: u64,
        /// When it ends.
        end: u64,
        /// Units taken in it.
        count: u64,
    },
    /// A sliding window.
    Sliding {
        /// When the current part began.
        start: u64,
        /// Units taken in it.
        count: u64,
        /// Units taken in the part before.
        before: u64,
        /// Length of a part.
        window: u64,
    },
    /// A bucket.
    Bucket {
        /// What it is short of, in units times the microseconds a window has.
        debt: u128,
        /// What it holds when full, in the same.
        full: u128,
        /// Length of the window in which `units` flow in.
        window: u64,
    },
}

/// Brings `cell` up to `now`.
pub fn level(limit: &Limit, cell: Cell, now: u64) -> Level {
    match (limit.strategy, &limit.window) {
        (Strategy::FixedWindow, Window::Calendar(period, zone)) => calendar(*period, zone, cell, now),
        (Strategy::FixedWindow, Window::Seconds(_)) => {
            let window = window_us(limit);
            let now = not_before(cell[0], window, now);
            let start = now - now % window;
            Level::Fixed { start, end: start.saturating_add(window), count: count_since(cell, start) }
        }
        (Strategy::SlidingWindow, _) => sliding(limit, cell, now),
        (Strategy::TokenBucket, _) => bucket(limit, cell, now),
    }
}

/// The length of the window in microseconds; never 0.
fn window_us(limit: &Limit) -> u64 {
    limit.window.nominal_seconds().clamp(1, WINDOW_SECONDS_MAX) * SECOND_US
}

/// `now`, or the later moment that a counter has seen already. Threads read the clock and then wait for their turn: one
/// that comes late must not turn a counter back, or what others took meanwhile would be forgotten. A counter that is
/// further ahead than any thread can be late has outlived a clock that was put back, and is turned back.
fn not_before(began: u64, window: u64, now: u64) -> u64 {
    if began > now && began - now <= window.max(LATE_US_MAX) { began } else { now }
}

/// What `cell` counted since `start`. A cell that began later has seen a longer window or an earlier clock since: its
/// count stands, as forgetting it would admit too much.
fn count_since(cell: Cell, start: u64) -> u64 {
    if cell[0] >= start { cell[1] } else { 0 }
}

fn sliding(limit: &Limit, [began, count, before]: Cell, now: u64) -> Level {
    let window = window_us(limit);
    let now = not_before(began, window, now);
    let start = now - now % window;
    // A third number that is no count was written by another strategy.
    let before = if before <= UNITS_MAX { before } else { 0 };
    let (count, before) = if began >= start {
        (count, before)
    } else if began.saturating_add(window) >= start {
        (0, count)
    } else {
        (0, 0)
    };
    Level::Sliding { start, count, before, window }
}

fn bucket(limit: &Limit, [arrival, _, marked]: Cell, now: u64) -> Level {
    let window = window_us(limit);
    let units = limit.units.max(1);
    // A burst that takes longer to drain than times can tell is cut.
    let burst_max = u128::from(AHEAD_US_MAX) * u128::from(units) / u128::from(window);
    let full = u128::from(limit.burst).min(burst_max) * u128::from(window);
    let fraction = (marked & !BUCKET).min(units - 1);
    let debt = if marked & BUCKET != 0 && arrival >= now {
        u128::from(arrival - now) * u128::from(units) + u128::from(fraction)
    } else {
        0
    };
    // A limit that was slower before, or a clock that was put back, leaves no more than an empty bucket.
    Level::Bucket { debt: debt.min(full), full, window }
}

fn calendar(period: CalendarPeriod, zone: &TimeZone, cell: Cell, now: u64) -> Level {
    let [began, count, ended] = cell;
    let now = not_before(began, Window::Calendar(period, TimeZone::UTC).nominal_seconds() * SECOND_US, now);
    if began <= now && now < ended && is_long_as(period, ended - began) {
        return Level::Fixed { start: began, end: ended, count };
    }
    let (start, end) = calendar_bounds(period, zone, now);
    Level::Fixed { start, end, count: count_since(cell, start) }
}

/// Whether so many microseconds can be such a period, the hour that clocks are changed by included: a counter may have
/// been left by a limit of another period.
fn is_long_as(period: CalendarPeriod, length: u64) -> bool {
    let hours = length / (3_600 * SECOND_US);
    match period {
        CalendarPeriod::Day => (22..=26).contains(&hours),
        CalendarPeriod::Week => (166..=170).contains(&hours),
        CalendarPeriod::Month => (670..=746).contains(&hours),
    }
}

/// Start and end of the period around `now`.
fn calendar_bounds(period: CalendarPeriod, zone: &TimeZone, now: u64) -> (u64, u64) {
    let bounds = || {
        let at = Timestamp::from_microsecond(i64::try_from(now).ok()?).ok()?.to_zoned(zone.clone());
        let today = at.date();
        let (first, after) = match period {
            CalendarPeriod::Day => (today, today.tomorrow().ok()?),
            CalendarPeriod::Week => {
                let monday = today.checked_sub(i32::from(at.weekday().to_monday_zero_offset()).days()).ok()?;
                (monday, monday.checked_add(7.days()).ok()?)
            }
            CalendarPeriod::Month => {
                let first = today.first_of_month();
                (first, first.checked_add(1.month()).ok()?)
            }
        };
        let us = |day: jiff::civil::Date| {
            let zoned: Zoned = day.to_zoned(zone.clone()).ok()?;
            u64::try_from(zoned.timestamp().as_microsecond()).ok()
        };
        Some((us(first)?, us(after)?)).filter(|(start, end)| (*start..*end).contains(&now))
    };
    // Only dates thousands of years away have no bounds in the calendar.
    bounds().unwrap_or_else(|| {
        let window = Window::Calendar(period, TimeZone::UTC).nominal_seconds() * SECOND_US;
        let start = now - now % window;
        (start, start.saturating_add(window))
    })
}

/// `a * b / c`, rounded down; `c` is not 0.
fn mul_div(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product / c,
        None => u64::try_from(u128::from(a) * u128::from(b) / u128::from(c)).unwrap_or(u64::MAX),
    }
}

/// `a * b / c`, rounded up; `c` is not 0.
fn mul_div_up(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product.div_ceil(c),
        None => u64::try_from((u128::from(a) * u128::from(b)).div_ceil(u128::from(c))).unwrap_or(u64::MAX),
    }
}

impl Level {
    /// Units that count against the limit, rounded up; for a bucket see [`Level::remaining`].
    fn used(&self, now: u64) -> u64 {
        match *self {
            Level::Fixed { count, .. } => count,
            Level::Sliding { start, count, before, window } => {
                let left = window.saturating_sub(now.saturating_sub(start));
                count.saturating_add(mul_div_up(before, left, window))
            }
            Level::Bucket { .. } => 0,
        }
    }

    /// Whether `cost` units may be taken.
    pub fn admits(&self, limit: &Limit, cost: u64, now: u64) -> bool {
        match *self {
            Level::Fixed { .. } | Level::Sliding { .. } => self.used(now).saturating_add(cost) <= limit.units,
            Level::Bucket { debt, full, window } => debt + u128::from(cost) * u128::from(window) <= full,
        }
    }

    /// Takes `cost` units, which it admits.
    pub fn take(&mut self, cost: u64) {
        match self {
            Level::Fixed { count, .. } | Level::Sliding { count, .. } => *count = count.saturating_add(cost),
            Level::Bucket { debt, window, .. } => *debt += u128::from(cost) * u128::from(*window),
        }
    }

    /// Units still free.
    pub fn remaining(&self, limit: &Limit, now: u64) -> u64 {
        match *self {
            Level::Fixed { .. } | Level::Sliding { .. } => limit.units.saturating_sub(self.used(now)),
            Level::Bucket { debt, full, window } => {
                u64::try_from(full.saturating_sub(debt) / u128::from(window)).unwrap_or(u64::MAX)
            }
        }
    }

    /// Microseconds until `cost` units may be taken, if nobody else takes any; 0 if they may be now. A cost that never
    /// fits waits a window, over and over.
    pub fn wait(&self, limit: &Limit, cost: u64, now: u64) -> u64 {
        if self.admits(limit, cost, now) {
            return 0;
        }
        match *self {
            Level::Fixed { end, .. } => end.saturating_sub(now),
            Level::Sliding { start, count, before, window } => {
                let (elapsed, lead) = (now.saturating_sub(start), start.saturating_sub(now));
                let Some(room) = limit.units.checked_sub(cost) else { return window };
                lead + if count <= room {
                    // The part before weighs less and less: until it fits beside the current one.
                    let fits = if before == 0 { window } else { mul_div(room - count, window, before).min(window) };
                    (window - fits).saturating_sub(elapsed)
                } else {
                    // The current part is too much by itself: until it is the part before, and weighs less.
                    let fits = mul_div(room, window, count).min(window);
                    window.saturating_sub(elapsed).saturating_add(window - fits)
                }
            }
            Level::Bucket { debt, full, window } => {
                let needed = u128::from(cost) * u128::from(window);
                if needed > full {
                    return window;
                }
                let short = (debt + needed).saturating_sub(full);
                u64::try_from(short.div_ceil(u128::from(limit.units.max(1)))).unwrap_or(AHEAD_US_MAX)
            }
        }
    }

    /// Microseconds until more units are free than now, if nobody takes any; 0 if all are.
    fn reset(&self, limit: &Limit, now: u64) -> u64 {
        match *self {
            Level::Fixed { end, .. } => end.saturating_sub(now),
            Level::Sliding { .. } | Level::Bucket { .. } => {
                let remaining = self.remaining(limit, now);
                let all = match *self {
                    Level::Bucket { full, window, .. } => u64::try_from(full / u128::from(window)).unwrap_or(u64::MAX),
                    _ => limit.units,
                };
                if remaining >= all { 0 } else { self.wait(limit, remaining + 1, now) }
            }
        }
    }

    /// What callers are told. `cost` is what was asked for, and `refused` whether this limit refused it.
    pub fn state(&self, limit: &Limit, cost: u64, refused: bool, now: u64) -> LimitState {
        LimitState {
            remaining: self.remaining(limit, now),
            reset_us: self.reset(limit, now),
            retry_us: if refused { self.wait(limit, cost, now) } else { 0 },
            refused,
        }
    }

    /// What the counter holds now.
    pub fn cell(&self, limit: &Limit, now: u64) -> Cell {
        match *self {
            Level::Fixed { start, end, count } => {
                let end = if matches!(limit.window, Window::Calendar(..)) { end } else { 0 };
                [start, count, end]
            }
            Level::Sliding { start, count, before, .. } => [start, count, before],
            Level::Bucket { debt, .. } => {
                let units = u128::from(limit.units.max(1));
                let ahead = u64::try_from(debt / units).unwrap_or(AHEAD_US_MAX);
                let fraction = u64::try_from(debt % units).unwrap_or(0);
                [now.saturating_add(ahead), 0, fraction | BUCKET]
            }
        }
    }

    /// When the counter is worth no more than an unused one.
    pub fn expires(&self, limit: &Limit, now: u64) -> u64 {
        match *self {
            Level::Fixed { end, .. } => end,
            Level::Sliding { start, window, .. } => start.saturating_add(window.saturating_mul(2)),
            Level::Bucket { debt, .. } => {
                let ahead = debt.div_ceil(u128::from(limit.units.max(1)));
                now.saturating_add(u64::try_from(ahead).unwrap_or(AHEAD_US_MAX)).saturating_add(1)
            }
        }
    }
}

#[cfg(test)]
mod tests;
