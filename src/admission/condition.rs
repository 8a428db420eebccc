//! Here and now: what the route and the key demand of the caller and the moment.

mod rules;

use std::sync::Arc;

use super::explain::{Failure, Watch};
use super::verdict::Refusal;
use super::{Access, Ask, Checked, known_to_holder};
use crate::geo::GeoDbs;
use crate::model::reason::Reason;
use crate::model::route::Origin;
use crate::snapshot::{ActiveRoute, NamedCondition};

use rules::{Broken, Facts};

/// Asks every condition: the route's, those the key names, the key's own. The first that does not hold refuses.
pub(super) fn hold(
    ask: &Ask<'_>,
    route: Option<&Arc<ActiveRoute>>,
    access: Option<&Access>,
    geo: &GeoDbs,
    watch: &mut impl Watch,
) -> Checked<()> {
    if let Some(access) = access.filter(|a| a.grant.broken.is_some()) {
        return Err(closed(route, access, watch));
    }
    let of_route = route.into_iter().flat_map(|r| &r.conditions).map(|c| (c, Whose::Route));
    let of_key = access.into_iter().flat_map(|a| &a.grant.conditions).map(|c| (c, Whose::Key));
    let facts = Facts { head: ask.head, geo, allow_unknown: ask.snapshot.config.geo.allow_unknown };
    for (named, whose) in of_route.chain(of_key) {
        if let Err(broken) = facts.check(&named.condition, |name, detail| {
            watch.passed(name, || (detail(), Some(named.origin.clone())));
        }) {
            watch.failed(broken.rule, || failure(&broken, named, whose, route, access));
            return Err(refuse(ask, *broken, route, access));
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Whose {
    Route,
    Key,
}

fn refuse(ask: &Ask<'_>, broken: Broken, route: Option<&Arc<ActiveRoute>>, access: Option<&Access>) -> Box<Refusal> {
    let refusal = if ask.snapshot.config.errors.minimal_detail {
        Refusal::new(Reason::ConditionsNotMet, "This request is not allowed from here or at this time.")
    } else {
        let mut refusal = Refusal::new(broken.reason, broken.detail);
        refusal.observed = Some(broken.observed);
        refusal
    };
    match access {
        Some(access) => known_to_holder(refusal, access, route),
        None => refusal,
    }
}

/// The key depends on something that is gone or unreadable: closed, not open.
fn closed(route: Option<&Arc<ActiveRoute>>, access: &Access, watch: &mut impl Watch) -> Box<Refusal> {
    let why = access.grant.broken.as_deref().unwrap_or_default();
    watch.failed("conditions", || Failure {
        detail: why.to_owned(),
        origin: None,
        fix: vec![format!("argus key edit {}", access.key.name)],
    });
    let detail = "This key cannot be used at present: its settings are incomplete. Ask whoever gave it to you.";
    known_to_holder(Refusal::new(Reason::ConditionsNotMet, detail), access, route)
}

fn failure(
    broken: &Broken,
    named: &NamedCondition,
    whose: Whose,
    route: Option<&Arc<ActiveRoute>>,
    access: Option<&Access>,
) -> Failure {
    let origin = match &named.origin {
        Origin { file: Some(_), .. } => Some(named.origin.clone()),
        Origin { file: None, .. } => {
            route.filter(|_| matches!(whose, Whose::Route)).map(|r| r.route.conditions_origin.clone())
        }
    };
    let mut fix = Vec::new();
    if let (Some(option), Some(access), Whose::Key) = (&broken.option, access, whose)
        && named.name.is_none()
    {
        fix.push(format!("argus key edit {} {option}", access.key.name));
    }
    if let Some(name) = &named.name {
        let place = match named.origin.to_string() {
            place if place.is_empty() => String::new(),
            place => format!(" ({place})"),
        };
        fix.push(format!("change the condition \"{name}\"{place}"));
    }
    Failure { detail: broken.told.clone(), origin, fix }
}
