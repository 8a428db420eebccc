//! What happens every now and then: usage and counters to the store, health, retention.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::first_run::{forget_first_key, waiting_first_key};
use super::ops::Health;
use super::usage::UsageFlush;
use crate::limits::KeptCounter;
use crate::limits::embedded::EmbeddedCounters;
use crate::model::audit::{Actor, AuditDraft, Target};
use crate::model::clock::Clock;
use crate::snapshot::Current;
use crate::store::{CounterRow, PurgeBefore, Store};

/// How often usage and counters are stored: what a crash can lose.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// How often the store is asked whether it answers.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How often what is older than it may be is deleted.
const PURGE_EVERY: Duration = Duration::from_secs(3_600);
/// How long answers to idempotency keys are kept.
const IDEMPOTENCY_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A counter as it was stored.
pub fn from_row(row: &CounterRow) -> KeptCounter {
    KeptCounter { counter: row.key, cell: row.state, expires_us: row.expires_us }
}

/// What the periodic work needs.
pub struct Periodic {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Usage.
    pub usage: Arc<UsageFlush>,
    /// Counters.
    pub counters: Arc<EmbeddedCounters>,
    /// Health.
    pub health: Arc<Health>,
    /// What is in force.
    pub current: Arc<Current>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Periodic {
    /// Works until told to stop. The last flush is [`Periodic::flush`], once no more requests come.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        let mut ping = tokio::time::interval(PING_EVERY);
        let mut purge = tokio::time::interval(PURGE_EVERY);
        for interval in [&mut flush, &mut ping, &mut purge] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        flush.reset();
        let mut first_key = waiting_first_key(&self.current.load().config.store.dir);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = flush.tick() => self.flush().await,
                _ = ping.tick() => {
                    let answer = self.store.ping().await;
                    if let Ok(keys) = self.store.key_count().await {
                        self.health.store_holds(keys);
                    }
                    let now = self.clock.now().wall;
                    self.health.store_answered(answer.as_ref().err(), now);
                    if let Some(key) = first_key
                        && !self.usage.pending(&[key], now).is_empty()
                        && forget_first_key(&self.current.load().config.store.dir)
                    {
                        first_key = None;
                    }
                }
                _ = purge.tick() => self.purge().await,
            }
        }
    }

    /// Stores usage and counters.
    pub async fn flush(&self) {
        let now = self.clock.now();
        self.usage.flush(now.wall).await;
        self.counters.sweep(now.steady_us);
        let rows = self.counters.snapshot_rows(now.steady_us);
        let rows = rows.into_iter().map(|c| CounterRow { key: c.counter, state: c.cell, expires_us: c.expires_us });
        if let Err(error) = self.store.save_counters(rows.collect()).await {
            tracing::warn!(%error, "counters could not be stored; a restart now would begin their windows anew");
        }
    }

    async fn purge(&self) {
        let now = self.clock.now().wall;
        let kept = &self.current.load().config.retention;
        let ago =
            |age: Option<Duration>| -> Option<Timestamp> { now.checked_sub(SignedDuration::try_from(age?).ok()?).ok() };
        let before = PurgeBefore {
            usage_minutes: ago(kept.usage_minutes),
            usage_days: ago(kept.usage_days),
            audit: ago(kept.audit),
            tombstones: ago(kept.deleted_keys),
            addresses: ago(kept.truncate_ip_after),
            idempotency: now.checked_sub(IDEMPOTENCY_KEPT).ok(),
        };
        let draft = AuditDraft {
            time: now,
            actor: Actor {
                r#type: "system".into(),
                id: "retention".into(),
                name: "retention".into(),
                via: "start".into(),
            },
            action: "retention.purge".into(),
            target: Target { r#type: "store".into(), id: "store".into(), name: "store".into() },
            outcome: "success".into(),
            reason: None,
            source_ip: None,
            user_agent: None,
            request_id: None,
            changes: Vec::new(),
        };
        match self.store.purge(before, draft).await {
            Ok(purged) => tracing::debug!(?purged, "what was older than it may be is deleted"),
            Err(error) => tracing::warn!(%error, "what is older than it may be could not be deleted"),
        }
    }
}
