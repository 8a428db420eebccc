//! A key as the hot path wants it: what it may do, under which conditions and limits, and what the upstream is told.
//!
//! Compiled once per key and snapshot, so that roles, plans and named conditions are looked up then and not for every
//! request. What cannot be compiled (a condition that is gone, a time zone nobody knows any more) closes the key
//! rather than opening it.

use std::sync::Arc;

use http::HeaderValue;

use super::identity;
use super::{ActivePlan, BoundLimit, NamedCondition, Snapshot, build, subject};
use crate::model::condition::Condition;
use crate::model::fields::Fields;
use crate::model::key::Key;
use crate::model::limit::{LIMITS_MAX, LimitKind};
use crate::model::owner::Owner;
use crate::model::plan::compile_limits;
use crate::model::route::Origin;
use crate::model::scope::Scope;

/// A key under one snapshot.
#[derive(Debug)]
pub struct Access {
    /// The snapshot's generation.
    pub generation: u64,
    /// The record.
    pub key: Arc<Key>,
    /// Whose it is.
    pub owner: Option<Arc<Owner>>,
    /// What it may do: its own scopes and those of its roles.
    pub scopes: Vec<Scope>,
    /// Its conditions: those it names, then its own.
    pub conditions: Vec<Arc<NamedCondition>>,
    /// Its limits: its own or its plan's, then those it shares with the owner's other keys.
    pub limits: Vec<BoundLimit>,
    /// Its limits as `RateLimit-Policy` tells them; absent if it has none.
    pub policy: Option<HeaderValue>,
    /// Its plan; the default plan if it names none, or one that is gone.
    pub plan: Arc<ActivePlan>,
    /// What a counter of this key alone is known by.
    pub subject: u128,
    /// What a counter of its owner is known by.
    pub owner_subject: Option<u128>,
    /// Why it opens nothing, for operators: something it depends on is gone or unreadable.
    pub broken: Option<Box<str>>,
    /// The headers by which the upstream learns who calls, as they go on the wire.
    pub identity: Fields,
}

impl Access {
    /// Compiles `key` against `snapshot`.
    pub fn compile(key: &Arc<Key>, owner: Option<&Arc<Owner>>, snapshot: &Snapshot) -> Self {
        let mut broken = None;
        let plan = plan(key, snapshot);
        let scopes = scopes(key, snapshot);
        let conditions = conditions(key, snapshot).unwrap_or_else(|why| {
            broken = Some(why);
            Vec::new()
        });
        let limits = limits(key, owner.map(|o| &**o), &plan).unwrap_or_else(|why| {
            broken = Some(why);
            Vec::new()
        });
        let (names, environments) = (&snapshot.identity, &snapshot.environments);
        let identity = identity::fields(names, key, owner.map(|o| &**o), &scopes, &plan.header, environments);
        Access {
            generation: snapshot.generation,
            key: Arc::clone(key),
            owner: owner.cloned(),
            scopes,
            conditions,
            policy: build::policy(&limits),
            limits,
            plan,
            subject: subject::hash(&[b"key", key.id.public().as_bytes()]),
            owner_subject: key.owner.as_ref().map(|o| subject::hash(&[b"owner", o.as_str().as_bytes()])),
            broken,
            identity,
        }
    }

    /// About how many bytes this takes, for the cap of the cache.
    pub(super) fn bytes(&self) -> u64 {
        let limits = self.limits.len() * size_of::<BoundLimit>();
        let conditions = self.conditions.len() * size_of::<usize>();
        let own_conditions = if self.key.conditions.is_empty() { 0 } else { size_of::<Condition>() + 256 };
        let values = self.identity.as_bytes().len();
        let scopes: usize = self.scopes.iter().map(|s| s.as_str().len() + 16).sum();
        let total = size_of::<Access>() + limits + conditions + own_conditions + values + scopes + 128;
        u64::try_from(total).unwrap_or(u64::MAX)
    }
}

fn plan(key: &Key, snapshot: &Snapshot) -> Arc<ActivePlan> {
    let named = key.plan.as_ref().and_then(|name| snapshot.plans.get(name));
    Arc::clone(named.unwrap_or(&snapshot.default_plan))
}

fn scopes(key: &Key, snapshot: &Snapshot) -> Vec<Scope> {
    let mut scopes = key.scopes.clone();
    for role in key.roles.iter().filter_map(|name| snapshot.roles.get(name)) {
        for scope in &role.scopes {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
    }
    scopes
}

fn conditions(key: &Key, snapshot: &Snapshot) -> Result<Vec<Arc<NamedCondition>>, Box<str>> {
    let mut out = Vec::with_capacity(key.condition_names.len() + 1);
    for name in &key.condition_names {
        let condition = snapshot.conditions.get(name);
        out.push(Arc::clone(condition.ok_or_else(|| format!("the condition `{name}` that the key names is gone"))?));
    }
    if !key.conditions.is_empty() {
        let condition = Condition::try_from(&key.conditions);
        let condition = condition.map_err(|e| format!("the key's own conditions cannot be used: {e}"))?;
        out.push(Arc::new(NamedCondition { name: None, condition, origin: Origin::none() }));
    }
    Ok(out)
}

/// The key's own rates replace the plan's, its own quota the plan's quota.
fn limits(key: &Key, owner: Option<&Owner>, plan: &ActivePlan) -> Result<Vec<BoundLimit>, Box<str>> {
    let own = compile_limits(&key.limits, key.quota.as_ref());
    let own = own.map_err(|e| format!("the key's own limits cannot be used: {e}"))?;
    let replaced = |kind: LimitKind| match kind {
        LimitKind::Rate => !key.limits.is_empty(),
        LimitKind::Quota => key.quota.is_some(),
    };
    let mut out: Vec<BoundLimit> = plan.limits.iter().filter(|b| !replaced(b.limit.kind)).cloned().collect();
    let id = key.id.public().as_bytes();
    for limit in own {
        let identity = subject::hash(&[b"key-limit", id, limit.name.as_str().as_bytes()]);
        let label = build::unused(&limit.name, &out);
        out.push(BoundLimit { label, limit, identity, origin: Origin::none() });
    }
    if let Some(owner) = owner {
        let shared = compile_limits(&owner.limits, None);
        for mut limit in shared.map_err(|e| format!("the owner's limits cannot be used: {e}"))? {
            limit.by = vec![crate::model::limit::LimitBy::Owner];
            let identity =
                subject::hash(&[b"owner-limit", owner.id.as_str().as_bytes(), limit.name.as_str().as_bytes()]);
            let label = build::unused(&build::prefixed("owner", &limit.name), &out);
            out.push(BoundLimit { label, limit, identity, origin: Origin::none() });
        }
    }
    if out.len() > LIMITS_MAX {
        return Err(
            format!("the key meets {} limits, more than the {LIMITS_MAX} that can be counted", out.len()).into()
        );
    }
    Ok(out)
}
