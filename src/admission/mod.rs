//! Admission: given the facts of a request, may it pass? One engine behind every door.
//!
//! The steps stand in `Engine::steps`, in their order: transport, route, credential, key, environment, state,
//! conditions, scopes, limits. The first that fails refuses. Before the key's secret is proven a refusal is vague on
//! purpose; afterwards it is exact, as only the key's holder can see it. On a cache hit nothing waits.

mod condition;
mod credential;
mod explain;
mod head;
mod key_lookup;
mod limit;
mod report;
mod route;
mod scope;
mod standing;
mod state;
#[cfg(test)]
mod tests;
mod verdict;

use std::sync::Arc;

use http::Method;

use crate::geo::GeoDbs;
use crate::limits::Counter;
use crate::model::clock::Now;
use crate::model::reason::Reason;
use crate::model::route::RouteAuth;
use crate::snapshot::InsecureRequests;
use crate::snapshot::key_cache::KeyCache;
use crate::snapshot::{ActiveRoute, Snapshot};

pub use crate::snapshot::Access;
pub use explain::{Caller, ExplainInput, Explanation, Step, StepOutcome, Target, Verification};
pub use head::{ClientFacts, Head};
pub use report::LimitReport;
pub use route::{find_route, settle};
pub use standing::Standing;
pub use verdict::{Admitted, Decision, DecisionSource, Observed, Refusal};

use explain::{Notes, Unwatched, Watch};

/// What the engine asks.
pub struct EngineParts {
    /// Keys, in memory and in the store.
    pub keys: Arc<KeyCache>,
    /// Counters of limits.
    pub counter: Arc<dyn Counter>,
    /// Where addresses are.
    pub geo: Arc<GeoDbs>,
}

/// Decides. One for the process; every call names the snapshot it goes by.
pub struct Engine {
    keys: Arc<KeyCache>,
    counter: Arc<dyn Counter>,
    geo: Arc<GeoDbs>,
    failures: limit::FailureGate,
}

/// What the steps have found so far; what is here holds for a refusal too.
struct SoFar {
    route: Option<Arc<ActiveRoute>>,
    access: Option<Access>,
    met: Met,
}

/// What happened on the way.
struct Met {
    limits: LimitReport,
    cost: u64,
    source: DecisionSource,
    key_in_query: bool,
}

/// What the steps are asked.
struct Ask<'a> {
    snapshot: &'a Snapshot,
    head: &'a Head<'a>,
    caller: &'a Caller,
    /// Whether there is a request to route, or the key alone is asked about.
    routed: bool,
    /// Whether this is a request of a client's: units are taken, failed credentials are counted.
    real: bool,
    /// Whether units are taken.
    take: bool,
}

type Checked<T> = Result<T, Box<Refusal>>;

impl Engine {
    /// An engine that asks `parts`.
    pub fn new(parts: EngineParts) -> Self {
        let EngineParts { keys, counter, geo } = parts;
        Engine { keys, counter, geo, failures: limit::FailureGate::default() }
    }

    /// Where a client is, looked up once for each.
    pub fn place(&self, client: &ClientFacts) -> crate::geo::Place {
        client.place(&self.geo)
    }

    /// Decides about a request. Waits only for the store, and only for a key that is not in memory. May be dropped
    /// half-way: units are taken in the last step, all or none.
    pub async fn decide(&self, snapshot: &Arc<Snapshot>, head: &Head<'_>) -> Decision {
        let ask = Ask { snapshot, head, caller: &Caller::Headers, routed: true, real: true, take: true };
        let mut so_far = SoFar::new();
        let result = self.steps(&ask, &mut so_far, &mut Unwatched).await;
        so_far.decision(result)
    }

    /// Says what would become of a request, and why, step by step. Takes and counts nothing.
    pub async fn explain(&self, snapshot: &Arc<Snapshot>, input: ExplainInput) -> Explanation {
        let mut notes = Notes::new();
        let (so_far, result) = self.question(snapshot, &input, false, &mut notes).await;
        let refusal = result.err();
        let (steps, fix) = notes.finish(refusal.is_some());
        let SoFar { route, access, met: Met { limits, cost, .. } } = so_far;
        Explanation { steps, route, access, refusal, limits, cost, fix }
    }

    /// Verifies a key for another program; takes units if `consume`. Its failures are not counted against the
    /// address: whoever asks has proven who it is.
    pub async fn verify(&self, snapshot: &Arc<Snapshot>, input: ExplainInput, consume: bool) -> Verification {
        let (so_far, result) = self.question(snapshot, &input, consume, &mut Unwatched).await;
        let SoFar { route, access, met: Met { limits, cost, .. } } = so_far;
        Verification { route, access, refusal: result.err(), limits, cost }
    }

