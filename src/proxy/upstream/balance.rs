//! Which server of an upstream takes the next request.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Endpoints;
use super::pool::Server;
use crate::model::upstream::Balance;

/// The servers of an upstream as one worker has them.
#[derive(Debug)]
pub(super) struct Servers {
    /// What they were made from.
    pub endpoints: Arc<Endpoints>,
    pub list: Vec<Arc<Server>>,
    /// Places in `list`, each as often as its weight says, and evenly spread.
    turns: Vec<u16>,
    next: AtomicUsize,
    is_even: bool,
}

/// What a choice goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// Who calls, where that counts.
    pub caller: u64,
    /// When.
    pub now: Instant,
    /// Places that were tried already.
    pub tried: &'a [usize],
    /// How long a server that is back gets less than its share.
    pub slow_start: Duration,
}

impl Servers {
    pub fn new(endpoints: Arc<Endpoints>, list: Vec<Arc<Server>>) -> Self {
        let weights: Vec<u16> = list.iter().map(|s| s.endpoint.weight).collect();
        let is_even = weights.windows(2).all(|w| w[0] == w[1]);
        Servers { endpoints, turns: turns(&weights), list, next: AtomicUsize::new(0), is_even }
    }

    /// The place of the next server: one in service if there is one, else any that is not known to be down; `None`
    /// once all of those were tried.
    pub fn choose(&self, balance: &Balance, ask: Ask<'_>) -> Option<usize> {
        let endpoint = |at: usize| &self.list[at].endpoint;
        let may = |at: usize| !ask.tried.contains(&at) && !endpoint(at).is_down();
        let in_service = |at: usize| may(at) && endpoint(at).in_service(ask.now);
        // Whoever is always sent to the same server is not sent elsewhere because it is young.
        let is_slow = !ask.slow_start.is_zero() && !matches!(balance, Balance::Hash(_));
        let takes = |at: usize| {
            let share = endpoint(at).share(ask.now, ask.slow_start);
            in_service(at) && (share >= 1.0 || rand::random::<f64>() < share)
        };
        let first = if is_slow { self.among(balance, ask.caller, takes) } else { None };
        first.or_else(|| self.among(balance, ask.caller, in_service)).or_else(|| self.among(balance, ask.caller, may))
    }

    fn among(&self, balance: &Balance, caller: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        match balance {
            Balance::RoundRobin => self.walk_from(self.next.fetch_add(1, Ordering::Relaxed), may),
            Balance::LeastRequests => self.less_busy(rand::random(), may),
            Balance::Hash(_) => self.by_hash(caller, may),
        }
    }

    /// The first that may, from a turn on.
    fn walk_from(&self, turn: usize, may: impl Fn(usize) -> bool) -> Option<usize> {
        let n = self.turns.len();
        let start = turn.checked_rem(n)?;
        (start..n).chain(0..start).map(|turn| usize::from(self.turns[turn])).find(|at| may(*at))
    }

    /// The less busy of two. Drawing two is nearly as good as looking at all, and two workers that know nothing of each
    /// other do not both run to the same one.
    fn less_busy(&self, [a, b]: [u32; 2], may: impl Fn(usize) -> bool) -> Option<usize> {
        let first = self.walk_from(a as usize, &may)?;
        let Some(second) = self.walk_from(b as usize, |at| at != first && may(at)) else { return Some(first) };
        // Compared as fractions: requests per weight, the new one included.
        let load = |at: usize, other: usize| {
            (self.list[at].in_flight() + 1).saturating_mul(usize::from(self.list[other].endpoint.weight))
        };
        Some(if load(second, first) < load(first, second) { second } else { first })
    }

