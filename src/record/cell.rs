//! Per-worker cells, and the recorder that gathers them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ahash::AHashMap;
use parking_lot::Mutex;

use super::access_log::LogBuffer;
use super::labels::Labels;
use super::usage::UsageCell;
use crate::model::reason::Reason;

/// Buckets of request and upstream durations, in microseconds.
pub const HTTP_BUCKETS_US: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000,
    7_500_000, 10_000_000,
];
/// Buckets of what Argus itself adds, in microseconds.
pub const GATEWAY_BUCKETS_US: [u64; 10] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000];
/// Distinct series of one kind that a worker counts at most; those that come later are not counted.
const SERIES_MAX: usize = 100_000;

/// A histogram with fixed buckets; the last count is of what lies beyond them.
#[derive(Debug, Clone)]
pub struct Histogram<const N: usize> {
    /// Observations per bucket, not cumulated.
    pub counts: [u64; N],
    /// Observations beyond the last bucket.
    pub beyond: u64,
    /// Sum of all, in microseconds.
    pub sum_us: u64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Histogram { counts: [0; N], beyond: 0, sum_us: 0 }
    }
}

impl<const N: usize> Histogram<N> {
    fn observe(&mut self, bounds: &[u64; N], us: u64) {
        match bounds.iter().position(|b| us <= *b) {
            Some(at) => self.counts[at] += 1,
            None => self.beyond += 1,
        }
        self.sum_us = self.sum_us.saturating_add(us);
    }

    fn add(&mut self, other: &Self) {
        for (a, b) in self.counts.iter_mut().zip(other.counts) {
            *a += b;
        }
        self.beyond += other.beyond;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

/// What one request adds to the metrics.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Listener's number.
    pub listener: u16,
    /// Route's number; 0 if none matched.
    pub route: u16,
    /// Upstream's number; 0 if none was asked.
    pub upstream: u16,
    /// Method, as a place in [`METHODS`].
    pub method: u8,
    /// Status sent; 499 if the client hung up before one was.
    pub status: u16,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// From accepting the request to its last byte.
    pub total_us: u64,
    /// The part of it that was Argus's own doing before the upstream was asked.
    pub gateway_us: u64,
    /// From asking the upstream to the head of its answer; `None` if it was not asked.
    pub upstream_us: Option<u64>,
    /// Who answered for the credential, and how long the decision took; `None` if none was made.
    pub decision: Option<(&'static str, u64)>,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes sent.
    pub bytes_out: u64,
}

/// Methods told apart in metrics; the last stands for all others.
pub const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "_OTHER"];

/// The place of `method` in [`METHODS`].
pub fn method_number(method: &http::Method) -> u8 {
    let at = METHODS.iter().position(|m| *m == method.as_str()).unwrap_or(METHODS.len() - 1);
    u8::try_from(at).unwrap_or(u8::MAX)
}

/// Counts that only grow.
#[derive(Debug, Default, Clone)]
pub struct Totals {
    /// Requests by listener, route, method and status.
    pub requests: AHashMap<(u16, u16, u8, u16), u64>,
    /// Decisions by route and reason; `None` for admitted.
    pub decisions: AHashMap<(u16, Option<Reason>), u64>,
    /// Decisions at a limit, by the limit's number and whether it refused.
    pub limits: AHashMap<(u16, bool), u64>,
    /// Whole durations by route.
    pub durations: BTreeMap<u16, Histogram<14>>,
    /// Argus's own durations by route.
    pub gateway: BTreeMap<u16, Histogram<10>>,
    /// Upstream durations by upstream.
    pub upstream: BTreeMap<u16, Histogram<14>>,
    /// Durations of decisions by who answered for the credential.
    pub decision: BTreeMap<&'static str, Histogram<10>>,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes sent.
    pub bytes_out: u64,
    /// Requests refused as malformed, by cause.
    pub malformed: BTreeMap<&'static str, u64>,
}

/// Counts one more of `key`, if it is known or there is room.
fn bump<K: Eq + std::hash::Hash>(counts: &mut AHashMap<K, u64>, key: K) {
    let has_room = counts.len() < SERIES_MAX;
    match counts.get_mut(&key) {
        Some(n) => *n += 1,
        None if has_room => {
            counts.insert(key, 1);
        }
        None => {}
    }
}

impl Totals {
    fn count(&mut self, s: &Sample) {
        bump(&mut self.requests, (s.listener, s.route, s.method, s.status));
        // Whoever hung up before anything was decided was neither admitted nor refused.
        if s.decision.is_some() || s.reason.is_some() {
            bump(&mut self.decisions, (s.route, s.reason));
        }
        self.durations.entry(s.route).or_default().observe(&HTTP_BUCKETS_US, s.total_us);
        self.gateway.entry(s.route).or_default().observe(&GATEWAY_BUCKETS_US, s.gateway_us);
        if let Some(us) = s.upstream_us {
            self.upstream.entry(s.upstream).or_default().observe(&HTTP_BUCKETS_US, us);
        }
        if let Some((source, us)) = s.decision {
            self.decision.entry(source).or_default().observe(&GATEWAY_BUCKETS_US, us);
        }
        self.bytes_in = self.bytes_in.saturating_add(s.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(s.bytes_out);
    }

    fn add(&mut self, other: &Totals) {
        for (k, n) in &other.requests {
            *self.requests.entry(*k).or_default() += n;
        }
        for (k, n) in &other.decisions {
            *self.decisions.entry(*k).or_default() += n;
        }
        for (k, n) in &other.limits {
            *self.limits.entry(*k).or_default() += n;
        }
        for (k, h) in &other.durations {
            self.durations.entry(*k).or_default().add(h);
        }
        for (k, h) in &other.gateway {
            self.gateway.entry(*k).or_default().add(h);
        }
        for (k, h) in &other.upstream {
            self.upstream.entry(*k).or_default().add(h);
        }
        for (k, h) in &other.decision {
            self.decision.entry(k).or_default().add(h);
        }
        for (k, n) in &other.malformed {
            *self.malformed.entry(k).or_default() += n;
        }
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
    }
}

/// What one worker has gathered.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Counts since the start.
    pub totals: Totals,
    /// Usage since it was last taken.
    pub usage: UsageCell,
    /// Access-log lines since they were last taken.
    pub log: LogBuffer,
}

/// One worker's own cell.
#[derive(Debug, Default)]
pub struct WorkerCell {
    gathered: Mutex<Gathered>,
    /// Requests in progress.
    pub active: AtomicI64,
    /// How late the worker last ran what it had to do, in microseconds.
    pub lag_us: AtomicU64,
    /// Requests it turned away because it was late.
    pub shed: AtomicU64,
}

impl WorkerCell {
    /// Takes one finished request in: one short lock that is this worker's alone.
    pub fn take_in(&self, sample: &Sample, more: impl FnOnce(&mut Gathered)) {
        let mut gathered = self.gathered.lock();
        gathered.totals.count(sample);
        more(&mut gathered);
    }

