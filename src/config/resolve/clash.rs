//! No two routes may be equally specific for one request: nobody could tell which would take it.

use std::collections::{BTreeSet, HashMap};

use http::{HeaderName, Method};

use super::Context;
use crate::config::problem::Code;
use crate::model::route::{HeaderMatch, HostPattern, Origin, PathPattern};

/// Most routes that share a host and a path: each is compared with each.
const ROUTES_AT_ONE_PATH_MAX: usize = 64;

/// What requests a route takes.
pub(super) struct Shape {
    pub name: String,
    pub hosts: Vec<HostPattern>,
    pub paths: Vec<PathPattern>,
    pub methods: Vec<Method>,
    pub headers: Vec<(HeaderName, HeaderMatch)>,
    pub origin: Origin,
}

impl Shape {
    /// The fields that make it; where one could not be read, comparing would tell nonsense.
    pub fn fields() -> impl Iterator<Item = &'static str> {
        ["hosts", "paths", "methods", "headers", "scopes"].into_iter()
    }
}

impl Context<'_> {
    /// Two routes that are equally specific for one request.
    pub(super) fn clashes(&mut self, routes: &[Shape]) {
        let mut places: HashMap<(Option<&HostPattern>, &PathPattern), Vec<usize>> = HashMap::new();
        let mut told = BTreeSet::new();
        for (at, route) in routes.iter().enumerate() {
            let hosts: Vec<Option<&HostPattern>> =
                if route.hosts.is_empty() { vec![None] } else { route.hosts.iter().map(Some).collect() };
            for host in hosts {
                for path in &route.paths {
                    let here = places.entry((host, path)).or_default();
                    if here.len() >= ROUTES_AT_ONE_PATH_MAX {
                        let message = format!("more than {ROUTES_AT_ONE_PATH_MAX} routes share {path}");
                        self.error(Code::RouteTwice, &["routes", route.name.as_str(), "paths"], message);
                        return;
                    }
                    for other in here.iter() {
                        if ambiguous(&routes[*other], route) && told.insert((*other, at)) {
                            self.clash(&routes[*other], route, host, path);
                        }
                    }
                    here.push(at);
                }
            }
        }
    }

    fn clash(&mut self, first: &Shape, second: &Shape, host: Option<&HostPattern>, path: &PathPattern) {
        let host = host.map(|h| format!(" on {h}")).unwrap_or_default();
        let message = format!(
            "routes \"{}\" and \"{}\" are equally specific for {path}{host}: which one would a request take?",
            first.name, second.name
        );
        let label = format!("route \"{}\" at {} has the same", first.name, first.origin);
        self.error(Code::RouteTwice, &["routes", second.name.as_str()], message)
            .label(label)
            .help("tell them apart by hosts, paths, methods or headers");
    }
}

/// Whether a request could take either of two routes that share a host and a path.
fn ambiguous(a: &Shape, b: &Shape) -> bool {
    let methods = match (a.methods.is_empty(), b.methods.is_empty()) {
        (true, true) => true,
        (false, false) => a.methods.iter().any(|m| b.methods.contains(m)),
        (true, false) | (false, true) => false,
    };
    let exclusive = a.headers.iter().any(|(name, wanted)| {
        b.headers.iter().any(|(other, value)| {
            name == other && matches!((wanted, value), (HeaderMatch::Equals(x), HeaderMatch::Equals(y)) if x != y)
        })
    });
    methods && a.headers.is_empty() == b.headers.is_empty() && !exclusive
}
