//! What a key refers to must exist.

use std::collections::BTreeSet;

use super::rules::{Check, unknown};
use crate::admin::Shared;
use crate::admin::problem::Problem;
use crate::admin::v1::owners;
use crate::model::id::Name;
use crate::model::key::Key;
use crate::model::owner::Owner;
use crate::store::DocumentKind;

/// The owner a key is to have.
#[derive(Debug)]
pub struct Found {
    /// The owner.
    pub owner: Owner,
    /// Whether it is still to be made.
    pub is_new: bool,
}

/// Roles exist.
pub async fn roles(services: &Shared, check: &mut Check, roles: &[Name], base: Option<&Key>) -> Result<(), Problem> {
    let had = base.map_or(&[][..], |key| &key.roles);
    all(services, check, DocumentKind::Role, "/roles", roles, had).await
}

/// Shared conditions exist.
pub async fn conditions(
    services: &Shared,
    check: &mut Check,
    names: &[Name],
    base: Option<&Key>,
) -> Result<(), Problem> {
    let had = base.map_or(&[][..], |key| &key.condition_names);
    all(services, check, DocumentKind::Condition, "/condition_names", names, had).await
}

/// The plan exists.
pub async fn plan(
    services: &Shared,
    check: &mut Check,
    plan: Option<&Name>,
    base: Option<&Key>,
) -> Result<(), Problem> {
    let Some(plan) = plan.filter(|p| base.and_then(|key| key.plan.as_ref()) != Some(*p)) else { return Ok(()) };
    let known = names(services, DocumentKind::Plan).await?;
    if !known.contains(plan) {
        check.add(unknown("/plan", "plan", plan.as_str(), known.iter().map(Name::as_str)));
    }
    Ok(())
}

async fn all(
    services: &Shared,
    check: &mut Check,
    kind: DocumentKind,
    at: &str,
    wanted: &[Name],
    had: &[Name],
) -> Result<(), Problem> {
    if wanted.iter().all(|name| had.contains(name)) {
        return Ok(());
    }
    let known = names(services, kind).await?;
    for (i, name) in wanted.iter().enumerate() {
        if !known.contains(name) && !had.contains(name) {
            check.add(unknown(&format!("{at}/{i}"), kind.as_str(), name.as_str(), known.iter().map(Name::as_str)));
        }
    }
    Ok(())
}

/// The names in file and store.
async fn names(services: &Shared, kind: DocumentKind) -> Result<BTreeSet<Name>, Problem> {
    let mut names: BTreeSet<Name> = services.store.documents(kind).await?.into_iter().map(|d| d.name).collect();
    let config = &services.current.load().config;
    match kind {
        DocumentKind::Role => {}
        DocumentKind::Plan => names.extend(config.plans.keys().cloned()),
        DocumentKind::Condition => names.extend(config.conditions.keys().cloned()),
    }
    Ok(names)
}

/// The owner exists, or is to be made.
pub async fn owner(
    services: &Shared,
    check: &mut Check,
    owner: Option<&str>,
    create: bool,
) -> Result<Option<Found>, Problem> {
    let Some(text) = owner else { return Ok(None) };
    if let Some(owner) = owners::lookup(services, text).await? {
        return Ok(Some(Found { owner, is_new: false }));
    }
    if create {
        let mut own = Check::default();
        let owner = owners::fresh(services, &mut own, text);
        own.done().map_err(|_| Problem::field("/owner", owners::NAME_RULE))?;
        return Ok(Some(Found { owner, is_new: true }));
    }
    let similar = owners::similar(services, text).await?;
    let problem = unknown("/owner", "owner", text, similar.iter().map(String::as_str));
    check.add(problem.or_hint("create it first, or send `create_owner: true`"));
    Ok(None)
}
