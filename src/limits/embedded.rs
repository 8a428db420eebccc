//! Counters in memory.
//!
//! The table is cut into shards with a lock each, so that no lock is shared by all. A request that meets several
//! limits locks their shards in the order of their numbers, which cannot deadlock, and holds them until it has taken
//! from all or none: no two requests ever pass each other in between.
//!
//! The table has a cap in bytes. Counters that are worth nothing any more go first; when all are active, a *new* one
//! is refused rather than an active one forgotten, as otherwise whoever makes enough counters is rid of their own.

use ahash::RandomState;
use parking_lot::{Mutex, MutexGuard};

use super::table::{SLOT_BYTES, Table};
use super::window::{Cell, Level, level};
use super::{Counter, KeptCounter, Take, Verdict};
use crate::model::limit::{LIMITS_MAX, Limit};

/// Shards: many more than there are cores.
const SHARDS: usize = 256;
/// Windows from this length on are kept over a restart, in seconds.
pub const KEPT_WINDOW_SECONDS: u64 = 60;

/// The table of counters.
#[derive(Debug)]
pub struct EmbeddedCounters {
    shards: Box<[Shard]>,
    hasher: RandomState,
}

/// A shard alone on its cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(Mutex<Table>);

/// Where a counter stands.
#[derive(Debug, Clone, Copy, Default)]
struct Spot {
    counter: u128,
    hash: u64,
    shard: usize,
    /// Which of the locked tables is its shard's.
    table: usize,
    /// Whether it is not in use yet.
    is_new: bool,
    /// Whether it names a time that is still to come, as after a clock was put back over a restart: it is then put
    /// right even by a refusal, or it would refuse until that time.
    is_ahead: bool,
}

impl EmbeddedCounters {
    /// A table whose slots take at most `bytes_max` bytes; at least 192 KiB. It begins empty and grows as needed.
    pub fn new(bytes_max: u64) -> Self {
        let slots = usize::try_from(bytes_max).unwrap_or(usize::MAX) / SLOT_BYTES / SHARDS;
        let shard = || Shard(Mutex::new(Table::new(slots)));
        EmbeddedCounters { shards: (0..SHARDS).map(|_| shard()).collect(), hasher: RandomState::new() }
    }

    fn spot(&self, counter: u128) -> Spot {
        // 0 marks a free slot; a hash is never 0 but by accident.
        let counter = counter.max(1);
        let hash = self.hasher.hash_one(counter);
        // The low bits choose the shard, the high ones the slot inside it.
        let shard = usize::from(hash.to_le_bytes()[0]);
        Spot { counter, hash, shard, table: 0, is_new: false, is_ahead: false }
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Table> {
        self.shards[shard].0.lock()
    }

    /// Locks the shards of `spots` in the order of their numbers, each once.
    fn lock_all<'a, const N: usize>(&'a self, spots: &mut [Spot]) -> [Option<MutexGuard<'a, Table>>; N] {
        let mut tables = [const { None }; N];
        let mut order: [usize; N] = std::array::from_fn(|i| i);
        let order = &mut order[..spots.len()];
        order.sort_unstable_by_key(|i| spots[*i].shard);
        let mut locked = 0;
        let mut before = None;
        for at in order {
            let shard = spots[*at].shard;
            if before != Some(shard) {
                tables[locked] = Some(self.lock(shard));
                locked += 1;
                before = Some(shard);
            }
            spots[*at].table = locked - 1;
        }
        tables
    }

