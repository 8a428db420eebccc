//! The key as it is shown: everything but its secret.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::admin::problem::Problem;
use crate::admin::{Shared, etag};
use crate::limits::LimitState;
use crate::model::condition::ConditionText;
use crate::model::id::{KeyId, Name, OwnerId};
use crate::model::key::{Key, KeyStatus, KeyType, Revocation};
use crate::model::limit::{LimitKind, LimitText};
use crate::model::scope::Scope;
use crate::snapshot::{Access, BoundLimit};
use crate::store::{KeyUsage, LastUse};

/// A key.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Key)]
pub struct KeyObject {
    /// Its id.
    #[schema(value_type = String, examples("key_9f3KtWq2Zc"))]
    pub id: KeyId,
    /// `key`.
    pub object: &'static str,
    /// The same key's UUID.
    #[schema(value_type = String, format = "uuid")]
    pub uuid: Uuid,
    /// What may be shown of the key itself.
    #[schema(examples("argus_live_9f3KtWq2Zc"))]
    pub prefix: String,
    /// Unique among keys in use.
    #[schema(value_type = String, examples("billing-prod"))]
    pub name: Name,
    /// For people.
    pub description: String,
    /// What it is now, derived from the fields below.
    pub status: KeyStatus,
    /// `live`, `test` or another configured word.
    pub environment: String,
    /// What it is for.
    pub r#type: KeyType,
    /// Id of its owner.
    #[schema(value_type = Option<String>, examples("own_42"))]
    pub owner: Option<OwnerId>,
    /// Name of its owner.
    pub owner_name: Option<String>,
    /// What it may do, besides what its roles grant.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Scope>,
    /// Its roles.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Name>,
    /// Its plan; the default plan if null.
    #[schema(value_type = Option<String>)]
    pub plan: Option<Name>,
    /// Its own conditions.
    pub conditions: ConditionText,
    /// Shared conditions that must hold besides.
    #[schema(value_type = Vec<String>)]
    pub condition_names: Vec<Name>,
    /// Its own limits, in place of the plan's rates.
    pub limits: Vec<LimitText>,
    /// Its quota, its own or its plan's, and how far it is used up.
    pub quota: Option<QuotaObject>,
    /// Not valid before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_before: Option<Timestamp>,
    /// Not valid from then on; never ends if null.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Who took whose place.
    pub rotation: Rotation,
    /// The last call made with it, refused ones included.
    pub last_used: Option<LastUse>,
    /// What is left of the limits and quotas that count this key, or its owner's keys together: its own or its plan's.
    pub counters: Vec<Counter>,
    /// Calls made with it since it exists.
    pub usage: CallCounts,
    /// What to look at.
    pub flags: KeyFlags,
    /// Free facts.
    pub meta: BTreeMap<String, String>,
    /// Free words.
    pub tags: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When and why it was revoked.
    pub revoked: Option<Revocation>,
    /// Its version, for `If-Match`.
    #[schema(examples("W/\"7\""))]
    pub etag: String,
}

/// Who took whose place.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Rotation {
    /// The key that takes this one's place.
    #[schema(value_type = Option<String>)]
    pub replaced_by: Option<KeyId>,
    /// The key whose place this one took.
    #[schema(value_type = Option<String>)]
    pub replaces: Option<KeyId>,
}

/// A limit or quota, and what is left of it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = LimitCounter)]
pub struct Counter {
    /// Its name, as in headers and refusals.
    #[schema(value_type = String, examples("month"))]
    pub name: Name,
    /// `rate` or `quota`.
    #[schema(examples("quota"))]
    pub kind: &'static str,
    /// As people say it.
    #[schema(examples("2000000/month"))]
    pub limit: String,
    /// Units it grants at once.
    pub units: u64,
    /// Units taken.
    pub used: u64,
    /// Units left.
    pub remaining: u64,
    /// When some units return; null while none are taken.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resets_at: Option<Timestamp>,
}

impl Counter {
    /// A limit with its state at `now`.
    pub fn new(bound: &BoundLimit, state: &LimitState, now: Timestamp) -> Self {
        let units = bound.limit.burst;
        let remaining = state.remaining.min(units);
        let reset_s = i64::try_from(state.reset_us.div_ceil(1_000_000)).unwrap_or(i64::MAX);
        let returns = || Timestamp::from_second(now.as_second().checked_add(reset_s)?).ok();
        Counter {
            name: bound.label.clone(),
            kind: match bound.limit.kind {
                LimitKind::Rate => "rate",
                LimitKind::Quota => "quota",
            },
            limit: bound.limit.to_string(),
            units,
            used: units - remaining,
            remaining,
            resets_at: if remaining < units { returns() } else { None },
        }
    }
}

