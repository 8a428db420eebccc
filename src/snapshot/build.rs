//! A snapshot out of the configuration and the store's documents. What both define, the file decides.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use http::HeaderValue;
use serde::de::DeserializeOwned;

use super::identity::{self, IdentityNames};
use super::{ActivePlan, ActiveRoute, BoundLimit, NamedCondition, RouteTable, Snapshot, subject};
use crate::config::{ApiKeyAuth, Config, CredentialPlace};
use crate::model::condition::{Condition, ConditionError, ConditionText};
use crate::model::id::Name;
use crate::model::limit::{LIMITS_MAX, Limit, LimitBy, LimitError, LimitKind, LimitText, Rate, Strategy, Window};
use crate::model::plan::{PlanText, compile_limits};
use crate::model::role::RoleText;
use crate::model::route::{Origin, Route};
use crate::store::{Change, Document, DocumentKind, Store, StoreError};

/// The plan of keys that name none, where none is configured.
pub const BUILT_IN_RATE: &str = "100/min";

/// Why no snapshot can be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A route names a condition that is nowhere.
    #[error(
        "route `{route}` names the condition `{condition}`, which neither the configuration nor the store has; create it with `argus condition create {condition}` or take it out of the route"
    )]
    NoCondition {
        /// The route.
        route: Name,
        /// The condition.
        condition: Name,
    },
    /// A plan's limits cannot be counted.
    #[error("plan `{plan}`: {source}")]
    Plan {
        /// The plan.
        plan: Name,
        /// What is wrong with it.
        source: LimitError,
    },
    /// A condition cannot be asked.
    #[error("condition `{condition}`: {source}")]
    Condition {
        /// The condition.
        condition: Name,
        /// What is wrong with it.
        source: ConditionError,
    },
    /// A document in the store cannot be read.
    #[error("the {} `{name}` in the store cannot be read: {detail}", kind.as_str())]
    Document {
        /// What it is.
        kind: DocumentKind,
        /// Which.
        name: Name,
        /// What is wrong with it.
        detail: String,
    },
    /// A prefix no header may have.
    #[error("`{0}` cannot stand in front of a header's name")]
    IdentityPrefix(String),
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store's roles, plans and conditions, read and understood.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    /// Roles.
    pub roles: BTreeMap<Name, RoleText>,
    /// Plans.
    pub plans: BTreeMap<Name, PlanText>,
    /// Conditions.
    pub conditions: BTreeMap<Name, ConditionText>,
}

impl Documents {
    /// Reads them all.
    pub async fn load(store: &dyn Store) -> Result<Self, BuildError> {
        let mut documents = Documents::default();
        for kind in [DocumentKind::Role, DocumentKind::Plan, DocumentKind::Condition] {
            for document in store.documents(kind).await? {
                documents.put(&document)?;
            }
        }
        Ok(documents)
    }

    /// What they are after `change`.
    pub fn apply(&mut self, change: &Change) -> Result<(), BuildError> {
        match change {
            Change::PutDocument { document, .. } => self.put(document)?,
            Change::DeleteDocument { kind: DocumentKind::Role, name, .. } => drop(self.roles.remove(name)),
            Change::DeleteDocument { kind: DocumentKind::Plan, name, .. } => drop(self.plans.remove(name)),
            Change::DeleteDocument { kind: DocumentKind::Condition, name, .. } => drop(self.conditions.remove(name)),
            Change::InsertKey { .. }
            | Change::UpdateKey { .. }
            | Change::DeleteKey { .. }
            | Change::InsertOwner(_)
            | Change::UpdateOwner { .. }
            | Change::DeleteOwner { .. }
            | Change::RecordOnly => {}
        }
        Ok(())
    }

