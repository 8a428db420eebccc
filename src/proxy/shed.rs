//! Requests turned away while a worker falls behind, so that those it takes are answered in time.
//!
//! A thread with more to do than it can do runs everything later and later; from outside all is slow, and nothing is
//! refused. So each worker measures how late a timer of its own runs. If it never ran in time for a tenth of a second, a
//! share of the requests is refused, which costs less than to answer them; the share grows as long as that goes on, and
//! shrinks as soon as it ends. A burst that is worked off in time makes no difference: what counts is the least delay of
//! a window, as in CoDel (RFC 8289 section 3.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::worker::Worker;

/// How often the delay is measured while there is something to do, and while there is not.
const TICK: Duration = Duration::from_millis(10);
const IDLE_TICK: Duration = Duration::from_millis(100);
/// For how long, and how often, the delay must be too long.
const WINDOW: Duration = Duration::from_millis(100);
const SAMPLES_MIN: u32 = 4;
/// Shares are told in eighths. Some requests are always taken, or it would never show that the worker is in time again.
const PARTS: u8 = 8;
const SHARE_MAX: u8 = 7;

/// How much a worker turns away.
#[derive(Debug, Default)]
pub struct Shedder {
    /// In eighths of the requests.
    share: AtomicU8,
    turn: AtomicU32,
}

impl Shedder {
    /// Whether the next request is turned away.
    pub fn sheds(&self) -> bool {
        let share = self.share.load(Ordering::Relaxed);
        share > 0 && self.turn.fetch_add(1, Ordering::Relaxed) % u32::from(PARTS) < u32::from(share)
    }

    fn is_shedding(&self) -> bool {
        self.share.load(Ordering::Relaxed) > 0
    }

    /// A window is over in which the worker was in time, or not.
    fn note(&self, is_late: bool) {
        let share = self.share.load(Ordering::Relaxed);
        let next = if is_late { (share + 1).min(SHARE_MAX) } else { share.saturating_sub(1) };
        self.share.store(next, Ordering::Relaxed);
    }
}

/// Delays measured since a moment.
#[derive(Debug, Default)]
struct Window {
    passed: Duration,
    samples: u32,
    least: Duration,
}

impl Window {
    /// Takes in a delay, measured so long after the one before. The least of the window, if that is over with it.
    fn add(&mut self, lag: Duration, passed: Duration) -> Option<Duration> {
        self.least = if self.samples == 0 { lag } else { self.least.min(lag) };
        self.samples += 1;
        self.passed += passed;
        let is_over = self.passed >= WINDOW && self.samples >= SAMPLES_MIN;
        is_over.then(|| std::mem::take(self).least)
    }
}

/// Measures how late the worker runs, for as long as it runs.
pub async fn watch(worker: Arc<Worker>) {
    let mut window = Window::default();
    loop {
        let is_idle = worker.cell.active.load(Ordering::Relaxed) == 0 && !worker.shedder.is_shedding();
        let tick = if is_idle { IDLE_TICK } else { TICK };
        let due = Instant::now() + tick;
        tokio::time::sleep_until(due).await;
        let lag = due.elapsed();
        if let Some(least) = window.add(lag, tick + lag) {
            let lag_max = worker.view().snapshot.config.lag_max;
            worker.shedder.note(lag_max.is_some_and(|max| least > max));
            worker.cell.lag_us.store(u64::try_from(least.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn shed(shedder: &Shedder, n: usize) -> usize {
        (0..n).filter(|_| shedder.sheds()).count()
    }

    #[test]
    fn the_least_delay_of_a_window_counts() {
        let mut window = Window::default();
        let all = (0..10).filter_map(|n| window.add((5 + n) * MS, 10 * MS)).collect::<Vec<_>>();
        assert_eq!(all, [5 * MS]);
        // One long pause, of the machine for example, is no window.
        assert_eq!(window.add(9_000 * MS, 9_000 * MS), None);
        assert_eq!(window.add(2 * MS, 12 * MS), None);
    }

    #[test]
    fn the_share_grows_and_shrinks() {
        let shedder = Shedder::default();
        assert_eq!(shed(&shedder, 800), 0);
        shedder.note(true);
        assert_eq!(shed(&shedder, 800), 100);
        (0..20).for_each(|_| shedder.note(true));
        assert_eq!(shed(&shedder, 800), 700, "some are always taken");
        (0..6).for_each(|_| shedder.note(false));
        assert_eq!(shed(&shedder, 800), 100);
        shedder.note(false);
        assert!(!shedder.is_shedding() && shed(&shedder, 800) == 0);
    }
}
