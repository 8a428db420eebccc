//! Connections that are kept for the next request.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::h1::Wire;
use super::pool::Open;
use super::proxy_header::Told;

/// A connection on which nothing is under way.
#[derive(Debug)]
pub(super) struct Idle {
    pub wire: Box<Wire>,
    pub open: Open,
    pub since: Instant,
    /// Age at which the peer is about to close it, if it said so.
    pub peer_max: Option<Duration>,
    pub rests: bool,
}

impl Idle {
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub(super) fn is_good(&mut self, now: Instant) -> bool {
        self.peer_max.is_none_or(|max| self.age(now) <= max) && self.wire.is_quiet()
    }
}

/// Takes the youngest that may be used, of those that are for whom it is wanted. The youngest stands last.
pub(super) fn youngest(kept: &mut VecDeque<Idle>, told: Option<Told>, may: impl Fn(&Idle) -> bool) -> Option<Idle> {
    if told.is_none() {
        return kept.pop_back_if(|idle| may(idle));
    }
    let at = kept.iter().rposition(|idle| idle.wire.told == told && may(idle))?;
    kept.remove(at)
}
