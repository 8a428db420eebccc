//! What keys may do. Many keys may do the same, so that it is kept and compiled once for all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use parking_lot::Mutex;
use serde::Serialize;

use super::{ActivePlan, BoundLimit, NamedCondition, Snapshot, access, build, identity, subject};
use crate::model::condition::{Condition, ConditionText};
use crate::model::fields::Fields;
use crate::model::id::{KeyId, Name, OwnerId};
use crate::model::key::Key;
use crate::model::key_in_use::{Charge, OwnerInUse};
use crate::model::limit::{LIMITS_MAX, LimitBy, LimitKind, LimitText, QuotaText};
use crate::model::owner::Owner;
use crate::model::plan::compile_limits;
use crate::model::route::Origin;
use crate::model::scope::Scope;

/// Texts and owners known before those that no key has any more are looked for.
const SWEEP_FROM: usize = 1_024;

/// What a key may do, as its record and its owner's say it.
#[derive(Debug, Serialize)]
pub struct GrantText {
    environment: String,
    scopes: Vec<Scope>,
    roles: Vec<Name>,
    plan: Option<Name>,
    condition_names: Vec<Name>,
    conditions: ConditionText,
    limits: Vec<LimitText>,
    quota: Option<QuotaText>,
    /// The key, if it has limits of its own: they count for it alone.
    alone: Option<KeyId>,
    /// The owner, if it has limits.
    owner: Option<(OwnerId, Vec<LimitText>)>,
    /// Under the snapshot it was last used with.
    #[serde(skip)]
    compiled: ArcSwapOption<Grant>,
    /// The memory it takes, compiled and not.
    #[serde(skip)]
    charge: Charge,
}

/// What keys may do under one snapshot.
///
/// Compiled once, so that roles, plans and named conditions are looked up then and not for every request. What cannot
/// be compiled (a condition that is gone, a time zone nobody knows any more) closes the keys rather than opening them.
#[derive(Debug)]
pub struct Grant {
    /// The snapshot's generation.
    pub generation: u64,
    /// `live`, `test` or another configured word.
    pub environment: Box<str>,
    /// Names of roles.
    pub roles: Vec<Name>,
    /// The scopes of the keys themselves and those of their roles.
    pub scopes: Vec<Scope>,
    /// Conditions: those that are named, then the keys' own.
    pub conditions: Vec<Arc<NamedCondition>>,
    /// Limits: the keys' own or the plan's, then those shared with the owner's other keys.
    pub limits: Vec<BoundLimit>,
    /// The limits as `RateLimit-Policy` tells them; absent if there are none.
    pub policy: Option<HeaderValue>,
    /// The plan; the default plan if none is named, or one that is gone.
    pub plan: Arc<ActivePlan>,
    /// Why it opens nothing, for operators: something it depends on is gone or unreadable.
    pub broken: Option<Box<str>>,
    /// What the upstream is told of the caller that is the same for all these keys.
    pub identity: Fields,
}

impl GrantText {
    /// What `key` may do, which belongs to `owner`.
    pub fn of(key: &Key, owner: Option<&Owner>, charge: Charge) -> Self {
        let has_own_limits = !key.limits.is_empty() || key.quota.is_some();
        GrantText {
            environment: key.environment.clone(),
            scopes: key.scopes.clone(),
            roles: key.roles.clone(),
            plan: key.plan.clone(),
            condition_names: key.condition_names.clone(),
            conditions: key.conditions.clone(),
            limits: key.limits.clone(),
            quota: key.quota.clone(),
            alone: has_own_limits.then_some(key.id),
            owner: owner.filter(|o| !o.limits.is_empty()).map(|o| (o.id.clone(), o.limits.clone())),
            compiled: ArcSwapOption::empty(),
            charge,
        }
    }

    /// The grant under `snapshot`. A request that still has an older snapshot than the last one compiles for itself.
    pub fn under(&self, snapshot: &Snapshot) -> Arc<Grant> {
        let compiled = self.compiled.load_full();
        let last = match compiled {
            Some(grant) if grant.generation == snapshot.generation => return grant,
            other => other.map(|grant| grant.generation),
        };
        let fresh = Arc::new(self.compile(snapshot));
        if last.is_none_or(|last| fresh.generation > last) {
            self.charge.set(self.bytes() + fresh.bytes());
            self.compiled.store(Some(Arc::clone(&fresh)));
        }
        fresh
    }

    fn compile(&self, snapshot: &Snapshot) -> Grant {
        let mut broken = None;
        let plan = Arc::clone(self.plan.as_ref().and_then(|n| snapshot.plans.get(n)).unwrap_or(&snapshot.default_plan));
        let scopes = self.all_scopes(snapshot);
        let conditions = self.all_conditions(snapshot).unwrap_or_else(|why| {
            broken = Some(why);
            Vec::new()
        });
        let limits = self.all_limits(&plan).unwrap_or_else(|why| {
            broken = Some(why);
            Vec::new()
        });
        Grant {
            generation: snapshot.generation,
            environment: self.environment.as_str().into(),
            roles: self.roles.clone(),
            policy: build::policy(&limits),
            identity: identity::of_grant(snapshot, &self.environment, &scopes, &self.roles, &plan.header),
            scopes,
            conditions,
            limits,
            plan,
            broken,
        }
    }

