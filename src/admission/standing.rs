//! How far a key has used up its limits, for administrators.

use super::{Access, Engine};
use crate::limits::{LimitState, Take};
use crate::model::limit::{LIMITS_MAX, LimitBy};
use crate::snapshot::{BoundLimit, subject};

/// A limit of a key's, and what is left of it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The limit.
    pub bound: BoundLimit,
    /// What is left now.
    pub state: LimitState,
}

impl Engine {
    /// What is left of the key's limits that count it alone or with its owner's other keys; those that count by
    /// address or route have no one answer. Takes nothing.
    pub fn standing(&self, access: &Access, now_us: u64) -> Vec<Standing> {
        let of = |by: &LimitBy| match by {
            LimitBy::Key => Some(access.key.subject),
            LimitBy::Owner => Some(access.key.owner_subject().unwrap_or(access.key.subject)),
            LimitBy::Ip | LimitBy::Route => None,
        };
        let counter = |bound: &BoundLimit| {
            bound.limit.by.iter().try_fold(bound.identity, |so_far, by| Some(subject::join(so_far, of(by)?)))
        };
        let mut out = Vec::new();
        for bound in access.grant.limits.iter().take(LIMITS_MAX) {
            let Some(counter) = counter(bound) else { continue };
            let verdict = self.counter.peek(&[Take { limit: &bound.limit, counter }], 0, now_us);
            if let Some(state) = verdict.states().first() {
                out.push(Standing { bound: bound.clone(), state: *state });
            }
        }
        out
    }
}
