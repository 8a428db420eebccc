//! What may be set of a key: read as text, checked as a whole, so that everything wrong is told at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::references;
use super::rules::{self, Check};
use crate::admin::problem::{FieldProblem, Problem};
use crate::admin::{Shared, text};
use crate::model::condition::ConditionText;
use crate::model::id::{Name, OwnerId};
use crate::model::key::{Key, KeyType};
use crate::model::limit::{LimitText, QuotaText};
use crate::model::owner::Owner;
use crate::model::scope::Scope;

/// Most scopes of a key or role.
pub const SCOPES_MAX: usize = 100;
/// Most roles of a key.
pub const ROLES_MAX: usize = 50;
/// Most shared conditions of a key.
pub const CONDITION_NAMES_MAX: usize = 20;
/// Most tags of a key.
pub const TAGS_MAX: usize = 20;
/// Longest tag, in characters.
pub const TAG_LEN_MAX: usize = 50;

/// What may be set of a key when it is made or changed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// Unique among keys in use.
    #[schema(required = true, examples("billing-prod"), pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    pub name: String,
    /// For people.
    pub description: String,
    /// What it is for.
    pub r#type: KeyType,
    /// Its owner: by `own_…`, name or external id.
    pub owner: Option<String>,
    /// What it may do, as `resource:action`.
    #[schema(examples(json!(["invoices:read"])))]
    pub scopes: Vec<String>,
    /// Names of roles.
    pub roles: Vec<String>,
    /// Its plan; the default plan if absent.
    pub plan: Option<String>,
    /// Its own conditions.
    pub conditions: ConditionText,
    /// Names of shared conditions that must hold besides.
    pub condition_names: Vec<String>,
    /// Its own limits, in place of the plan's rates.
    pub limits: Vec<LimitText>,
    /// Its own quota, in place of the plan's.
    pub quota: Option<QuotaText>,
    /// Not valid before: a moment.
    pub not_before: Option<String>,
    /// Not valid from then on: a moment, or `never`.
    #[schema(examples("2026-12-01T00:00:00Z"))]
    pub expires_at: Option<String>,
    /// Not valid after so long: a duration, or `never`.
    #[schema(examples("90d"))]
    pub expires_in: Option<String>,
    /// Free facts.
    pub meta: BTreeMap<String, String>,
    /// Free words.
    pub tags: Vec<String>,
    /// `live`, `test` or another configured word; the first configured one if absent. Stands in the key itself, so it
    /// is given when the key is made and cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("live"))]
    pub environment: Option<String>,
    /// Whether an `owner` that does not exist is made, with that name. Only when a key is made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create_owner: bool,
}

/// Settings in which nothing is left to check.
#[derive(Debug)]
pub struct Checked {
    name: Name,
    owner: Option<OwnerId>,
    scopes: Vec<Scope>,
    roles: Vec<Name>,
    plan: Option<Name>,
    condition_names: Vec<Name>,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    rest: KeySettings,
    /// The environment; of a new key, one that is configured.
    pub environment: String,
    /// An owner that is to be made with the key.
    pub new_owner: Option<Owner>,
}

/// What the end of a key's life is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is said.
    Unsaid,
    /// It never ends.
    Never,
    /// It ends.
    At(Timestamp),
}

impl KeySettings {
    /// The settings a key has now, as the base of a merge patch.
    pub fn of(key: &Key) -> Self {
        let names = |list: &[Name]| list.iter().map(Name::to_string).collect();
        KeySettings {
            name: key.name.to_string(),
            description: key.description.clone(),
            r#type: key.r#type,
            owner: key.owner.as_ref().map(OwnerId::to_string),
            scopes: key.scopes.iter().map(Scope::to_string).collect(),
            roles: names(&key.roles),
            plan: key.plan.as_ref().map(Name::to_string),
            conditions: key.conditions.clone(),
            condition_names: names(&key.condition_names),
            limits: key.limits.clone(),
            quota: key.quota.clone(),
            not_before: key.not_before.map(|t| t.to_string()),
            expires_at: key.expires_at.map(|t| t.to_string()),
            expires_in: None,
            meta: key.meta.clone(),
            tags: key.tags.clone(),
            environment: None,
            create_owner: false,
        }
    }

