//! Which API is meant.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Method};

use super::explain::{Failure, Watch};
use super::verdict::{Refusal, echo};
use super::{Ask, Checked, Head};
use crate::model::reason::Reason;
use crate::model::request_path::{self, PathFault, Reading};
use crate::model::route_rules::BodySize;
use crate::snapshot::route_table::RouteMatch;
use crate::snapshot::{ActiveRoute, Snapshot};

/// The path that is decided about and forwarded: as sent, or without its dot segments where the route that takes the
/// result says so. Nothing is looked up for a path that can be read in one way only, as nearly all can.
///
/// Routes are found byte for byte, but servers behind may decode `%61`, cut `;x` off or merge `//`. That is theirs to
/// do, unless it leads to another route: `/%61dmin` does not get past the demands of a route for `/admin`.
///
/// # Errors
/// When the path could be read in several ways and the route does not take that.
pub fn settle<'p>(
    snapshot: &Snapshot,
    asked: (&Method, &str, &HeaderMap),
    path: &'p str,
) -> Result<Cow<'p, str>, PathFault> {
    let find = |path: &str| find_route(snapshot, asked, path);
    let settled = match request_path::read(path)? {
        Reading::Plain => Cow::Borrowed(path),
        Reading::Dots(resolved) => match find(&resolved) {
            Some(route) if route.route.rules.paths.resolves_dots => Cow::Owned(resolved),
            _ => return Err(PathFault::DotSegment),
        },
        Reading::EncodedSlash(decoded) => match find(path) {
            Some(route) if route.route.rules.paths.keeps_encoded_slash => {
                let mut others = request_path::other_readings(&decoded);
                others.push(decoded);
                let leads_elsewhere = |other: &String| find(other).is_none_or(|other| other.index != route.index);
                if others.iter().any(leads_elsewhere) {
                    return Err(PathFault::EncodedSlash);
                }
                Cow::Borrowed(path)
            }
            _ => return Err(PathFault::EncodedSlash),
        },
    };
    // A server that reads the path in a laxer way must not find itself where another route's demands hold.
    let others = request_path::other_readings(&settled);
    if !others.is_empty()
        && let Some(route) = find(&settled)
        && others.iter().filter_map(|other| find(other)).any(|other| other.index != route.index)
    {
        return Err(PathFault::Disguised);
    }
    Ok(settled)
}

/// The route that takes requests by this method, for this host, with these fields, and a settled path.
pub fn find_route<'s>(
    snapshot: &'s Snapshot,
    (method, host, headers): (&Method, &str, &HeaderMap),
    path: &str,
) -> Option<&'s Arc<ActiveRoute>> {
    match snapshot.table.find(host, path, method, headers) {
        RouteMatch::Found(route) => Some(route),
        RouteMatch::MethodNotAllowed(_) | RouteMatch::NotFound => None,
    }
}

/// The refusal of a path that could be read in several ways.
pub(super) fn unclear(fault: PathFault, watch: &mut impl Watch) -> Box<Refusal> {
    watch.failed("route", || Failure {
        detail: fault.detail().to_owned(),
        origin: None,
        fix: vec!["send a path that can be read in one way, or see `path_rules` of the route".to_owned()],
    });
    Refusal::new(Reason::MalformedRequest, fault.detail())
}

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

/// Refuses a body that says it is larger than is taken here: the route's bound, or else the listener's.
pub(super) fn takes_body(head: &Head<'_>, route: &ActiveRoute) -> Checked<()> {
    let max = route.route.rules.max_body_size.map_or(head.body_bytes_max, BodySize::bound);
    match max.filter(|max| head.body_bytes > *max) {
        None => Ok(()),
        Some(max) => {
            let detail = format!("The body is larger than {max} bytes. Send less at a time.");
            Err(Refusal::new(Reason::BodyTooLarge, detail))
        }
    }
}