    async fn question(
        &self,
        snapshot: &Snapshot,
        input: &ExplainInput,
        take: bool,
        watch: &mut impl Watch,
    ) -> (SoFar, Checked<()>) {
        let client = ClientFacts::new(input.ip, snapshot.config.clients.ipv6_prefix);
        let target = input.target.as_ref();
        let path = match target.map(|t| settle(snapshot, (&t.method, &t.host, &input.headers), &t.path)) {
            Some(Ok(path)) => path,
            Some(Err(fault)) => return (SoFar::new(), Err(route::unclear(fault, watch))),
            None => "/".into(),
        };
        let head = Head {
            method: target.map_or(&Method::GET, |t| &t.method),
            host: target.map_or("", |t| &t.host),
            path: &path,
            query: target.and_then(|t| t.query.as_deref()),
            body_bytes: 0,
            body_bytes_max: None,
            headers: &input.headers,
            client: &client,
            secure: true,
            insecure: InsecureRequests::Allow,
            now: Now { wall: input.at.unwrap_or(input.now.wall), steady_us: input.now.steady_us },
        };
        let ask = Ask { snapshot, head: &head, caller: &input.caller, routed: target.is_some(), real: false, take };
        let mut so_far = SoFar::new();
        let result = self.steps(&ask, &mut so_far, watch).await;
        (so_far, result)
    }

    /// The steps, in order.
    async fn steps(&self, ask: &Ask<'_>, so_far: &mut SoFar, watch: &mut impl Watch) -> Checked<()> {
        let SoFar { route, access, met } = so_far;
        transport(ask.head)?;
        *route = self.route(ask, access, met, watch).await?;
        let route = route.as_ref();
        route.map_or(Ok(()), |route| route::takes_body(ask.head, route))?;
        if route.is_none_or(|r| r.route.auth == RouteAuth::ApiKey) {
            self.caller(ask, route, access, met, watch).await?;
        } else {
            watch.passed("credential", || ("not needed: the route is public".to_owned(), None));
        }
        let access = access.as_ref();
        condition::hold(ask, route, access, &self.geo, watch)?;
        scope::suffice(ask, route, access, watch)?;
        limit::take(ask, route, access, &*self.counter, met, watch)
    }

    /// The route, or `None` if the question has no target.
    async fn route(
        &self,
        ask: &Ask<'_>,
        access: &mut Option<Access>,
        met: &mut Met,
        watch: &mut impl Watch,
    ) -> Checked<Option<Arc<ActiveRoute>>> {
        if !ask.routed {
            return Ok(None);
        }
        match route::find(ask, watch) {
            Ok(route) => Ok(Some(route)),
            Err(not_found) if ask.snapshot.config.errors.hide_routes => {
                // Without a valid key, a route that is not there looks like one that wants a key.
                self.caller(ask, None, access, met, watch).await?;
                Err(not_found)
            }
            Err(not_found) => Err(not_found),
        }
    }

    /// Who calls: finds the credential, proves the key, and asks for its state.
    async fn caller(
        &self,
        ask: &Ask<'_>,
        route: Option<&Arc<ActiveRoute>>,
        access: &mut Option<Access>,
        met: &mut Met,
        watch: &mut impl Watch,
    ) -> Checked<()> {
        let proven = self.prove(ask, route, met, watch).await.map_err(|mut refusal| {
            refusal.realm = route.map(|r| r.route.name.clone());
            refusal
        })?;
        state::check(ask, route, access.insert(proven), watch)
    }
}

/// Plain HTTP where only TLS is served: refused before any credential is looked at, in the same words for all.
fn transport(head: &Head<'_>) -> Checked<()> {
    if head.secure || head.insecure == InsecureRequests::Allow {
        return Ok(());
    }
    let mut refusal = Refusal::new(
        Reason::InsecureTransport,
        "This address is served over HTTPS only. Use https:// and consider a key that was sent in the clear as exposed.",
    );
    refusal.redirect_to_https = head.insecure == InsecureRequests::Redirect;
    Err(refusal)
}

impl SoFar {
    fn new() -> Self {
        let met = Met { limits: LimitReport::empty(), cost: 0, source: DecisionSource::Memory, key_in_query: false };
        SoFar { route: None, access: None, met }
    }

    fn decision(self, result: Checked<()>) -> Decision {
        let SoFar { route, access, met: Met { limits, cost, source, key_in_query } } = self;
        let outcome = match (result, &route) {
            (Ok(()), Some(route)) => Ok(Admitted::new(Arc::clone(route), access.clone())),
            (Ok(()), None) => Err(Refusal::new(Reason::InternalError, "The request was admitted to no route.")),
            (Err(refusal), _) => Err(refusal),
        };
        Decision { route, access, outcome, limits, cost, source, key_in_query }
    }
}

/// The refusal as the key's holder may see it.
fn known_to_holder(mut refusal: Box<Refusal>, access: &Access, route: Option<&Arc<ActiveRoute>>) -> Box<Refusal> {
    refusal.key_id = Some(access.key.id);
    refusal.realm = route.map(|r| r.route.name.clone());
    refusal
}
