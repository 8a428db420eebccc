//! Which API is meant.

use std::sync::Arc;

use super::explain::{Failure, Watch};
use super::verdict::{Refusal, echo};
use super::{Ask, Checked};
use crate::model::reason::Reason;
use crate::snapshot::ActiveRoute;
use crate::snapshot::route_table::RouteMatch;

/// The route that takes the request.
pub(super) fn find(ask: &Ask<'_>, watch: &mut impl Watch) -> Checked<Arc<ActiveRoute>> {
    let head = ask.head;
    match ask.snapshot.table.find(head.host, head.path, head.method, head.headers) {
        RouteMatch::Found(route) => {
            watch.passed("route", || (route.route.name.to_string(), Some(route.route.origin.clone())));
            Ok(Arc::clone(route))
        }
        RouteMatch::MethodNotAllowed(allow) => {
            let methods = allow.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
            let (method, path) = (echo(head.method.as_str()), echo(head.path));
            let detail = format!("{path} does not take {method}. Use one of: {methods}.");
            watch.failed("route", || Failure {
                detail: format!("routes take {path}, but by {methods} only"),
                origin: None,
                fix: vec![format!("add {method} to `methods` of the route")],
            });
            let mut refusal = Refusal::new(Reason::MethodNotAllowed, detail);
            refusal.allow = allow;
            Err(refusal)
        }
        RouteMatch::NotFound => {
            let (host, path) = (echo(head.host), echo(head.path));
            watch.failed("route", || Failure {
                detail: format!("no route takes the path {path} on the host {host}"),
                origin: None,
                fix: vec![format!("add a route with paths = [\"{path}\"], or the host {host} to one that has")],
            });
            let detail = format!("No route takes the path {path} on the host {host}. Check the address.");
            Err(Refusal::new(Reason::RouteNotFound, detail))
        }
    }
}