    fn all_scopes(&self, snapshot: &Snapshot) -> Vec<Scope> {
        let mut scopes = self.scopes.clone();
        for role in self.roles.iter().filter_map(|name| snapshot.roles.get(name)) {
            for scope in &role.scopes {
                if !scopes.contains(scope) {
                    scopes.push(scope.clone());
                }
            }
        }
        scopes
    }

    fn all_conditions(&self, snapshot: &Snapshot) -> Result<Vec<Arc<NamedCondition>>, Box<str>> {
        let mut out = Vec::with_capacity(self.condition_names.len() + 1);
        for name in &self.condition_names {
            let condition = snapshot.conditions.get(name);
            let gone = || format!("the condition `{name}` that the key names is gone");
            out.push(Arc::clone(condition.ok_or_else(gone)?));
        }
        if !self.conditions.is_empty() {
            let condition = Condition::try_from(&self.conditions);
            let condition = condition.map_err(|e| format!("the key's own conditions cannot be used: {e}"))?;
            out.push(Arc::new(NamedCondition { name: None, condition, origin: Origin::none() }));
        }
        Ok(out)
    }

    /// The key's own rates replace the plan's, its own quota the plan's quota.
    fn all_limits(&self, plan: &ActivePlan) -> Result<Vec<BoundLimit>, Box<str>> {
        let own = compile_limits(&self.limits, self.quota.as_ref());
        let own = own.map_err(|e| format!("the key's own limits cannot be used: {e}"))?;
        let replaced = |kind: LimitKind| match kind {
            LimitKind::Rate => !self.limits.is_empty(),
            LimitKind::Quota => self.quota.is_some(),
        };
        let mut out: Vec<BoundLimit> = plan.limits.iter().filter(|b| !replaced(b.limit.kind)).cloned().collect();
        let id = self.alone.as_ref().map_or("", KeyId::public).as_bytes();
        for limit in own {
            let identity = subject::hash(&[b"key-limit", id, limit.name.as_str().as_bytes()]);
            let label = build::unused(&limit.name, &out);
            out.push(BoundLimit { label, limit, identity, origin: Origin::none() });
        }
        if let Some((owner, limits)) = &self.owner {
            let shared = compile_limits(limits, None);
            for mut limit in shared.map_err(|e| format!("the owner's limits cannot be used: {e}"))? {
                limit.by = vec![LimitBy::Owner];
                let name = limit.name.as_str().as_bytes();
                let identity = subject::hash(&[b"owner-limit", owner.as_str().as_bytes(), name]);
                let label = build::unused(&build::prefixed("owner", &limit.name), &out);
                out.push(BoundLimit { label, limit, identity, origin: Origin::none() });
            }
        }
        if out.len() > LIMITS_MAX {
            let count = out.len();
            return Err(format!("the key meets {count} limits, more than the {LIMITS_MAX} that can be counted").into());
        }
        Ok(out)
    }

    /// About how many bytes this takes, with the text by which it is found.
    fn bytes(&self) -> usize {
        let words = |words: &[Name]| words.iter().map(|w| w.as_str().len() + 32).sum::<usize>();
        let scopes: usize = self.scopes.iter().map(|s| s.as_str().len() + 32).sum();
        let of_owner = self.owner.as_ref().map_or(0, |(_, limits)| limits.len());
        let limits = (self.limits.len() + of_owner) * (size_of::<LimitText>() + 64);
        let conditions = if self.conditions.is_empty() { 0 } else { 1_024 };
        size_of::<GrantText>() + 2 * (words(&self.roles) + words(&self.condition_names) + scopes + limits + conditions)
    }
}

impl Grant {
    /// About how many bytes this takes. The plan and named conditions are the snapshot's.
    fn bytes(&self) -> usize {
        let scopes: usize = self.scopes.iter().map(|s| s.as_str().len() + 32).sum();
        let roles: usize = self.roles.len() * size_of::<Name>();
        let limits = self.limits.len() * (size_of::<BoundLimit>() + 64);
        let own = self.conditions.iter().filter(|c| c.name.is_none()).count() * (size_of::<Condition>() + 512);
        let policy = self.policy.as_ref().map_or(0, HeaderValue::len);
        size_of::<Grant>() + scopes + roles + limits + own + policy + self.identity.as_bytes().len()
    }
}