    fn put(&mut self, document: &Document) -> Result<(), BuildError> {
        let name = document.name.clone();
        match document.kind {
            DocumentKind::Role => drop(self.roles.insert(name, read(document)?)),
            DocumentKind::Plan => drop(self.plans.insert(name, read(document)?)),
            DocumentKind::Condition => drop(self.conditions.insert(name, read(document)?)),
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(document: &Document) -> Result<T, BuildError> {
    T::deserialize(&document.body).map_err(|e| BuildError::Document {
        kind: document.kind,
        name: document.name.clone(),
        detail: e.to_string(),
    })
}

/// Builds what is in force from `generation` on.
pub fn build(config: Arc<Config>, documents: &Documents, generation: u64) -> Result<Snapshot, BuildError> {
    let plans = plans(&config, documents)?;
    let conditions = conditions(&config, documents)?;
    let routes = config
        .routes
        .iter()
        .enumerate()
        .map(|(index, route)| active_route(index, route, &conditions).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let prefix = &config.identity_prefix;
    let words = config.keys.environments.iter();
    Ok(Snapshot {
        generation,
        table: RouteTable::new(&routes),
        default_plan: match config.keys.default_plan.as_ref().and_then(|name| plans.get(name)) {
            Some(plan) => Arc::clone(plan),
            None => Arc::new(built_in_plan()?),
        },
        routes,
        plans,
        conditions,
        roles: documents.roles.clone(),
        identity: IdentityNames::new(prefix).ok_or_else(|| BuildError::IdentityPrefix(prefix.clone()))?,
        environments: words.map(|word| (word.clone(), identity::value(word))).collect(),
        failures: config.api_key.failures.map(failures),
        how_to_authenticate: how_to_authenticate(&config.api_key),
        config,
    })
}

fn plans(config: &Config, documents: &Documents) -> Result<BTreeMap<Name, Arc<ActivePlan>>, BuildError> {
    let mut out = BTreeMap::new();
    for (name, text) in documents.plans.iter().filter(|(name, _)| !config.plans.contains_key(*name)) {
        let limits = compile_limits(&text.limits, text.quota.as_ref());
        let limits = limits.map_err(|source| BuildError::Plan { plan: name.clone(), source })?;
        out.insert(name.clone(), Arc::new(active_plan(name.clone(), limits, &Origin::none())));
    }
    for (name, plan) in &config.plans {
        out.insert(name.clone(), Arc::new(active_plan(name.clone(), plan.limits.clone(), &plan.origin)));
    }
    Ok(out)
}

fn active_plan(name: Name, limits: Vec<Limit>, origin: &Origin) -> ActivePlan {
    let bind = |limit: Limit| BoundLimit {
        identity: subject::hash(&[b"plan-limit", name.as_str().as_bytes(), limit.name.as_str().as_bytes()]),
        label: limit.name.clone(),
        limit,
        origin: origin.clone(),
    };
    let limits = limits.into_iter().take(LIMITS_MAX).map(bind).collect();
    ActivePlan { header: identity::value(name.as_str()), limits, name }
}

fn built_in_plan() -> Result<ActivePlan, BuildError> {
    let name: Name = "default".parse().expect("letters make a name");
    let text = LimitText {
        name: None,
        rate: BUILT_IN_RATE.to_owned(),
        burst: None,
        strategy: Some(Strategy::SlidingWindow),
        by: vec![LimitBy::Key],
    };
    let limits = compile_limits(&[text], None).map_err(|source| BuildError::Plan { plan: name.clone(), source })?;
    Ok(active_plan(name, limits, &Origin::none()))
}

fn conditions(config: &Config, documents: &Documents) -> Result<BTreeMap<Name, Arc<NamedCondition>>, BuildError> {
    let mut out = BTreeMap::new();
    let mut put = |name: &Name, condition: Condition, origin: Origin| {
        let named = NamedCondition { name: Some(name.clone()), condition, origin };
        out.insert(name.clone(), Arc::new(named));
    };
    for (name, text) in documents.conditions.iter().filter(|(name, _)| !config.conditions.contains_key(*name)) {
        let condition = Condition::try_from(text);
        let wrong = |source| BuildError::Condition { condition: name.clone(), source };
        put(name, condition.map_err(wrong)?, Origin::none());
    }
    for (name, file) in &config.conditions {
        put(name, file.condition.clone(), file.origin.clone());
    }
    Ok(out)
}

fn active_route(
    index: usize,
    route: &Route,
    conditions: &BTreeMap<Name, Arc<NamedCondition>>,
) -> Result<ActiveRoute, BuildError> {
    let find = |name: &Name| {
        let none = || BuildError::NoCondition { route: route.name.clone(), condition: name.clone() };
        conditions.get(name).cloned().ok_or_else(none)
    };
    let name = route.name.as_str();
    let bind = |limit: &Limit| BoundLimit {
        identity: subject::hash(&[b"route-limit", name.as_bytes(), limit.name.as_str().as_bytes()]),
        label: prefixed(name, &limit.name),
        limit: limit.clone(),
        origin: route.limits_origin.clone(),
    };
    let limits: Vec<BoundLimit> = route.limits.iter().take(LIMITS_MAX).map(bind).collect();
    Ok(ActiveRoute {
        index,
        conditions: route.conditions.iter().map(find).collect::<Result<_, _>>()?,
        policy: policy(&limits),
        limits,
        subject: subject::hash(&[b"route", name.as_bytes()]),
        route: route.clone(),
    })
}

fn failures(rate: Rate) -> BoundLimit {
    let name: Name = "failures".parse().expect("letters make a name");
    let limit = Limit {
        name: name.clone(),
        kind: LimitKind::Rate,
        units: rate.units(),
        window: Window::Seconds(rate.seconds()),
        burst: rate.units(),
        strategy: Strategy::SlidingWindow,
        by: vec![LimitBy::Ip],
    };
    BoundLimit { limit, identity: subject::hash(&[b"failures"]), label: name, origin: Origin::none() }
}

/// `front.name`, cut to what a name may hold.
pub(super) fn prefixed(front: &str, name: &Name) -> Name {
    let text: String = format!("{front}.{name}").chars().take(crate::model::id::NAME_LEN_MAX).collect();
    text.parse().unwrap_or_else(|_| name.clone())
}

/// `name`, or with a number behind it when a limit in `taken` is called that already.
pub(super) fn unused(name: &Name, taken: &[BoundLimit]) -> Name {
    let mut label = name.clone();
    let mut n = 1;
    while taken.iter().any(|b| b.label == label) && n <= LIMITS_MAX {
        n += 1;
        label = format!("{name}-{n}").parse().unwrap_or_else(|_| name.clone());
    }
    label
}

/// `"burst";q=100;w=1, "month";q=2000000;w=2592000`, in the order the limits are counted. For a bucket `q` is what it
/// holds and `w` how long an empty one takes to fill: the rate, told as a quota.
pub(super) fn policy(limits: &[BoundLimit]) -> Option<HeaderValue> {
    let mut text = String::new();
    for bound in limits {
        let limit = &bound.limit;
        let window = limit.window.nominal_seconds();
        let (quota, window) = match limit.strategy {
            Strategy::TokenBucket => {
                let filled = u128::from(limit.burst) * u128::from(window);
                let seconds = filled.div_ceil(u128::from(limit.units.max(1)));
                (limit.burst, u64::try_from(seconds).unwrap_or(u64::MAX).max(1))
            }
            Strategy::FixedWindow | Strategy::SlidingWindow => (limit.units, window),
        };
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{comma}\"{}\";q={quota};w={window}", bound.label);
    }
    if text.is_empty() { None } else { HeaderValue::from_str(&text).ok() }
}

/// `Send an API key in the X-API-Key header or as Authorization: Bearer.`
fn how_to_authenticate(auth: &ApiKeyAuth) -> Box<str> {
    let place = |p: &CredentialPlace| match p {
        CredentialPlace::Header(name) => format!("in the {} header", spelled(name.as_str())),
        CredentialPlace::Bearer => "as Authorization: Bearer".to_owned(),
        CredentialPlace::ApiKeyScheme => "as Authorization: ApiKey".to_owned(),
        CredentialPlace::Query(name) => format!("as the query parameter {name}"),
        CredentialPlace::Cookie(name) => format!("as the cookie {name}"),
    };
    let places: Vec<String> = auth.from.iter().map(place).collect();
    match places.split_last() {
        None => "No place for an API key is configured.".into(),
        Some((last, [])) => format!("Send an API key {last}.").into(),
        Some((last, others)) => format!("Send an API key {} or {last}.", others.join(", ")).into(),
    }
}

/// `x-api-key` as people write it: `X-API-Key`.
fn spelled(header: &str) -> String {
    let word = |w: &str| match w {
        "api" => "API".to_owned(),
        w => w.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(w.chars().skip(1)).collect(),
    };
    header.split('-').map(word).collect::<Vec<_>>().join("-")
}