    fn meet(&self, takes: &[Take<'_>], cost: u64, now: u64, taking: bool) -> Verdict {
        // What is worked with lies on the stack: no more of it than the request needs.
        match takes.len() {
            0 => Verdict::unlimited(),
            1 => self.meet_up_to::<1>(takes, cost, now, taking),
            2..=4 => self.meet_up_to::<4>(takes, cost, now, taking),
            5..=LIMITS_MAX => self.meet_up_to::<LIMITS_MAX>(takes, cost, now, taking),
            // More than a verdict can tell of: refused, as a limit that is left out would be open.
            _ => Verdict { admitted: false, table_full: true, ..Verdict::unlimited() },
        }
    }

    /// Meets between 1 and `N` limits.
    fn meet_up_to<const N: usize>(&self, takes: &[Take<'_>], cost: u64, now: u64, taking: bool) -> Verdict {
        let mut verdict = Verdict::unlimited();
        let mut spots = [Spot::default(); N];
        for (spot, take) in spots.iter_mut().zip(takes) {
            *spot = self.spot(take.counter);
        }
        let spots = &mut spots[..takes.len()];
        let mut tables = self.lock_all::<N>(spots);

        let mut levels = [Level::Fixed { start: 0, end: 0, count: 0 }; N];
        let mut admitted = true;
        for ((spot, take), slot) in spots.iter_mut().zip(takes).zip(&mut levels) {
            let cell = tables[spot.table].as_ref().and_then(|t| t.get(spot.counter, spot.hash));
            spot.is_new = cell.is_none();
            spot.is_ahead = cell.is_some_and(|c| c[0] > now);
            *slot = level(take.limit, cell.unwrap_or(UNUSED), now);
            admitted &= slot.admits(take.limit, cost, now);
        }
        let levels = &mut levels[..takes.len()];
        verdict.admitted = admitted;
        if !admitted {
            for ((level, take), spot) in levels.iter().zip(takes).zip(spots) {
                let refused = !level.admits(take.limit, cost, now);
                verdict.push(level.state(take.limit, cost, refused, now));
                if spot.is_ahead
                    && let Some(table) = &mut tables[spot.table]
                {
                    write(table, spot, take.limit, level, now);
                }
            }
            return verdict;
        }
        if taking && !self.make_room(spots, &mut tables, now) {
            (verdict.admitted, verdict.table_full) = (false, true);
            return verdict;
        }
        for ((level, take), spot) in levels.iter_mut().zip(takes).zip(spots) {
            level.take(cost);
            if taking && let Some(table) = &mut tables[spot.table] {
                write(table, spot, take.limit, level, now);
            }
            verdict.push(level.state(take.limit, cost, false, now));
        }
        verdict
    }

    /// Room for the new counters among `spots`, in every table or in none.
    fn make_room(&self, spots: &[Spot], tables: &mut [Option<MutexGuard<'_, Table>>], now: u64) -> bool {
        let hash = |counter| self.hasher.hash_one(counter);
        tables.iter_mut().enumerate().all(|(at, table)| {
            let Some(table) = table else { return true };
            let new = spots.iter().filter(|s| s.table == at && s.is_new).count();
            new == 0 || table.make_room(new, now, hash)
        })
    }

    /// Forgets counters that are worth nothing any more, and gives their memory back.
    pub fn sweep(&self, now_us: u64) {
        for shard in &self.shards {
            shard.0.lock().sweep(now_us, |counter| self.hasher.hash_one(counter));
        }
    }

    /// Counters of windows of a minute or more, to be kept over a restart.
    pub fn snapshot_rows(&self, now_us: u64) -> Vec<KeptCounter> {
        let mut rows = Vec::new();
        for shard in &self.shards {
            shard.0.lock().kept(now_us, &mut rows);
        }
        rows
    }

    /// Takes up counters that were kept, as far as there is room for them. Counters in use already stay as they are.
    pub fn restore(&self, rows: &[KeptCounter], now_us: u64) {
        let hash = |counter| self.hasher.hash_one(counter);
        for row in rows.iter().filter(|row| row.expires_us > now_us) {
            let spot = self.spot(row.counter);
            let mut table = self.lock(spot.shard);
            if table.get(spot.counter, spot.hash).is_none() && table.make_room(1, now_us, hash) {
                table.put(spot.counter, spot.hash, row.cell, row.expires_us, true);
            }
        }
    }

    /// Counters in memory, those worth nothing any more included.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.0.lock().used()).sum()
    }

    /// Whether no counter is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes the slots take now.
    pub fn bytes(&self) -> u64 {
        let slots: usize = self.shards.iter().map(|s| s.0.lock().slots()).sum();
        u64::try_from(slots * SLOT_BYTES).unwrap_or(u64::MAX)
    }
}

fn write(table: &mut Table, spot: &Spot, limit: &Limit, level: &Level, now: u64) {
    let kept = limit.window.nominal_seconds() >= KEPT_WINDOW_SECONDS;
    table.put(spot.counter, spot.hash, level.cell(limit, now), level.expires(limit, now), kept);
}

/// A counter nobody has taken from yet.
const UNUSED: Cell = [0; 3];

impl Counter for EmbeddedCounters {
    fn take(&self, takes: &[Take<'_>], cost: u64, now_us: u64) -> Verdict {
        self.meet(takes, cost, now_us, true)
    }

    fn peek(&self, takes: &[Take<'_>], cost: u64, now_us: u64) -> Verdict {
        self.meet(takes, cost, now_us, false)
    }
}

#[cfg(test)]
mod tests;
