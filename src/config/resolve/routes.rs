//! Routes: what each says for itself.

use http::{HeaderName, Method};

use super::Context;
use super::clash::Shape;
use super::route_rules::Around;
use super::upstreams::anonymous;
use crate::config::problem::Code;
use crate::config::tree::path;
use crate::config::value::SameOrEach;
use crate::config::words::short;
use crate::config::written::{AuthWord, ErrorStyleText, HeaderMatchText, RouteText, Written};
use crate::model::id::Name;
use crate::model::route::{ByMethod, COST_MAX, ErrorStyle, HeaderMatch, PathPattern, Route, RouteAuth, parse_methods};
use crate::model::scope::ScopeQuery;
use crate::model::upstream::{ServerUrl, Upstream};

impl Context<'_> {
    pub(super) fn routes(
        &mut self,
        written: &Written,
        upstreams: &mut Vec<Upstream>,
        around: Around<'_>,
    ) -> Vec<Route> {
        let (mut out, mut shapes) = (Vec::new(), Vec::new());
        let mut anonymous = Vec::new();
        for name in self.in_order("routes") {
            if let Some(text) = written.routes.as_ref().and_then(|tables| tables.get(&name)) {
                let upstream = self.route_upstream(&name, text, written, upstreams, &mut anonymous);
                let (route, shape) = self.route(&name, text, written, (upstream, around));
                let spoiled = Shape::fields().any(|field| self.problems.any_below(&path(&["routes", &name, field])));
                shapes.extend(Some(shape).filter(|_| !spoiled));
                out.extend(route.filter(|_| !self.problems.any_below(&path(&["routes", &name]))));
            }
        }
        if written.routes.as_ref().is_none_or(|routes| routes.is_empty()) {
            self.problems
                .gap(Code::NoRoute, path(&["routes"]), None, "there is no route")
                .help("[routes.api]\npaths = [\"/*\"]\nupstream = \"http://127.0.0.1:3000\"\nauth = \"api_key\"");
        }
        self.clashes(&shapes);
        out
    }

    fn route(
        &mut self,
        name: &str,
        text: &RouteText,
        written: &Written,
        (upstream, around): (Option<Name>, Around<'_>),
    ) -> (Option<Route>, Shape) {
        let field = |field: &'static str| ["routes", name, field];
        let named = self.name("routes", name);
        let hosts = self.list(&field("hosts"), text.hosts.as_ref().map(|h| &h.0));
        let paths: Vec<PathPattern> = self.list(&field("paths"), text.paths.as_ref().map(|p| &p.0));
        if paths.is_empty() && !self.problems.any_below(&path(&field("paths"))) {
            let message = format!("route \"{name}\" names no paths");
            self.gap(Code::NoPaths, &field("paths"), message).help("paths = [\"/*\"]");
        }
        let auth = self.auth(name, text);
        let scopes = text.scopes.as_ref().and_then(|s| self.scopes(name, s));
        if let (Some(RouteAuth::None), Some(_)) = (auth, &text.scopes) {
            self.error(
                Code::Value,
                &field("scopes"),
                format!("route \"{name}\" demands scopes of callers without a key"),
            )
            .help("auth = \"api_key\", or no `scopes`");
        }
        let methods = self.methods(name, text, scopes.as_ref());
        let cost = text.cost.as_ref().and_then(|c| self.cost(name, c));
        let conditions = self.route_conditions(name, text, written);
        let limits = self.limits(&["routes", name], text.limits.as_deref().unwrap_or_default(), None);
        let rules = self.rules(name, text, (&paths, &methods), around);
        let environments = self.route_environments(name, text, around.environments);
        let shape = Shape {
            name: name.to_owned(),
            hosts,
            paths,
            methods,
            headers: self.header_matches(name, text),
            origin: self.origin(&["routes", name]),
        };
        let (Some(name), Some(upstream), Some(auth)) = (named, upstream, auth) else { return (None, shape) };
        let route = Route {
            hosts: shape.hosts.clone(),
            paths: shape.paths.clone(),
            methods: shape.methods.clone(),
            headers: shape.headers.clone(),
            upstream,
            auth,
            environments,
            scopes,
            cost,
            conditions,
            limits,
            error_style: match text.errors.as_ref().and_then(|e| e.style) {
                Some(ErrorStyleText::Argus) => ErrorStyle::Argus,
                Some(ErrorStyleText::Problem) | None => ErrorStyle::Problem,
            },
            rules,
            origin: shape.origin.clone(),
            scopes_origin: self.origin(&field("scopes")),
            conditions_origin: self.origin(&field("conditions")),
            limits_origin: self.origin(&field("limits")),
            name,
        };
        (Some(route), shape)
    }

    /// Reads every item of a list of patterns; repeated ones are errors.
    fn list<T: std::str::FromStr + PartialEq>(&mut self, field: &[&str], given: Option<&Vec<String>>) -> Vec<T>
    where
        T::Err: std::fmt::Display,
    {
        let mut out = Vec::new();
        for (n, text) in given.into_iter().flatten().enumerate() {
            let at = self.item(field, n);
            let Some(item) = self.parse::<T>(&at, text) else { continue };
            if out.contains(&item) {
                self.error(Code::Value, &at, format!("`{}` is named twice", short(text)));
            }
            out.push(item);
        }
        out
    }

    fn route_upstream(
        &mut self,
        name: &str,
        text: &RouteText,
        written: &Written,
        upstreams: &mut Vec<Upstream>,
        made: &mut Vec<(ServerUrl, Name)>,
    ) -> Option<Name> {
        let field = path(&["routes", name, "upstream"]);
        let Some(given) = &text.upstream else {
            self.gap(Code::NoUpstream, &["routes", name, "upstream"], format!("route \"{name}\" has no upstream"))
                .help_unless_follows("upstream = \"http://127.0.0.1:3000\"");
            return None;
        };
        if given.contains("://") || given.starts_with("unix:") {
            let server = self.parse::<ServerUrl>(&field, given)?;
            return anonymous(upstreams, made, server);
        }
        if written.upstreams.as_ref().is_some_and(|tables| tables.contains_key(given)) {
            return given.parse().ok();
        }
        let defined = self.in_order("upstreams");
        let problem =
            self.undefined(Code::UpstreamUnknown, field, "upstreams", given, defined.iter().map(String::as_str));
        if given.contains(':') || given.contains('.') {
            problem.help_unless_follows(&format!(
                "an address is written as a URL: upstream = \"http://{}\"",
                short(given)
            ));
        }
        None
    }

    fn auth(&mut self, name: &str, text: &RouteText) -> Option<RouteAuth> {
        let field = ["routes", name, "auth"];
        let words = text.auth.as_ref().map_or(&[][..], |a| &a.0);
        match words {
            [] => {
                let message = format!("route \"{name}\" does not say how its callers prove who they are");
                self.gap(Code::NoAuth, &field, message)
                    .help_unless_follows("auth = \"api_key\", or auth = \"none\" for a route that everybody may use");
                None
            }
            words if words.iter().all(|w| *w == AuthWord::ApiKey) => Some(RouteAuth::ApiKey),
            [AuthWord::None] => Some(RouteAuth::None),
            _ => {
                let message = format!("route \"{name}\" is public and asks for a key at once");
                self.error(Code::Value, &field, message).label("\"none\" stands alone");
                None
            }
        }
    }

    fn by_method<T: Clone, U>(
        &mut self,
        field: &[&str],
        text: &SameOrEach<T>,
        mut read: impl FnMut(&mut Self, &[String], &T) -> Option<U>,
    ) -> Option<ByMethod<U>>
    where
        U: Clone,
    {
        let each = match text {
            SameOrEach::Same(one) => return read(self, &path(field), one).map(ByMethod::Same),
            SameOrEach::Each(each) => each,
        };
        let mut out: Vec<(Method, U)> = Vec::new();
        for (key, value) in each {
            let at = path(&[field, &[key]].concat());
            let methods = match parse_methods(key) {
                Ok(methods) => methods,
                Err(error) => {
                    let place = self.tree.find(&at).and_then(|n| n.key).unwrap_or_else(|| self.at(&at));
                    self.problems.error(Code::Value, at, error.to_string()).at(place);
                    continue;
                }
            };
            let Some(value) = read(self, &at, value) else { continue };
            for method in methods {
                if out.iter().any(|(have, _)| *have == method) {
                    self.error(Code::Value, &at, format!("{method} is named twice"));
                }
                out.push((method, value.clone()));
            }
        }
        if out.is_empty() && !self.problems.any_below(&path(field)) {
            self.error(Code::Value, field, "the table names no method");
        }
        Some(ByMethod::Each(out))
    }

    fn scopes(&mut self, name: &str, text: &SameOrEach<String>) -> Option<ByMethod<ScopeQuery>> {
        self.by_method(&["routes", name, "scopes"], text, |context, at, query| context.parse(at, query))
    }

    fn cost(&mut self, name: &str, text: &SameOrEach<u64>) -> Option<ByMethod<u64>> {
        self.by_method(&["routes", name, "cost"], text, |context, at, cost| {
            let good = (1..=COST_MAX).contains(cost);
            if !good {
                context.error(Code::Value, at, "`cost` is out of range").label(format!("expected 1 to {COST_MAX}"));
            }
            good.then_some(*cost)
        })
    }

    /// The methods of a route. Where scopes are given by method, no method may slip through without one.
    fn methods(&mut self, name: &str, text: &RouteText, scopes: Option<&ByMethod<ScopeQuery>>) -> Vec<Method> {
        let field = ["routes", name, "methods"];
        let mut out: Vec<Method> = Vec::new();
        for (n, words) in text.methods.iter().flat_map(|m| &m.0).enumerate() {
            let at = self.item(&field, n);
            match parse_methods(words) {
                Ok(methods) => out.extend(methods.into_iter().filter(|m| !out.contains(m)).collect::<Vec<_>>()),
                Err(error) => {
                    self.error(Code::Value, &at, error.to_string());
                }
            }
        }
        if text.methods.as_ref().is_some_and(|m| m.0.is_empty()) {
            self.error(Code::Value, &field, "an empty list of methods lets nothing through")
                .label("leave it out for any method");
        }
        let Some(ByMethod::Each(each)) = scopes else { return out };
        if text.methods.is_none() {
            out = each.iter().map(|(method, _)| method.clone()).collect();
            if out.contains(&Method::GET) && !out.contains(&Method::HEAD) {
                out.push(Method::HEAD);
            }
            return out;
        }
        let bare: Vec<String> =
            out.iter().filter(|m| scopes.is_some_and(|s| s.find(m).is_none())).map(Method::to_string).collect();
        if !bare.is_empty() && !self.problems.any_below(&path(&["routes", name, "scopes"])) {
            let message = format!("route \"{name}\" takes {} without demanding a scope", bare.join(", "));
            self.error(Code::MethodWithoutScope, &["routes", name, "scopes"], message)
                .help(format!("name a scope for {} too, or leave it out of `methods`", bare.join(", ")));
        }
        out
    }

    fn header_matches(&mut self, name: &str, text: &RouteText) -> Vec<(HeaderName, HeaderMatch)> {
        let mut out: Vec<(HeaderName, HeaderMatch)> = Vec::new();
        for (header, wanted) in text.headers.iter().flatten() {
            let at = path(&["routes", name, "headers", header]);
            let Ok(header) = HeaderName::from_bytes(header.as_bytes()) else {
                let place = self.tree.find(&at).and_then(|n| n.key).unwrap_or_else(|| self.at(&at));
                let message = format!("`{}` is not the name of a header", short(header));
                self.problems.error(Code::Value, at, message).at(place);
                continue;
            };
            if out.iter().any(|(have, _)| *have == header) {
                self.error(Code::Value, &at, format!("header `{header}` is named twice"));
            }
            let wanted = match wanted {
                HeaderMatchText::Present => HeaderMatch::Present,
                HeaderMatchText::Equals(value) if http::HeaderValue::from_str(value).is_ok() => {
                    HeaderMatch::Equals(value.as_str().into())
                }
                HeaderMatchText::Equals(_) => {
                    self.error(Code::Value, &at, format!("no header `{header}` can have this value"));
                    continue;
                }
            };
            out.push((header, wanted));
        }
        out
    }

    fn route_conditions(&mut self, name: &str, text: &RouteText, written: &Written) -> Vec<Name> {
        let field = ["routes", name, "conditions"];
        let mut out = Vec::new();
        for (n, condition) in text.conditions.iter().flat_map(|c| &c.0).enumerate() {
            let at = self.item(&field, n);
            if written.conditions.as_ref().is_some_and(|tables| tables.contains_key(condition)) {
                out.extend(condition.parse::<Name>().ok().filter(|name| !out.contains(name)));
                continue;
            }
            let defined = self.in_order("conditions");
            let defined = defined.iter().map(String::as_str);
            self.undefined(Code::ConditionUnknown, at, "conditions", condition, defined);
        }
        out
    }

    fn route_environments(&mut self, name: &str, text: &RouteText, known: &[Box<str>]) -> Vec<Box<str>> {
        let mut out: Vec<Box<str>> = Vec::new();
        for (n, word) in text.environment.iter().flat_map(|e| &e.0).enumerate() {
            if known.iter().any(|k| **k == **word) {
                out.push(word.as_str().into());
                continue;
            }
            let at = self.item(&["routes", name, "environment"], n);
            let list = known.iter().map(|k| format!("\"{k}\"")).collect::<Vec<_>>().join(", ");
            self.error(Code::EnvironmentUnknown, &at, format!("environment \"{}\" is not known", short(word)))
                .label(format!("`[keys] environments` names {list}"));
        }
        out
    }
}