    /// Checks everything. What `base` refers to already is not asked for again, so that a plan or a database that has
    /// left the file does not stand in the way of other changes.
    pub async fn check(self, services: &Shared, base: Option<&Key>) -> Result<Checked, Problem> {
        let now = services.now();
        let config = Arc::clone(&services.current.load().config);
        let mut check = Check::default();
        let environment = match (self.environment.as_deref(), base) {
            (None, Some(key)) => key.environment.clone(),
            (Some(_), Some(_)) => {
                check.add(
                    FieldProblem::at("/environment", "the environment stands in the key itself and cannot be changed")
                        .hint("create another key for the other environment"),
                );
                String::new()
            }
            (given, None) => rules::environment(&mut check, given, &config.keys.environments),
        };
        let name = check.parse::<Name>("/name", &self.name);
        check.text("/description", &self.description, rules::DESCRIPTION_LEN_MAX);
        let scopes: Vec<Scope> = check.list("/scopes", &self.scopes, SCOPES_MAX);
        let roles: Vec<Name> = check.list("/roles", &self.roles, ROLES_MAX);
        let condition_names: Vec<Name> = check.list("/condition_names", &self.condition_names, CONDITION_NAMES_MAX);
        let plan = self.plan.as_deref().and_then(|plan| check.parse::<Name>("/plan", plan));
        rules::meta(&mut check, "/meta", &self.meta);
        rules::words(&mut check, "/tags", &self.tags, TAGS_MAX, TAG_LEN_MAX);
        rules::limits(&mut check, "", &self.limits, self.quota.as_ref());
        if !self.conditions.is_empty() && base.is_none_or(|key| key.conditions != self.conditions) {
            rules::condition(&mut check, "/conditions", &self.conditions, &config.geo);
        }
        let not_before = self.not_before.as_deref().and_then(|t| check.keep("/not_before", text::moment(t)));
        let expires_at = match ending(&mut check, self.expires_at.as_deref(), self.expires_in.as_deref(), now) {
            Ending::At(end) => Some(end),
            Ending::Never => None,
            // In a patch `null` takes the end away; a new key gets the usual life.
            Ending::Unsaid if base.is_some() => None,
            Ending::Unsaid => config.keys.default_ttl.and_then(|ttl| {
                let ttl = jiff::SignedDuration::try_from(ttl).ok()?;
                text::after(now, ttl).ok()
            }),
        };
        let kept = base.is_some_and(|key| key.expires_at == expires_at);
        if expires_at.is_some_and(|end| end <= now) && !kept {
            check.add(
                FieldProblem::at("/expires_at", "the end lies in the past")
                    .hint("revoke or disable the key to end it now"),
            );
        }
        if not_before.zip(expires_at).is_some_and(|(begin, end)| begin >= end) {
            check.add(FieldProblem::at("/not_before", "the key would end before it begins"));
        }
        references::roles(services, &mut check, &roles, base).await?;
        references::plan(services, &mut check, plan.as_ref(), base).await?;
        references::conditions(services, &mut check, &condition_names, base).await?;
        let found = references::owner(services, &mut check, self.owner.as_deref(), self.create_owner).await?;
        check.done()?;
        let Some(name) = name else { return Err(Problem::field("/name", "a name is needed")) };
        Ok(Checked {
            name,
            owner: found.as_ref().map(|f| f.owner.id.clone()),
            new_owner: found.filter(|f| f.is_new).map(|f| f.owner),
            scopes,
            roles,
            plan,
            condition_names,
            not_before,
            expires_at,
            environment,
            rest: self,
        })
    }
}

/// What `expires_at` and `expires_in` say together.
pub fn ending(check: &mut Check, at: Option<&str>, span: Option<&str>, now: Timestamp) -> Ending {
    let keep = |end: Option<Timestamp>| end.map_or(Ending::Unsaid, Ending::At);
    match (at, span) {
        (None, None) => Ending::Unsaid,
        (Some(_), Some(_)) => {
            check.add(FieldProblem::at("/expires_in", "give `expires_at` or `expires_in`, not both"));
            Ending::Unsaid
        }
        (Some("never"), None) | (None, Some("never")) => Ending::Never,
        (Some(at), None) => keep(check.keep("/expires_at", text::moment(at))),
        (None, Some(span)) => {
            let end = text::duration(span).and_then(|span| text::after(now, span));
            keep(check.keep("/expires_in", end))
        }
    }
}

impl Checked {
    /// The name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Puts the settings into `key`.
    pub fn apply(self, key: &mut Key) {
        key.name = self.name;
        key.description = self.rest.description;
        key.r#type = self.rest.r#type;
        key.owner = self.owner;
        key.scopes = self.scopes;
        key.roles = self.roles;
        key.plan = self.plan;
        key.conditions = self.rest.conditions;
        key.condition_names = self.condition_names;
        key.limits = self.rest.limits;
        key.quota = self.rest.quota;
        key.not_before = self.not_before;
        key.expires_at = self.expires_at;
        key.meta = self.rest.meta;
        key.tags = self.rest.tags;
    }
}
