//! Within its limits? All of them, or none is taken from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::explain::{Failure, Watch};
use super::report::{LimitReport, seconds_up};
use super::verdict::Refusal;
use super::{Access, Ask, Checked, Met, known_to_holder};
use crate::limits::{Counter, LimitState, Take, Verdict};
use crate::model::limit::{LIMITS_MAX, LimitBy, LimitKind};
use crate::model::reason::Reason;
use crate::snapshot::{ActiveRoute, BoundLimit, subject};

/// Takes the request's units from the key's and the route's limits.
pub(super) fn take(
    ask: &Ask<'_>,
    route: Option<&Arc<ActiveRoute>>,
    access: Option<&Access>,
    counter: &dyn Counter,
    met: &mut Met,
    watch: &mut impl Watch,
) -> Checked<()> {
    let cost = route.map_or(1, |r| r.route.cost_of(ask.head.method));
    let of_key = access.map_or(&[][..], |a| &a.grant.limits);
    let of_route = route.map_or(&[][..], |r| &r.limits);
    let count = of_key.len() + of_route.len();
    met.cost = cost;
    let Some(first) = of_key.first().or_else(|| of_route.first()) else {
        watch.passed("limits", || ("none".to_owned(), None));
        return Ok(());
    };
    if count > LIMITS_MAX {
        return Err(too_many(count, watch));
    }
    let subjects = Subjects::of(ask, route, access);
    let none = Take { limit: &first.limit, counter: 0 };
    // What most requests meet needs no room for what the others may.
    let (mut few, mut many);
    let takes: &mut [Take<'_>] = if count <= 4 {
        few = [none; 4];
        &mut few[..count]
    } else {
        many = [none; LIMITS_MAX];
        &mut many[..count]
    };
    for (slot, bound) in takes.iter_mut().zip(of_key.iter().chain(of_route)) {
        *slot = Take { limit: &bound.limit, counter: subjects.counter(bound) };
    }
    let now_us = ask.head.now.steady_us;
    let verdict = if ask.take { counter.take(takes, cost, now_us) } else { counter.peek(takes, cost, now_us) };
    let outcome = outcome(&verdict);
    let report = LimitReport::new(access.map(|a| Arc::clone(&a.grant)), route.cloned(), verdict);
    let checked = match outcome {
        Outcome::Admitted => {
            watch.passed("limits", || (left(&report), None));
            Ok(())
        }
        Outcome::Overloaded => Err(overloaded(watch)),
        Outcome::Refused => Err(refuse(&report, cost, route, access, watch)),
    };
    met.limits = report;
    checked
}

enum Outcome {
    Admitted,
    Overloaded,
    Refused,
}

fn outcome(verdict: &Verdict) -> Outcome {
    match (verdict.admitted, verdict.table_full) {
        (true, _) => Outcome::Admitted,
        (false, true) => Outcome::Overloaded,
        (false, false) => Outcome::Refused,
    }
}

/// Of whom limits may count.
struct Subjects {
    key: Option<u128>,
    owner: Option<u128>,
    ip: u128,
    route: u128,
}

impl Subjects {
    fn of(ask: &Ask<'_>, route: Option<&Arc<ActiveRoute>>, access: Option<&Access>) -> Self {
        Subjects {
            key: access.map(|a| a.key.subject),
            owner: access.and_then(|a| a.key.owner_subject()),
            ip: ask.head.client.subject(),
            route: route.map_or(0, |r| r.subject),
        }
    }

    /// The counter of `bound`. Where there is no owner the key is counted, and where there is no key the address.
    fn counter(&self, bound: &BoundLimit) -> u128 {
        let subject = |by: &LimitBy| match by {
            LimitBy::Key => self.key.unwrap_or(self.ip),
            LimitBy::Owner => self.owner.or(self.key).unwrap_or(self.ip),
            LimitBy::Ip => self.ip,
            LimitBy::Route => self.route,
        };
        bound.limit.by.iter().map(subject).fold(bound.identity, subject::join)
    }
}

