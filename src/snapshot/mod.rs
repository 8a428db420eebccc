//! What is in force now: one immutable [`Snapshot`], swapped whole. A request uses one from start to end.

pub mod access;
pub mod build;
pub mod grant;
pub mod identity;
pub mod key_cache;
pub mod refresh;
pub mod route_table;
pub mod subject;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::HeaderValue;

use crate::config::Config;
use crate::model::condition::Condition;
use crate::model::id::Name;
use crate::model::limit::Limit;
use crate::model::role::RoleText;
use crate::model::route::{Origin, Route};

/// The settings a decision goes by.
pub use crate::config::{ApiKeyAuth, CredentialPlace, InsecureRequests, RateLimitHeaders};
pub use access::Access;
pub use grant::Grant;
pub use identity::IdentityNames;
pub use route_table::RouteTable;

/// A condition with the name and the place it is known by.
#[derive(Debug)]
pub struct NamedCondition {
    /// Its name; `None` for a key's own.
    pub name: Option<Name>,
    /// What is asked.
    pub condition: Condition,
    /// Where it stands.
    pub origin: Origin,
}

/// A limit with the identity its counters are derived from.
#[derive(Debug, Clone)]
pub struct BoundLimit {
    /// The limit.
    pub limit: Limit,
    /// Hash of where the limit belongs (plan, key, route or owner) and its name. Holds no route, version or node
    /// unless the limit counts by route, so that a changed limit goes on with its counters.
    pub identity: u128,
    /// The limit's name as callers see it: a route's and an owner's limits say so (`orders.minute`, `owner.minute`),
    /// as they meet others of the same name.
    pub label: Name,
    /// Where it stands.
    pub origin: Origin,
}

/// A route, ready to be matched and asked.
#[derive(Debug)]
pub struct ActiveRoute {
    /// Its place in [`Snapshot::routes`]' list; stable within one snapshot.
    pub index: usize,
    /// As configured.
    pub route: Route,
    /// Its conditions, resolved.
    pub conditions: Vec<Arc<NamedCondition>>,
    /// Its limits.
    pub limits: Vec<BoundLimit>,
    /// Its limits as `RateLimit-Policy` tells them; absent if it has none.
    pub policy: Option<HeaderValue>,
    /// What a counter of this route alone is known by.
    pub subject: u128,
}

/// A plan, ready to be counted.
#[derive(Debug)]
pub struct ActivePlan {
    /// Its name; `default` for the plan that is built in.
    pub name: Name,
    /// Its limits.
    pub limits: Vec<BoundLimit>,
    /// Its name as the upstream gets it.
    pub header: HeaderValue,
}

/// Everything a decision needs, but the key.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows with every swap.
    pub generation: u64,
    /// The configuration this was built from.
    pub config: Arc<Config>,
    /// Routes, in the order of the configuration.
    pub routes: Vec<Arc<ActiveRoute>>,
    /// Plans of file and store; the file wins.
    pub plans: BTreeMap<Name, Arc<ActivePlan>>,
    /// Conditions of file and store; the file wins.
    pub conditions: BTreeMap<Name, Arc<NamedCondition>>,
    /// Roles of the store.
    pub roles: BTreeMap<Name, RoleText>,
    /// The plan of keys that name none.
    pub default_plan: Arc<ActivePlan>,
    /// Which route takes which request.
    pub table: RouteTable,
    /// Names of the identity headers.
    pub identity: IdentityNames,
    /// Environments as the upstream gets them.
    pub environments: Vec<(Box<str>, HeaderValue)>,
    /// Failed credentials taken from one address; `None` when they are not counted.
    pub failures: Option<BoundLimit>,
    /// How to present a key here, in words, for callers that presented none.
    pub how_to_authenticate: Box<str>,
}

/// The snapshot in force.
#[derive(Debug)]
pub struct Current {
    snapshot: ArcSwap<Snapshot>,
    generation: AtomicU64,
}

impl Current {
    /// Starts with `first`.
    pub fn new(first: Snapshot) -> Self {
        Current { generation: AtomicU64::new(first.generation), snapshot: ArcSwap::from_pointee(first) }
    }

    /// The snapshot in force.
    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The generation in force: a cheap question whether [`Current::load`] would give something new.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts `next` in force.
    pub fn swap(&self, next: Snapshot) {
        let generation = next.generation;
        self.snapshot.store(Arc::new(next));
        self.generation.store(generation, Ordering::Release);
    }
}
