//! Header fields that a route sets, adds and removes.

use http::HeaderName;

use super::Context;
use crate::config::problem::Code;
use crate::config::tree::path;
use crate::config::words::short;
use crate::config::written::{AuthWord, HeaderRulesText, RouteText};
use crate::model::header_rules::{FIELDS_MAX, HeaderRules, Template};

/// Fields that frame a message or concern one hop.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Fields of a request that Argus makes out of what it knows. They may be taken out.
const WAY: &[&str] = &["forwarded", "via", "x-forwarded-for", "x-real-ip", "x-request-id"];
/// Fields of an answer that Argus makes.
const TOLD: &[&str] = &["proxy-status", "via", "x-request-id"];

/// What is done to a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Put,
    Remove,
}

/// A check of a field's name: why it cannot be had, if it cannot.
type Fault<'a> = &'a dyn Fn(&str, Verb) -> Option<&'static str>;

impl Context<'_> {
    pub(super) fn request_headers(
        &mut self,
        name: &str,
        text: &HeaderRulesText,
        route: &RouteText,
        identity_prefix: &str,
    ) -> Option<Box<HeaderRules>> {
        let fault = |header: &str, verb: Verb| match header {
            "host" => Some("`upstream_host` says which host the upstream is told"),
            header if FRAMING.contains(&header) => Some("Argus frames messages itself"),
            header if header.replace('_', "-").starts_with(identity_prefix) => Some("only Argus says who calls"),
            header if verb == Verb::Put && WAY.contains(&header) => Some("Argus sets it itself"),
            _ => None,
        };
        self.header_rules(&["routes", name, "request_headers"], text, route, &fault)
    }

    pub(super) fn response_headers(
        &mut self,
        name: &str,
        text: &HeaderRulesText,
        route: &RouteText,
    ) -> Option<Box<HeaderRules>> {
        let fault = |header: &str, verb: Verb| match header {
            header if FRAMING.contains(&header) => Some("Argus frames messages itself"),
            header if verb == Verb::Put && TOLD.contains(&header) => Some("Argus sets it itself"),
            header if header.starts_with("access-control-") && route.cors.is_some() => Some("`cors` sets it"),
            _ => None,
        };
        self.header_rules(&["routes", name, "response_headers"], text, route, &fault)
    }

    fn header_rules(
        &mut self,
        field: &[&str; 3],
        text: &HeaderRulesText,
        route: &RouteText,
        fault: Fault<'_>,
    ) -> Option<Box<HeaderRules>> {
        let [table, name, rules] = *field;
        let is_public = route.auth.as_ref().is_some_and(|a| a.0.contains(&AuthWord::None));
        let mut out = HeaderRules::default();
        for (n, header) in text.remove.iter().flat_map(|r| &r.0).enumerate() {
            let at = self.item(&[table, name, rules, "remove"], n);
            out.remove.extend(self.header_name(&at, header, (Verb::Remove, fault)));
        }
        for (header, value) in text.set.iter().flatten() {
            let at = path(&[table, name, rules, "set", header]);
            let (named, value) =
                (self.header_name(&at, header, (Verb::Put, fault)), self.template(&at, value, is_public));
            let (Some(named), Some(value)) = (named, value) else { continue };
            if out.set.iter().any(|(have, _)| *have == named) {
                self.error(Code::Value, &at, format!("header `{named}` is named twice"));
            }
            out.set.push((named, value));
        }
        for (header, values) in text.add.iter().flatten() {
            let at = path(&[table, name, rules, "add", header]);
            let Some(named) = self.header_name(&at, header, (Verb::Put, fault)) else { continue };
            for value in &values.0 {
                let value = self.template(&at, value, is_public);
                out.add.extend(value.map(|value| (named.clone(), value)));
            }
        }
        for (list, len) in [("remove", out.remove.len()), ("set", out.set.len()), ("add", out.add.len())] {
            if len > FIELDS_MAX {
                let message = format!("`{list}` names {len} fields, more than the {FIELDS_MAX} that a route can have");
                self.error(Code::Value, &[table, name, rules, list], message);
            }
        }
        (!out.is_empty()).then(|| Box::new(out))
    }

    fn header_name(&mut self, at: &[String], header: &str, (verb, fault): (Verb, Fault<'_>)) -> Option<HeaderName> {
        let place = self.tree.find(at).and_then(|n| n.key).unwrap_or_else(|| self.at(at));
        let Ok(named) = HeaderName::from_bytes(header.as_bytes()) else {
            let message = format!("`{}` is not the name of a header", short(header));
            self.problems.error(Code::Value, at.to_vec(), message).at(place);
            return None;
        };
        if let Some(why) = fault(named.as_str(), verb) {
            let done = if verb == Verb::Put { "set" } else { "removed" };
            self.problems
                .error(Code::Value, at.to_vec(), format!("header `{named}` cannot be {done}"))
                .at(place)
                .label(why);
            return None;
        }
        Some(named)
    }

    fn template(&mut self, at: &[String], text: &str, is_public: bool) -> Option<Template> {
        let template = self.parse::<Template>(at, text)?;
        if is_public && template.needs_key() {
            self.error(Code::Value, at, "nobody on this route has a key").label("the route is public");
        }
        Some(template)
    }
}