    /// Counts a request that could not be read.
    pub fn malformed(&self, cause: &'static str) {
        *self.gathered.lock().totals.malformed.entry(cause).or_default() += 1;
    }

    /// Takes the log lines out.
    pub fn take_log(&self) -> LogBuffer {
        let mut gathered = self.gathered.lock();
        // About as much comes until the next time; a buffer that starts empty would be moved several times.
        let next = LogBuffer { bytes: Vec::with_capacity(gathered.log.bytes.len()), dropped: 0 };
        std::mem::replace(&mut gathered.log, next)
    }

    /// Takes the usage out.
    pub fn take_usage(&self) -> UsageCell {
        std::mem::take(&mut self.gathered.lock().usage)
    }
}

/// Gathers what the workers remember.
#[derive(Debug)]
pub struct Recorder {
    /// One cell a worker.
    pub cells: Vec<Arc<WorkerCell>>,
    /// Names of listeners.
    pub listeners: Labels,
    /// Names of routes; 0 is none.
    pub routes: Labels,
    /// Names of upstreams; 0 is none.
    pub upstreams: Labels,
    /// Names of limits.
    pub limits: Labels,
    /// Open connections by listener number, over all workers.
    pub connections: Mutex<BTreeMap<u16, Arc<AtomicI64>>>,
    /// Access-log lines dropped because they could not be written fast enough.
    pub log_dropped: AtomicU64,
    /// Usage that could not be kept.
    pub usage_dropped: AtomicU64,
}

impl Recorder {
    /// A recorder for so many workers.
    pub fn new(workers: usize) -> Self {
        Recorder {
            cells: (0..workers).map(|_| Arc::default()).collect(),
            listeners: Labels::default(),
            routes: Labels::with_none(""),
            upstreams: Labels::with_none(""),
            limits: Labels::with_none(""),
            connections: Mutex::default(),
            log_dropped: AtomicU64::new(0),
            usage_dropped: AtomicU64::new(0),
        }
    }

    /// The gauge of a listener's open connections.
    pub fn connections(&self, listener: u16) -> Arc<AtomicI64> {
        Arc::clone(self.connections.lock().entry(listener).or_default())
    }

    /// Requests in progress, over all workers.
    pub fn active(&self) -> i64 {
        self.cells.iter().map(|c| c.active.load(Ordering::Relaxed)).sum()
    }

    /// How late the worker runs that is latest.
    pub fn lag(&self) -> Duration {
        Duration::from_micros(self.cells.iter().map(|c| c.lag_us.load(Ordering::Relaxed)).max().unwrap_or(0))
    }

    /// Requests turned away because a worker was late.
    pub fn shed(&self) -> u64 {
        self.cells.iter().map(|c| c.shed.load(Ordering::Relaxed)).sum()
    }

    /// Counts of all workers together.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for cell in &self.cells {
            let one = cell.gathered.lock().totals.clone();
            sum.add(&one);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let recorder = Recorder::new(2);
        let sample = Sample {
            listener: 0,
            route: recorder.routes.number("api"),
            upstream: 0,
            method: method_number(&http::Method::GET),
            status: 200,
            reason: None,
            total_us: 5_000,
            gateway_us: 51,
            upstream_us: Some(20_000_000),
            decision: Some(("memory", 1)),
            bytes_in: 1,
            bytes_out: 2,
        };
        recorder.cells[0].take_in(&sample, |_| ());
        recorder.cells[1].take_in(&sample, |_| ());
        let totals = recorder.totals();
        assert_eq!(totals.requests[&(0, 1, 0, 200)], 2);
        assert_eq!(
            (totals.durations[&1].counts[0], totals.gateway[&1].counts[1], totals.upstream[&0].beyond),
            (2, 2, 2)
        );
        assert_eq!((totals.bytes_in, totals.bytes_out), (2, 4));
    }

    #[test]
    fn what_is_counted_goes_on_being_counted_when_there_is_no_room() {
        let mut counts: AHashMap<usize, u64> = (0..SERIES_MAX).map(|n| (n, 1)).collect();
        bump(&mut counts, 7);
        bump(&mut counts, SERIES_MAX);
        assert_eq!((counts[&7], counts.len()), (2, SERIES_MAX));
    }

    #[test]
    fn unknown_methods_share_one_label() {
        assert_eq!(METHODS[method_number(&http::Method::from_bytes(b"BREW").unwrap()) as usize], "_OTHER");
    }
}