fn refuse(
    report: &LimitReport,
    cost: u64,
    route: Option<&Arc<ActiveRoute>>,
    access: Option<&Access>,
    watch: &mut impl Watch,
) -> Box<Refusal> {
    let refusing = || report.iter().filter(|(_, state)| state.refused);
    // The one that refuses longest: when it admits, the others do.
    let Some((bound, state)) = refusing().max_by_key(|(_, state)| state.retry_us) else {
        return Refusal::new(Reason::InternalError, "A limit refused without saying which.");
    };
    let (reason, word) = match bound.limit.kind {
        LimitKind::Rate => (Reason::RateLimited, "rate"),
        LimitKind::Quota => (Reason::QuotaExceeded, "quota"),
    };
    let wait = seconds_up(state.retry_us).max(1);
    watch.failed("limits", || failure(bound, state, cost, access));
    let detail = if cost > bound.limit.burst {
        let most = bound.limit.burst;
        format!(
            "This request costs {cost} units, and the {word} \"{}\" never grants more than {most} at once.",
            bound.label
        )
    } else {
        format!("The {word} \"{}\" of {} is used up. Try again in {wait} s.", bound.label, bound.limit)
    };
    let mut refusal = Refusal::new(reason, detail);
    refusal.retry_after_s = Some(wait);
    refusal.violated = refusing().map(|(bound, _)| bound.label.clone()).collect();
    match access {
        Some(access) => known_to_holder(refusal, access, route),
        None => refusal,
    }
}

fn failure(bound: &BoundLimit, state: &LimitState, cost: u64, access: Option<&Access>) -> Failure {
    let wait = seconds_up(state.retry_us).max(1);
    let mut fix = vec![format!("wait {wait} s")];
    if let Some(access) = access {
        fix.push(format!("argus key edit {} --plan PLAN (now {})", access.key.name, access.grant.plan.name));
    }
    Failure {
        detail: format!("{} {}: {} left, {cost} needed, in {wait} s", bound.label, bound.limit, state.remaining),
        origin: Some(bound.origin.clone()),
        fix,
    }
}

fn left(report: &LimitReport) -> String {
    let each = |(bound, state): (&BoundLimit, &LimitState)| {
        format!("{} {}: {} left", bound.label, bound.limit, state.remaining)
    };
    report.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn overloaded(watch: &mut impl Watch) -> Box<Refusal> {
    watch.failed("limits", || Failure {
        detail: "the table of counters is full, and none of them is idle".to_owned(),
        origin: None,
        fix: vec!["raise the memory for counters, or count by fewer addresses".to_owned()],
    });
    let mut refusal =
        Refusal::new(Reason::GatewayOverloaded, "The gateway has too many callers to count. Try again shortly.");
    refusal.retry_after_s = Some(1);
    refusal
}

fn too_many(count: usize, watch: &mut impl Watch) -> Box<Refusal> {
    watch.failed("limits", || Failure {
        detail: format!(
            "the key and the route have {count} limits together, more than the {LIMITS_MAX} that can be counted"
        ),
        origin: None,
        fix: vec!["take limits from the route, the plan, the key or its owner".to_owned()],
    });
    Refusal::new(Reason::InternalError, "The gateway cannot count the limits of this request.")
}

/// Failed credentials, counted by address: whoever guesses is soon not heard any more.
///
/// An address that has used up its failures is refused before its credential is looked at, right or wrong, so that
/// refusals tell a guesser nothing. As long as nobody fails, nobody is asked about it.
#[derive(Debug, Default)]
pub(super) struct FailureGate {
    /// Steady microseconds until which some address may have failures.
    until_us: AtomicU64,
}

impl FailureGate {
    /// Refuses an address that has used up its failures.
    pub(super) fn open(&self, ask: &Ask<'_>, counter: &dyn Counter) -> Checked<()> {
        let Some(bound) = &ask.snapshot.failures else { return Ok(()) };
        let now_us = ask.head.now.steady_us;
        if now_us > self.until_us.load(Ordering::Relaxed) {
            return Ok(());
        }
        let verdict = counter.peek(&[self.taking(bound, ask)], 1, now_us);
        match verdict.states().first().filter(|state| state.refused) {
            None => Ok(()),
            Some(state) => {
                let detail = "Too many invalid API keys came from this address. Check the key, then try again later.";
                let mut refusal = Refusal::new(Reason::TooManyFailures, detail);
                refusal.retry_after_s = Some(seconds_up(state.retry_us).max(1));
                Err(refusal)
            }
        }
    }

    /// Counts a failure. When the table of counters is full it goes uncounted: the guesser is refused all the same.
    pub(super) fn count(&self, ask: &Ask<'_>, counter: &dyn Counter) {
        let Some(bound) = &ask.snapshot.failures else { return };
        let now_us = ask.head.now.steady_us;
        counter.take(&[self.taking(bound, ask)], 1, now_us);
        let window_us = bound.limit.window.nominal_seconds().saturating_mul(1_000_000);
        // A sliding window forgets after twice its length.
        self.until_us.fetch_max(now_us.saturating_add(window_us.saturating_mul(2)), Ordering::Relaxed);
    }

    fn taking<'a>(&self, bound: &'a BoundLimit, ask: &Ask<'_>) -> Take<'a> {
        Take { limit: &bound.limit, counter: subject::join(bound.identity, ask.head.client.subject()) }
    }
}
