//! One shard of the table of counters: slots in a row, found by hash, never more than a fixed number of them.
//!
//! Nothing is ever taken out singly: counters that are worth nothing any more are left behind when the row is written
//! anew, which happens when it is full. So there are no gaps to account for, and the bytes are what they are said to be.

use super::KeptCounter;
use super::window::Cell;

/// A slot: 48 bytes. The counter 0 marks a free one.
#[derive(Debug, Clone, Copy)]
struct Slot {
    counter: u128,
    cell: Cell,
    /// When it is worth nothing, in microseconds; odd if it is kept over a restart.
    expires: u64,
}

const FREE: Slot = Slot { counter: 0, cell: [0; 3], expires: 0 };
/// Bytes of a slot.
pub(super) const SLOT_BYTES: usize = size_of::<Slot>();
/// Slots a shard begins with.
const SLOTS_MIN: usize = 16;
/// Shortest time between two attempts to find room in a full shard, in microseconds.
const SWEEP_EVERY_US: u64 = 100_000;

#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Slot>,
    used: usize,
    slots_max: usize,
    /// No room is looked for before then: there was none, and there will be none.
    full_until: u64,
}

impl Table {
    pub(super) fn new(slots_max: usize) -> Self {
        Table { slots: Vec::new(), used: 0, slots_max: slots_max.max(SLOTS_MIN), full_until: 0 }
    }

    /// Three quarters: searches stay short.
    fn room(slots: usize) -> usize {
        slots / 4 * 3
    }

    /// The slot of `counter`, or the free one where it would stand; `None` if there are no slots.
    fn find(&self, counter: u128, hash: u64) -> Option<usize> {
        let len = self.slots.len();
        let mut at = home(hash, len)?;
        // There is always a free slot: the row is never more than three quarters full.
        while self.slots[at].counter != counter && self.slots[at].counter != FREE.counter {
            at = if at + 1 == len { 0 } else { at + 1 };
        }
        Some(at)
    }

    /// What `counter` holds, if it is in use.
    pub(super) fn get(&self, counter: u128, hash: u64) -> Option<Cell> {
        let slot = &self.slots[self.find(counter, hash)?];
        (slot.counter == counter).then_some(slot.cell)
    }

    /// Makes room for `count` more counters; `false` if so many active ones are here that there is none.
    pub(super) fn make_room(&mut self, count: usize, now: u64, hash: impl Fn(u128) -> u64) -> bool {
        if self.used + count <= Self::room(self.slots.len()) {
            return true;
        }
        let can_grow = self.slots.len() < self.slots_max;
        if !can_grow && now < self.full_until {
            return false;
        }
        let live = self.slots.iter().filter(|s| s.counter != FREE.counter && s.expires > now).count();
        let wanted = (live + count).saturating_mul(2).max(SLOTS_MIN).min(self.slots_max);
        if live + count > Self::room(wanted) {
            let soonest = self.slots.iter().map(|s| s.expires).filter(|e| *e > now).min().unwrap_or(now);
            self.full_until = soonest.max(now.saturating_add(SWEEP_EVERY_US));
            return false;
        }
        self.rewrite(wanted, now, hash);
        true
    }

    /// Leaves behind what is worth nothing, and the memory it took.
    pub(super) fn sweep(&mut self, now: u64, hash: impl Fn(u128) -> u64) {
        let live = self.slots.iter().filter(|s| s.counter != FREE.counter && s.expires > now).count();
        if live < self.used {
            let wanted = if live == 0 { 0 } else { (live * 2).max(SLOTS_MIN).min(self.slots_max) };
            self.rewrite(wanted, now, hash);
        }
    }

    fn rewrite(&mut self, slots: usize, now: u64, hash: impl Fn(u128) -> u64) {
        let old = std::mem::replace(&mut self.slots, vec![FREE; slots]);
        self.used = 0;
        for slot in old.into_iter().filter(|s| s.counter != FREE.counter && s.expires > now) {
            self.write(slot, hash(slot.counter));
        }
    }

    fn write(&mut self, slot: Slot, hash: u64) {
        let Some(at) = self.find(slot.counter, hash) else { return };
        self.used += usize::from(self.slots[at].counter == FREE.counter);
        self.slots[at] = slot;
    }

    /// Writes what `counter` holds. A new one needs room made before.
    pub(super) fn put(&mut self, counter: u128, hash: u64, cell: Cell, expires: u64, kept: bool) {
        let expires = (expires & !1) | u64::from(kept);
        self.write(Slot { counter, cell, expires }, hash);
    }

    /// Counters in use, those worth nothing any more included.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Slots in memory.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The counters that are kept over a restart.
    pub(super) fn kept(&self, now: u64, out: &mut Vec<KeptCounter>) {
        let kept = self.slots.iter().filter(|s| s.counter != FREE.counter && s.expires & 1 == 1 && s.expires > now);
        out.extend(kept.map(|s| KeptCounter { counter: s.counter, cell: s.cell, expires_us: s.expires }));
    }
}

/// Where a search begins: the hash scaled to the row, so that a row may have any length.
fn home(hash: u64, len: usize) -> Option<usize> {
    if len == 0 {
        return None;
    }
    usize::try_from((u128::from(hash) * len as u128) >> 64).ok()
}
