//! May the key do this?

use std::sync::Arc;

use super::explain::{Failure, Watch};
use super::verdict::{Refusal, echo};
use super::{Access, Ask, Checked, known_to_holder};
use crate::model::reason::Reason;
use crate::model::scope::{Scope, ScopeQuery};
use crate::snapshot::ActiveRoute;

/// Whether the key has what the route demands for the method. A route that lists demands by method and none for this
/// one takes nobody: what was forgotten must not be open.
pub(super) fn suffice(
    ask: &Ask<'_>,
    route: Option<&Arc<ActiveRoute>>,
    access: Option<&Access>,
    watch: &mut impl Watch,
) -> Checked<()> {
    // A public route asks nobody what it may do, and a question about the key alone asks for no route.
    let (Some(route), Some(access)) = (route, access) else { return Ok(()) };
    let Some(demands) = &route.route.scopes else {
        watch.passed("scope", || ("the route demands none".to_owned(), None));
        return Ok(());
    };
    let demand = demands.find(ask.head.method);
    if let Some(demand) = demand
        && demand.allows(&access.grant.scopes)
    {
        watch.passed("scope", || (format!("has {demand}"), Some(route.route.scopes_origin.clone())));
        return Ok(());
    }
    watch.failed("scope", || failure(ask, route, access, demand));
    let (method, path) = (echo(ask.head.method.as_str()), echo(ask.head.path));
    let detail = match demand {
        Some(demand) => format!("This key may not {method} to {path}. It needs {}.", needed(demand)),
        None => format!("This key may not {method} to {path}. No scope allows that method here."),
    };
    let mut refusal = Refusal::new(Reason::InsufficientScope, detail);
    refusal.required_scopes = demand.map(|d| d.scopes().iter().map(ToString::to_string).collect()).unwrap_or_default();
    Err(known_to_holder(refusal, access, Some(route)))
}

fn needed(demand: &ScopeQuery) -> String {
    match demand {
        ScopeQuery::Has(scope) => format!("the scope {scope}"),
        ScopeQuery::All(_) | ScopeQuery::Any(_) => format!("the scopes {demand}"),
    }
}

fn failure(ask: &Ask<'_>, route: &ActiveRoute, access: &Access, demand: Option<&ScopeQuery>) -> Failure {
    let (method, name) = (echo(ask.head.method.as_str()), &route.route.name);
    let origin = Some(route.route.scopes_origin.clone());
    let place = match route.route.scopes_origin.to_string() {
        place if place.is_empty() => String::new(),
        place => format!(" ({place})"),
    };
    let have = match &access.grant.scopes[..] {
        [] => "none".to_owned(),
        scopes => scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(", "),
    };
    let Some(demand) = demand else {
        let detail = format!("route {name} names no scope for {method}, and so takes it from nobody");
        return Failure { detail, origin, fix: vec![format!("name a scope for {method} on route {name}{place}")] };
    };
    let missing: Vec<String> = demand
        .scopes()
        .into_iter()
        .filter(|wanted| !access.grant.scopes.iter().any(|have| have.covers(wanted)))
        .map(|scope| format!("--add-scope {scope}"))
        .collect();
    let mut fix = vec![format!("argus key edit {} {}", access.key.name, missing.join(" "))];
    if let Some(first) = access.grant.scopes.first() {
        fix.push(format!("let {method} on route \"{name}\" accept {first}{place}"));
    }
    Failure { detail: format!("needs {demand}, has {have}"), origin, fix }
}
