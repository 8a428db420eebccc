//! Usage of keys, gathered per worker and flushed to the store in batches.

use std::net::IpAddr;

use ahash::AHashMap;
use jiff::Timestamp;

use super::labels::Labels;
use crate::model::country::Country;
use crate::model::id::KeyId;
use crate::model::reason::Reason;
use crate::store::{LastUse, UsageBatch, UsageCounts, UsageKey};

/// Distinct (key, route, outcome) a worker remembers between two flushes. At about 100 bytes each: 13 MB.
pub const USAGE_ENTRIES_MAX: usize = 131_072;

/// The last call made with a key, in small.
#[derive(Debug, Clone, Copy)]
pub struct LastCall {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: IpAddr,
    /// From which country.
    pub country: Option<Country>,
    /// Route's number.
    pub route: u16,
    /// Status sent.
    pub status: u16,
}

/// What one worker has gathered since the last flush.
#[derive(Debug, Default)]
pub struct UsageCell {
    counts: AHashMap<(Option<KeyId>, u16, Option<Reason>), UsageCounts>,
    last: AHashMap<KeyId, LastCall>,
    /// Calls that found no room.
    pub dropped: u64,
}

impl UsageCell {
    /// Counts one call.
    pub fn count(&mut self, key: Option<KeyId>, reason: Option<Reason>, call: LastCall, cost: u64, bytes: (u64, u64)) {
        let which = (key, call.route, reason);
        if self.counts.len() >= USAGE_ENTRIES_MAX && !self.counts.contains_key(&which) {
            self.dropped += 1;
            return;
        }
        let counts = self.counts.entry(which).or_default();
        counts.requests += 1;
        counts.cost = counts.cost.saturating_add(cost);
        counts.bytes_in = counts.bytes_in.saturating_add(bytes.0);
        counts.bytes_out = counts.bytes_out.saturating_add(bytes.1);
        if let Some(key) = key {
            self.last.insert(key, call);
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many calls were counted.
    pub fn calls(&self) -> u64 {
        self.counts.values().map(|c| c.requests).sum()
    }

    /// Adds the cell to `batch`, with names for numbers.
    pub fn drain_into(self, routes: &Labels, batch: &mut UsageBatch) {
        let names = routes.names();
        let name = |number: u16| names.get(usize::from(number)).map(|n| n.to_string()).unwrap_or_default();
        for ((key, route, reason), counts) in self.counts {
            let code = reason.map_or("ok", Reason::code).to_owned();
            let sum = batch.counts.entry(UsageKey { key, route: name(route), code }).or_default();
            sum.requests += counts.requests;
            sum.cost = sum.cost.saturating_add(counts.cost);
            sum.bytes_in = sum.bytes_in.saturating_add(counts.bytes_in);
            sum.bytes_out = sum.bytes_out.saturating_add(counts.bytes_out);
        }
        for (key, call) in self.last {
            let last = LastUse {
                at: call.at,
                ip: call.ip.to_string(),
                country: call.country.map(|c| c.to_string()),
                route: name(call.route),
                status: call.status,
            };
            match batch.last_use.get(&key) {
                Some(have) if have.at > last.at => {}
                _ => {
                    batch.last_use.insert(key, last);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_call_wins() {
        let routes = Labels::with_none("");
        let route = routes.number("api");
        let key = crate::model::key_format::new_public_id();
        let call = |second| LastCall {
            at: Timestamp::from_second(second).unwrap(),
            ip: "192.0.2.1".parse().unwrap(),
            country: None,
            route,
            status: 200,
        };
        let (mut a, mut b) = (UsageCell::default(), UsageCell::default());
        a.count(Some(key), None, call(20), 5, (1, 2));
        b.count(Some(key), Some(Reason::RateLimited), call(10), 0, (0, 0));
        b.count(Some(key), None, call(11), 5, (1, 2));
        let mut batch = UsageBatch::default();
        a.drain_into(&routes, &mut batch);
        b.drain_into(&routes, &mut batch);
        assert_eq!(batch.last_use[&key].at, Timestamp::from_second(20).unwrap());
        let ok = UsageKey { key: Some(key), route: "api".into(), code: "ok".into() };
        assert_eq!((batch.counts[&ok].requests, batch.counts[&ok].cost, batch.counts.len()), (2, 10, 2));
    }
}