    /// The one whose draw for this caller is the highest (rendezvous hashing): when a server is lost or comes, only
    /// its own callers move.
    fn by_hash(&self, caller: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        let draw = |at: usize| mix(caller ^ self.list[at].endpoint.identity);
        let places = (0..self.list.len()).filter(|at| may(*at));
        if self.is_even {
            return places.max_by_key(|at| (draw(*at), Reverse(*at)));
        }
        // -weight / ln(draw between 0 and 1): the chance to be the highest is in proportion to the weight.
        let score = |at: usize| {
            let unit = ((draw(at) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            -f64::from(self.list[at].endpoint.weight) / unit.ln()
        };
        places.max_by(|a, b| score(*a).total_cmp(&score(*b)))
    }
}

/// A bijection that spreads every bit over all others (the finaliser of MurmurHash3).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// The order of one round in which each place comes as often as its weight says, as far apart as can be.
fn turns(weights: &[u16]) -> Vec<u16> {
    // At most as many as an upstream has addresses, which fits.
    let place = |at: usize| u16::try_from(at).unwrap_or(0);
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    if weights.iter().all(|w| *w == divisor) {
        return (0..weights.len()).map(place).collect();
    }
    let total: i64 = weights.iter().map(|w| i64::from(w / divisor)).sum();
    let mut credit = vec![0_i64; weights.len()];
    let mut order = Vec::new();
    for _ in 0..total {
        credit.iter_mut().zip(weights).for_each(|(c, w)| *c += i64::from(w / divisor));
        let Some(at) = (0..credit.len()).max_by_key(|at| (credit[*at], Reverse(*at))) else { break };
        credit[at] -= total;
        order.push(place(at));
    }
    order
}

fn gcd(a: u16, b: u16) -> u16 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::upstream::{self, HashBy, Upstream};
    use crate::proxy::upstream::endpoint::Endpoint;

    fn servers(weights: &[u16]) -> Servers {
        let server = |(n, weight): (usize, &u16)| upstream::Server {
            url: format!("http://127.0.0.1:{}", n + 1).parse().unwrap(),
            weight: *weight,
        };
        let all: Vec<_> = weights.iter().enumerate().map(server).collect();
        let settings = Upstream::new("up".parse().unwrap(), all);
        let new = |s| Arc::new(Server::new(Arc::new(Endpoint::new(s, None)), None, &settings));
        Servers::new(Arc::default(), settings.servers.iter().map(new).collect())
    }

    fn ask(caller: u64, tried: &[usize]) -> Ask<'_> {
        Ask { caller, now: Instant::now(), tried, slow_start: Duration::ZERO }
    }

    const BY_KEY: Balance = Balance::Hash(HashBy::Key);

    #[test]
    fn round_robin_takes_turns_and_passes_over_the_failed() {
        let all = servers(&[1, 1, 1]);
        let choose = |tried: &[usize]| all.choose(&Balance::RoundRobin, ask(0, tried));
        assert_eq!([0, 1, 2, 3].map(|_| choose(&[]).unwrap()), [0, 1, 2, 0]);
        all.list[1].endpoint.note_unreachable(Instant::now());
        assert_eq!([0, 1, 2].map(|_| choose(&[]).unwrap()), [2, 2, 0]);
        all.list.iter().for_each(|s| s.endpoint.note_unreachable(Instant::now()));
        assert!(choose(&[]).is_some(), "with all failed, one is tried all the same");
        assert_eq!(choose(&[0, 2]), Some(1));
        assert_eq!(choose(&[0, 1, 2]), None);
    }

    #[test]
    fn turns_are_spread() {
        assert_eq!(turns(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[2, 2]), [0, 1]);
        assert_eq!(turns(&[]), [0; 0]);
    }

    #[test]
    fn least_requests_takes_the_less_busy_of_two() {
        let all = servers(&[1, 1]);
        all.list[0].add_in_flight(1);
        let choose = |all: &Servers| all.choose(&Balance::LeastRequests, ask(0, &[]));
        assert!((0..50).all(|_| choose(&all) == Some(1)));
        let all = servers(&[3, 1]);
        all.list[0].add_in_flight(1);
        assert!((0..50).all(|_| choose(&all) == Some(0)), "two of three are less than one of one");
        let all = servers(&[1, 1, 1]);
        all.list[2].add_in_flight(9);
        assert!((0..50).all(|_| choose(&all) != Some(2)), "the busiest is never the less busy of two");
    }

    #[test]
    fn a_hash_follows_the_weights() {
        let all = servers(&[1, 3]);
        let second = (0..4_000).filter(|n| all.choose(&BY_KEY, ask(mix(*n), &[])) == Some(1)).count();
        assert!((2_800..3_200).contains(&second), "{second} of 4000");
    }

    proptest! {
        #[test]
        fn a_lost_server_moves_only_its_own_callers(
            weights in prop::collection::vec(1_u16..5, 2..8), lost in 0_usize..8, callers in prop::collection::vec(any::<u64>(), 50)
        ) {
            let all = servers(&weights);
            let lost = lost % weights.len();
            let before: Vec<_> = callers.iter().map(|c| all.choose(&BY_KEY, ask(*c, &[])).unwrap()).collect();
            all.list[lost].endpoint.note_unreachable(Instant::now());
            for (caller, before) in callers.iter().zip(before) {
                let after = all.choose(&BY_KEY, ask(*caller, &[])).unwrap();
                prop_assert_eq!(after == before, before != lost);
            }
        }

        #[test]
        fn a_round_holds_every_weight(weights in prop::collection::vec(1_u16..=100, 1..20)) {
            let order = turns(&weights);
            let divisor = weights.iter().copied().fold(0, gcd);
            for (at, weight) in weights.iter().enumerate() {
                prop_assert_eq!(order.iter().filter(|t| usize::from(**t) == at).count(), usize::from(weight / divisor));
            }
        }
    }
}
