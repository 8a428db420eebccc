//! Usage on its way from the workers to the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use parking_lot::Mutex;

use crate::model::id::KeyId;
use crate::record::Recorder;
use crate::store::{KeyUsage, Store, UsageBatch};

/// Entries that wait for a store which does not answer; further calls are not kept, and counted as dropped.
const PENDING_MAX: usize = 500_000;

/// Gathers usage and flushes it.
pub struct UsageFlush {
    recorder: Arc<Recorder>,
    store: Arc<dyn Store>,
    pending: Mutex<UsageBatch>,
}

impl UsageFlush {
    /// Nothing gathered yet.
    pub fn new(recorder: Arc<Recorder>, store: Arc<dyn Store>) -> Self {
        UsageFlush { recorder, store, pending: Mutex::default() }
    }

    /// Takes what the workers have counted.
    fn gather(&self, now: Timestamp) {
        let mut pending = self.pending.lock();
        if pending.counts.is_empty() {
            let minute = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Floor);
            pending.minute = now.round(minute).unwrap_or(now);
        }
        for cell in &self.recorder.cells {
            let usage = cell.take_usage();
            let mut lost = usage.dropped;
            if pending.counts.len() < PENDING_MAX {
                usage.drain_into(&self.recorder.routes, &mut pending);
            } else {
                lost += usage.calls();
            }
            self.recorder.usage_dropped.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// Writes what was gathered. What the store does not take waits for the next time.
    pub async fn flush(&self, now: Timestamp) {
        self.gather(now);
        let batch = std::mem::take(&mut *self.pending.lock());
        if batch.counts.is_empty() {
            return;
        }
        if let Err(error) = self.store.add_usage(batch.clone()).await {
            tracing::warn!(%error, "usage could not be stored; it is kept and tried again");
            let mut pending = self.pending.lock();
            let newer = std::mem::replace(&mut *pending, batch);
            merge(&mut pending, newer);
        }
    }

    /// What is counted for `keys` and not yet in the store.
    pub fn pending(&self, keys: &[KeyId], now: Timestamp) -> BTreeMap<KeyId, KeyUsage> {
        self.gather(now);
        let pending = self.pending.lock();
        let mut found: BTreeMap<KeyId, KeyUsage> = BTreeMap::new();
        for (which, counts) in &pending.counts {
            if let Some(key) = which.key.filter(|k| keys.contains(k)) {
                let usage = found.entry(key).or_default();
                usage.total += counts.requests;
                usage.refused += if which.code == "ok" { 0 } else { counts.requests };
            }
        }
        for (key, usage) in &mut found {
            usage.last_used = pending.last_use.get(key).cloned();
        }
        found
    }
}

fn merge(into: &mut UsageBatch, from: UsageBatch) {
    for (which, counts) in from.counts {
        let sum = into.counts.entry(which).or_default();
        sum.requests += counts.requests;
        sum.cost = sum.cost.saturating_add(counts.cost);
        sum.bytes_in = sum.bytes_in.saturating_add(counts.bytes_in);
        sum.bytes_out = sum.bytes_out.saturating_add(counts.bytes_out);
    }
    into.last_use.extend(from.last_use);
}
