//! What happens every now and then: usage and counters to the store, health, retention.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::first_run::{forget_first_key, waiting_first_key};
use super::listeners::Listeners;
use super::ops::Health;
use super::usage::UsageFlush;
use crate::config::CERTIFICATE_SOON;
use crate::geo::{GeoDbs, GeoInfo};
use crate::limits::KeptCounter;
use crate::limits::embedded::EmbeddedCounters;
use crate::model::audit::{Actor, AuditDraft, Target};
use crate::model::clock::Clock;
use crate::model::id::KeyId;
use crate::snapshot::Current;
use crate::store::{CounterRow, PurgeBefore, Store};

/// How often usage and counters are stored: what a crash can lose.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// How often the store is asked whether it answers.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How often keys are counted, which takes a while if there are many.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// How often what is older than it may be is deleted.
const PURGE_EVERY: Duration = Duration::from_secs(3_600);
/// How often certificates that end soon are told.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(86_400);
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
    /// Geo databases.
    pub geo: Arc<GeoDbs>,
    /// The listeners, with their certificates.
    pub listeners: Arc<Listeners>,
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
        let mut count = tokio::time::interval(COUNT_EVERY);
        let mut purge = tokio::time::interval(PURGE_EVERY);
        let mut certificates = tokio::time::interval(CERTIFICATES_EVERY);
        for interval in [&mut flush, &mut ping, &mut count, &mut purge, &mut certificates] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        flush.reset();
        // Those that end soon were told when their files were read.
        certificates.reset();
        let mut first_key = waiting_first_key(&self.current.load().config.store.dir);
        let mut told_old = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = flush.tick() => {
                    // Before it is stored: what is stored is not among what is pending any more.
                    self.forget_if_used(&mut first_key);
                    self.flush().await;
                }
                _ = ping.tick() => {
                    let answer = self.store.ping().await;
                    self.health.store_answered(answer.as_ref().err(), self.clock.now().wall);
                    self.forget_if_used(&mut first_key);
                }
                _ = count.tick() => {
                    if let Ok(keys) = self.store.key_count().await {
                        self.health.store_holds(keys);
                    }
                }
                _ = purge.tick() => {
                    self.tell_old_databases(&mut told_old);
                    self.purge().await;
                }
                _ = certificates.tick() => self.tell_ending_certificates(),
            }
        }
    }

    /// Removes the file of the first key once the key was used.
    fn forget_if_used(&self, first_key: &mut Option<KeyId>) {
        if let Some(key) = *first_key
            && !self.usage.pending(&[key], self.clock.now().wall).is_empty()
            && forget_first_key(&self.current.load().config.store.dir)
        {
            *first_key = None;
        }
    }

    /// Warns of geo databases that are older than they may be, once of each.
    fn tell_old_databases(&self, told: &mut Vec<GeoInfo>) {
        let now = self.clock.now().wall;
        let limit = self.current.load().config.geo.warn_if_older_than;
        let Some(limit) = limit.and_then(|limit| SignedDuration::try_from(limit).ok()) else { return };
        let in_use = self.geo.info();
        told.retain(|old| in_use.contains(old));
        for db in in_use.into_iter().filter(|db| now.duration_since(db.built_at) > limit) {
            if !told.contains(&db) {
                let (file, built_at) = (db.path.display(), db.built_at);
                tracing::warn!(%file, %built_at, "the {} database is old; fetch a newer one", db.kind.as_str());
                told.push(db);
            }
        }
    }

    /// Warns of certificates that end soon, or have ended.
    fn tell_ending_certificates(&self) {
        let now = self.clock.now().wall;
        for (files, ends) in self.listeners.certificates() {
            if ends.duration_since(now) < CERTIFICATE_SOON {
                let file = files.certificate.display();
                tracing::warn!(tls = files.name.as_str(), %file, %ends, "a certificate ends soon; renew it");
            }
        }
        for (file, ends) in self.listeners.revocation_lists().into_iter().filter(|(_, ends)| *ends <= now) {
            let file = file.display();
            tracing::warn!(%file, %ends, "a revocation list has ended: clients are refused until a newer one is there");
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
