//! What a route does to the requests it takes.

use http::HeaderValue;

use super::Context;
use crate::config::ApiKeyAuth;
use crate::config::problem::Code;
use crate::config::value::SizeOrUnlimited;
use crate::config::words::short;
use crate::config::written::{DotSegmentsText, EncodedSlashText, PathRulesText, RouteText};
use crate::model::request_path::{PathRules, Reading, read};
use crate::model::rewrite::Rewrite;
use crate::model::route::{PATH_LEN_MAX, PathPattern};
use crate::model::route_rules::{BodySize, RouteRules, UpstreamHost};

/// What routes refer to.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub environments: &'a [Box<str>],
    pub api_key: &'a ApiKeyAuth,
    pub identity_prefix: &'a str,
}

impl Context<'_> {
    pub(super) fn rules(
        &mut self,
        name: &str,
        text: &RouteText,
        (paths, methods): (&[PathPattern], &[http::Method]),
        around: Around<'_>,
    ) -> RouteRules {
        let (request, response) = (text.request_headers.as_ref(), text.response_headers.as_ref());
        RouteRules {
            paths: path_rules(text.path_rules.as_ref()),
            rewrite: self.rewrite(name, text, paths),
            host: self.upstream_host(name, text),
            request_headers: request.and_then(|t| self.request_headers(name, t, text, around.identity_prefix)),
            response_headers: response.and_then(|t| self.response_headers(name, t, text)),
            max_body_size: text.max_body_size.map(|SizeOrUnlimited(size)| match size {
                Some(bytes) => BodySize::Bytes(bytes),
                None => BodySize::Unlimited,
            }),
            max_response_size: text.max_response_size.map(|size| size.0),
            cors: text.cors.as_ref().and_then(|cors| self.cors(name, cors, methods, around.api_key)),
        }
    }

    fn rewrite(&mut self, name: &str, text: &RouteText, paths: &[PathPattern]) -> Option<Rewrite> {
        let strip = ["routes", name, "strip_prefix"];
        let Some(rewrite) = &text.rewrite else {
            let prefix = self.path_front(&strip, text.strip_prefix.as_deref()?, paths)?;
            if prefix.is_empty() {
                self.error(Code::StripPrefix, &strip, "nothing is cut from the path")
                    .label("expected for example \"/v1\"");
            }
            return Some(Rewrite::new(&prefix, ""));
        };
        if text.strip_prefix.is_some() {
            let message = format!("route \"{name}\" has both `strip_prefix` and `rewrite`");
            self.error(Code::StripPrefix, &strip, message).help("leave `strip_prefix` out: `rewrite` can do the same");
            return None;
        }
        let field = ["routes", name, "rewrite"];
        let (Some(prefix), Some(to)) = (&rewrite.prefix, &rewrite.to) else {
            self.error(Code::StripPrefix, &field, "a rewrite names what goes and what comes in its place")
                .help("rewrite = { prefix = \"/v1\", to = \"/api/v2\" }");
            return None;
        };
        let prefix = self.path_front(&["routes", name, "rewrite", "prefix"], prefix, paths);
        let to = self.path_front(&["routes", name, "rewrite", "to"], to, &[]);
        Some(Rewrite::new(&prefix?, &to?))
    }

    /// The front of a path, without the slash at its end, with which all of `paths` begin.
    fn path_front(&mut self, field: &[&str], given: &str, paths: &[PathPattern]) -> Option<String> {
        let front = given.strip_suffix('/').unwrap_or(given);
        let is_path = given.starts_with('/')
            && front.len() <= PATH_LEN_MAX
            && !front.contains(['?', '#', '*'])
            && !front.ends_with('/')
            && (front.is_empty() || read(front) == Ok(Reading::Plain));
        if !is_path {
            let message = format!("`{}` is not the front of a path", short(given));
            self.error(Code::StripPrefix, field, message).label("expected for example \"/v1\"");
            return None;
        }
        let below = |text: &str| text.strip_prefix(front).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let outside = paths.iter().find(|p| match p {
            PathPattern::Exact(p) | PathPattern::Below(p) => !below(p),
        });
        if let Some(outside) = outside {
            let (what, name) = (field.last().unwrap_or(&""), field.get(1).unwrap_or(&""));
            let message = format!("`{what}` of route \"{name}\" does not fit its path {outside}");
            self.error(Code::StripPrefix, field, message).label(format!("not every path begins with {front}/"));
            return None;
        }
        Some(front.to_owned())
    }

    fn upstream_host(&mut self, name: &str, text: &RouteText) -> UpstreamHost {
        let given = match text.upstream_host.as_deref() {
            None | Some("client") => return UpstreamHost::Client,
            Some("upstream") => return UpstreamHost::Upstream,
            Some(given) => given,
        };
        let authority = given.parse::<http::uri::Authority>().ok();
        let host = authority
            .filter(|a| !given.contains('@') && is_host(a.host()))
            .and_then(|_| HeaderValue::from_str(given).ok());
        host.map(UpstreamHost::Name).unwrap_or_else(|| {
            self.error(Code::Value, &["routes", name, "upstream_host"], format!("`{}` is not a host", short(given)))
                .label("expected \"client\", \"upstream\", or a name such as \"orders.internal\"");
            UpstreamHost::Client
        })
    }
}

/// A name, not a pattern of names, or an address.
fn is_host(text: &str) -> bool {
    matches!(text.parse(), Ok(crate::model::route::HostPattern::Exact(_)))
}

fn path_rules(text: Option<&PathRulesText>) -> PathRules {
    let Some(text) = text else { return PathRules::default() };
    PathRules {
        resolves_dots: text.dot_segments == Some(DotSegmentsText::Normalize),
        keeps_encoded_slash: text.encoded_slash == Some(EncodedSlashText::Keep),
    }
}
