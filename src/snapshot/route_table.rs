//! Which route takes which request: the most specific one.
//!
//! An exact host before a wildcard, a longer wildcard before a shorter one, any host last; within a host the longest
//! literal path; within a path a route that lists methods before one that takes any, then one that asks for more
//! headers. A route that does not take the request is passed over and the next specific one is asked.
//!
//! Hosts and paths are found by hash: for the path once for each `/` in it, but for no more of them than the deepest
//! pattern has. Nothing is allocated, and ten thousand routes cost what ten cost. Paths are compared byte for byte.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use http::{HeaderMap, HeaderName, Method};

use super::ActiveRoute;
use crate::model::route::{HeaderMatch, HostPattern, PathPattern, Route};

/// What became of the search.
#[derive(Debug, Clone)]
pub enum RouteMatch<'a> {
    /// This route takes the request.
    Found(&'a Arc<ActiveRoute>),
    /// Routes take this host and path, but by these methods only.
    MethodNotAllowed(Vec<Method>),
    /// No route takes this host and path.
    NotFound,
}

/// Every route, by host and path.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact_hosts: HashMap<Box<str>, Paths, RandomState>,
    hosts_below: HashMap<Box<str>, Paths, RandomState>,
    any_host: Paths,
}

/// The routes of one host.
#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, Candidates, RandomState>,
    below: HashMap<Box<str>, Candidates, RandomState>,
    /// Most `/` in a pattern of `below`.
    depth: usize,
}

/// The routes of one host and path, most specific first.
type Candidates = Vec<Arc<ActiveRoute>>;

impl RouteTable {
    /// A table of `routes`.
    pub fn new(routes: &[Arc<ActiveRoute>]) -> Self {
        let mut table = RouteTable::default();
        for route in routes {
            if route.route.hosts.is_empty() {
                table.any_host.add(route);
            }
            for host in &route.route.hosts {
                match host {
                    HostPattern::Exact(h) => table.exact_hosts.entry(h.clone()).or_default().add(route),
                    HostPattern::Below(h) => table.hosts_below.entry(h.clone()).or_default().add(route),
                }
            }
        }
        table
    }

    /// The route for a request. `host` is lower-case, without port and trailing dot; `path` is as sent.
    pub fn find(&self, host: &str, path: &str, method: &Method, headers: &HeaderMap) -> RouteMatch<'_> {
        let mut search = Search { method, headers, others: Vec::new() };
        match self.hosts(host).find_map(|paths| paths.find(path, &mut search)) {
            Some(route) => RouteMatch::Found(route),
            None if search.others.is_empty() => RouteMatch::NotFound,
            None => RouteMatch::MethodNotAllowed(allowed(&search.others)),
        }
    }

    /// The tables that may know `host`, most specific first.
    fn hosts<'t>(&'t self, host: &str) -> impl Iterator<Item = &'t Paths> {
        let mut rest = if self.hosts_below.is_empty() { None } else { Some(host) };
        let below = std::iter::from_fn(move || {
            while let Some((_, parent)) = rest?.split_once('.') {
                rest = Some(parent);
                if let Some(paths) = self.hosts_below.get(parent) {
                    return Some(paths);
                }
            }
            None
        });
        self.exact_hosts.get(host).into_iter().chain(below).chain(std::iter::once(&self.any_host))
    }
}

struct Search<'r, 't> {
    method: &'r Method,
    headers: &'r HeaderMap,
    /// Routes that would take the request by another method.
    others: Vec<&'t Arc<ActiveRoute>>,
}

impl Paths {
    fn add(&mut self, route: &Arc<ActiveRoute>) {
        for path in &route.route.paths {
            let candidates = match path {
                PathPattern::Exact(p) => self.exact.entry(p.clone()).or_default(),
                PathPattern::Below(p) => {
                    self.depth = self.depth.max(p.bytes().filter(|b| *b == b'/').count());
                    self.below.entry(p.clone()).or_default()
                }
            };
            if !candidates.iter().any(|c| c.index == route.index) {
                candidates.push(Arc::clone(route));
                candidates.sort_by_key(|c| (c.route.methods.is_empty(), usize::MAX - c.route.headers.len(), c.index));
            }
        }
    }

    fn find<'t>(&'t self, path: &str, search: &mut Search<'_, 't>) -> Option<&'t Arc<ActiveRoute>> {
        if let Some(route) = self.exact.get(path).and_then(|c| search.pick(c)) {
            return Some(route);
        }
        if self.below.is_empty() {
            return None;
        }
        let mut front = cut(path, self.depth);
        loop {
            if let Some(route) = self.below.get(front).and_then(|c| search.pick(c)) {
                return Some(route);
            }
            front = &front[..front.rfind('/')?];
        }
    }
}

/// The front of `path` that has no more than `depth` slashes and ends where a segment ends.
fn cut(path: &str, depth: usize) -> &str {
    let end = path.bytes().enumerate().filter(|(_, b)| *b == b'/').nth(depth).map_or(path.len(), |(at, _)| at);
    &path[..end]
}

impl<'t> Search<'_, 't> {
    fn pick(&mut self, candidates: &'t Candidates) -> Option<&'t Arc<ActiveRoute>> {
        let headers = self.headers;
        let mut fitting = candidates.iter().filter(|c| has_headers(&c.route, headers));
        let found = if *self.method == Method::HEAD {
            // Whoever takes GET takes HEAD (RFC 9110 section 9.3.2), unless another route lists it by name.
            let named = fitting.clone().find(|c| c.route.methods.contains(&Method::HEAD));
            named.or_else(|| fitting.find(|c| takes(&c.route, &Method::GET)))
        } else {
            fitting.find(|c| takes(&c.route, self.method))
        };
        if found.is_none() {
            self.others.extend(candidates.iter().filter(|c| has_headers(&c.route, self.headers)));
        }
        found
    }
}

fn takes(route: &Route, method: &Method) -> bool {
    route.methods.is_empty() || route.methods.contains(method)
}

fn has_headers(route: &Route, headers: &HeaderMap) -> bool {
    let holds = |(name, wanted): &(HeaderName, HeaderMatch)| match wanted {
        HeaderMatch::Present => headers.contains_key(name),
        HeaderMatch::Equals(text) => {
            let mut values = headers.get_all(name).iter().peekable();
            values.peek().is_some() && values.all(|v| v.as_bytes() == text.as_bytes())
        }
    };
    route.headers.iter().all(holds)
}

fn allowed(routes: &[&Arc<ActiveRoute>]) -> Vec<Method> {
    let mut out = Vec::new();
    for method in routes.iter().flat_map(|r| &r.route.methods) {
        if !out.contains(method) {
            out.push(method.clone());
        }
    }
    if out.contains(&Method::GET) && !out.contains(&Method::HEAD) {
        out.push(Method::HEAD);
    }
    out
}

#[cfg(test)]
mod tests;