/// Texts and owners that keys in memory have in common.
#[derive(Debug, Default)]
pub struct Shared {
    texts: Mutex<Known<String, GrantText>>,
    owners: Mutex<Known<OwnerId, OwnerInUse>>,
    /// The memory that all of them take.
    account: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Known<K, V> {
    all: HashMap<K, Weak<V>>,
    sweep_at: usize,
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Known { all: HashMap::new(), sweep_at: SWEEP_FROM }
    }
}

impl<K: Eq + std::hash::Hash, V> Known<K, V> {
    /// The value known for `key` if it is as good as `fresh`, or else `fresh`.
    fn shared(&mut self, key: K, fresh: V, is_same: impl Fn(&V, &V) -> bool) -> Arc<V> {
        if let Some(known) = self.all.get(&key).and_then(Weak::upgrade)
            && is_same(&known, &fresh)
        {
            return known;
        }
        if self.all.len() >= self.sweep_at {
            self.all.retain(|_, known| known.strong_count() > 0);
            self.sweep_at = (2 * self.all.len()).max(SWEEP_FROM);
        }
        let fresh = Arc::new(fresh);
        self.all.insert(key, Arc::downgrade(&fresh));
        fresh
    }
}

impl Shared {
    /// The text of `key`.
    pub fn text(&self, key: &Key, owner: Option<&Owner>) -> Arc<GrantText> {
        let fresh = GrantText::of(key, owner, Charge::on(&self.account));
        fresh.charge.set(fresh.bytes());
        // One that is one key's alone has nobody to share it with.
        let written = if fresh.alone.is_none() { serde_json::to_string(&fresh).ok() } else { None };
        match written {
            // Texts that are written alike are alike.
            Some(written) => self.texts.lock().shared(written, fresh, |_, _| true),
            None => Arc::new(fresh),
        }
    }

    /// The owner with this id and record.
    pub fn owner(&self, id: &OwnerId, record: Option<Owner>) -> Arc<OwnerInUse> {
        let of_record = record.as_ref().map_or(0, |owner| {
            let meta: usize = owner.meta.iter().map(|(k, v)| k.len() + v.len() + 64).sum();
            let contacts: usize = owner.contacts.iter().map(|c| c.len() + 24).sum();
            owner.name.len() + contacts + meta + owner.limits.len() * size_of::<LimitText>()
        });
        let owner = access::owner_in_use(id, record, Charge::on(&self.account));
        owner.charge.set(size_of::<OwnerInUse>() + of_record + 128);
        self.owners.lock().shared(id.clone(), owner, |a, b| a.record == b.record)
    }

    /// About how many bytes all texts and owners take.
    pub fn bytes(&self) -> u64 {
        self.account.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{key, snapshot};
    use super::*;

    const TOML: &str = "[routes.all]\npaths = [\"/*\"]\nupstream = \"http://127.0.0.1:3000\"\nauth = \"api_key\"\n";

    fn limited(name: &str) -> Key {
        let limit = serde_json::from_str(r#"{"rate":"5/min"}"#).unwrap();
        Key { limits: vec![limit], ..key(name) }
    }

    #[test]
    fn keys_that_may_do_the_same_share_it() {
        let (shared, snapshot) = (Shared::default(), snapshot(TOML));
        let one = shared.text(&key("one"), None);
        let two = shared.text(&key("two"), None);
        assert!(Arc::ptr_eq(&one, &two));
        assert!(Arc::ptr_eq(&one.under(&snapshot), &two.under(&snapshot)));
        let other = Key { environment: "test".to_owned(), ..key("three") };
        assert!(!Arc::ptr_eq(&one, &shared.text(&other, None)));
    }

    #[test]
    fn limits_of_their_own_are_counted_for_each_key_alone() {
        let (shared, snapshot) = (Shared::default(), snapshot(TOML));
        let of = |key: &Key| shared.text(key, None).under(&snapshot).limits[0].identity;
        assert_ne!(of(&limited("one")), of(&limited("two")));
        assert!(shared.texts.lock().all.is_empty(), "nobody looks for them");
    }

    #[test]
    fn memory_is_on_the_account_while_somebody_has_it() {
        let (shared, snapshot) = (Shared::default(), snapshot(TOML));
        let scopes = (0..100).map(|n| format!("scope-{n}:read").parse().unwrap()).collect();
        let text = shared.text(&Key { scopes, ..key("one") }, None);
        let written = shared.bytes();
        assert!(written > 1_000);
        text.under(&snapshot);
        assert!(shared.bytes() > written + 1_000, "compiled it takes more");
        drop(text);
        assert_eq!(shared.bytes(), 0);
    }

    #[test]
    fn what_nobody_has_any_more_is_forgotten() {
        let shared = Shared::default();
        let kept = shared.text(&key("kept"), None);
        for n in 0..SWEEP_FROM + 1 {
            shared.text(&Key { environment: format!("word{n}"), ..key("other") }, None);
        }
        assert!(shared.texts.lock().all.len() < 10);
        assert!(Arc::ptr_eq(&kept, &shared.text(&key("kept"), None)));
    }
}