/// A quota, and how far it is used up.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = KeyQuota)]
pub struct QuotaObject {
    /// Units per period.
    pub units: u64,
    /// The period.
    #[schema(examples("month"))]
    pub every: String,
    /// `key` if it is the key's own, `plan` if it is its plan's.
    #[schema(examples("plan"))]
    pub of: &'static str,
    /// Units taken in this period.
    pub used: u64,
    /// When the next period begins; null while nothing is used.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resets_at: Option<Timestamp>,
}

impl QuotaObject {
    fn of(key: &Key, counters: &[Counter]) -> Option<Self> {
        let counter = counters.iter().find(|counter| counter.kind == "quota")?;
        let (_, every) = counter.limit.split_once('/')?;
        let of = if key.quota.is_some() { "key" } else { "plan" };
        let (units, used) = (counter.units, counter.used);
        Some(QuotaObject { units, every: every.to_owned(), of, used, resets_at: counter.resets_at })
    }
}

/// How often a key was used.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct CallCounts {
    /// Calls.
    pub total: u64,
    /// Calls refused.
    pub refused: u64,
}

/// What to look at.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct KeyFlags {
    /// Seen in clear text on an unprotected connection.
    pub exposed: bool,
    /// Imported with less than 128 bits of estimated strength.
    pub weak: bool,
    /// Whole days since it was last used, or made if it never was.
    pub unused_days: u64,
}

/// One key as it is shown.
pub async fn one(services: &Shared, key: &Key) -> Result<KeyObject, Problem> {
    let mut shown = many(services, std::slice::from_ref(key)).await?;
    shown.pop().ok_or_else(|| Problem::not_found("key", &key.id.to_string(), None))
}

/// Keys as they are shown, with their use and their owners' names.
pub async fn many(services: &Shared, keys: &[Key]) -> Result<Vec<KeyObject>, Problem> {
    let ids: Vec<KeyId> = keys.iter().map(|k| k.id).collect();
    let mut usage = services.store.key_usage(&ids).await?;
    for (id, pending) in services.usage.pending(&ids) {
        add(usage.entry(id).or_default(), pending);
    }
    let owners: BTreeSet<&OwnerId> = keys.iter().filter_map(|k| k.owner.as_ref()).collect();
    let mut known = BTreeMap::new();
    for id in owners {
        if let Some(owner) = services.store.owner(id).await? {
            known.insert(id.clone(), Arc::new(owner));
        }
    }
    let snapshot = services.current.load();
    let now = services.clock.now();
    Ok(keys
        .iter()
        .map(|key| {
            let owner = key.owner.as_ref().and_then(|id| known.get(id));
            let access = Access::of(key, owner, &snapshot);
            let standing = services.engine.standing(&access, now.steady_us);
            let counters = standing.iter().map(|s| Counter::new(&s.bound, &s.state, now.wall)).collect();
            let usage = usage.get(&key.id).cloned().unwrap_or_default();
            show(key, usage, counters, owner.map(|o| o.name.clone()), now.wall)
        })
        .collect())
}

fn add(sum: &mut KeyUsage, more: KeyUsage) {
    sum.total = sum.total.saturating_add(more.total);
    sum.refused = sum.refused.saturating_add(more.refused);
    let newer = |a: &LastUse, b: &Option<LastUse>| b.as_ref().is_none_or(|b| a.at >= b.at);
    if more.last_used.as_ref().is_some_and(|last| newer(last, &sum.last_used)) {
        sum.last_used = more.last_used;
    }
}

fn show(key: &Key, usage: KeyUsage, counters: Vec<Counter>, owner_name: Option<String>, now: Timestamp) -> KeyObject {
    let idle_since = usage.last_used.as_ref().map_or(key.created_at, |last| last.at);
    let idle_seconds = now.as_second().saturating_sub(idle_since.as_second());
    KeyObject {
        id: key.id,
        object: "key",
        uuid: key.uuid,
        prefix: key.prefix.clone(),
        name: key.name.clone(),
        description: key.description.clone(),
        status: key.status(now),
        environment: key.environment.clone(),
        r#type: key.r#type,
        owner: key.owner.clone(),
        owner_name,
        scopes: key.scopes.clone(),
        roles: key.roles.clone(),
        plan: key.plan.clone(),
        conditions: key.conditions.clone(),
        condition_names: key.condition_names.clone(),
        limits: key.limits.clone(),
        quota: QuotaObject::of(key, &counters),
        not_before: key.not_before,
        expires_at: key.expires_at,
        rotation: Rotation { replaced_by: key.replaced_by, replaces: key.replaces },
        last_used: usage.last_used,
        counters,
        usage: CallCounts { total: usage.total, refused: usage.refused },
        flags: KeyFlags {
            exposed: key.exposed,
            weak: key.weak,
            unused_days: u64::try_from(idle_seconds / 86_400).unwrap_or(0),
        },
        meta: key.meta.clone(),
        tags: key.tags.clone(),
        created_at: key.created_at,
        created_by: key.created_by.clone(),
        updated_at: key.updated_at,
        revoked: key.revoked.clone(),
        etag: etag::of(key.version),
    }
}
