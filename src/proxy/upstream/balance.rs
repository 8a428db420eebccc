//! Which server of an upstream takes the next request.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Group;
use crate::model::upstream::Balance;

impl Group {
    /// The place of the next server. One that could not be reached a moment ago is passed over while another could
    /// be.
    pub(super) fn choose(&self, now: Instant) -> usize {
        let n = self.servers.len();
        if n == 1 {
            return 0;
        }
        let start = self.next.fetch_add(1, Ordering::Relaxed) % n;
        let in_turn = (0..n).map(|i| (start + i) % n);
        let in_service = in_turn.clone().filter(|at| !self.servers[*at].failed_lately(now));
        let chosen = match self.settings().balance {
            Balance::RoundRobin => in_service.clone().next(),
            Balance::LeastRequests => in_service.clone().min_by_key(|at| self.servers[*at].in_flight()),
        };
        chosen.unwrap_or(start)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::upstream::{Upstream, UpstreamTls};

    fn group(balance: Balance) -> Group {
        let settings = Upstream {
            name: "up".parse().unwrap(),
            servers: ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"]
                .map(|s| s.parse().unwrap())
                .into(),
            balance,
            connect_timeout: std::time::Duration::from_secs(1),
            request_timeout: std::time::Duration::from_secs(1),
            tls: UpstreamTls::default(),
        };
        Group::new(Arc::new(super::super::Prepared::read(&settings).unwrap()), 0)
    }

    #[test]
    fn round_robin_takes_turns_and_passes_over_the_failed() {
        let group = group(Balance::RoundRobin);
        let now = Instant::now();
        assert_eq!([0, 1, 2, 3].map(|_| group.choose(now)), [0, 1, 2, 0]);
        group.servers[1].note_failure(now);
        assert_eq!([0, 1, 2].map(|_| group.choose(now)), [2, 2, 0]);
        group.servers.iter().for_each(|s| s.note_failure(now));
        assert!(group.choose(now) < 3, "with all failed, one is tried all the same");
    }

    #[test]
    fn least_requests_prefers_the_free() {
        let group = group(Balance::LeastRequests);
        group.servers[0].add_in_flight(2);
        group.servers[2].add_in_flight(1);
        let now = Instant::now();
        assert_eq!([0, 1, 2].map(|_| group.choose(now)), [1, 1, 1]);
    }
}
