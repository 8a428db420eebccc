//! What a route does to the requests it takes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::value::{DurationText, OneOrMany};

/// Another front for the path that the upstream gets.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RewriteText {
    /// Taken off the front of the path: whole segments, with which every path of the route begins. `/` for nothing.
    pub prefix: Option<String>,
    /// Put in its place; `/` for nothing.
    pub to: Option<String>,
}

/// What becomes of header fields: first those of `remove` go, then those of `set` are put in the place of any of their
/// name, then those of `add` beside them.
///
/// Values may hold facts in braces: `{key.id}`, `{key.meta.NAME}`, `{owner}`, `{plan}`, `{client_ip}`, `{request_id}`;
/// `{{` and `}}` are the braces themselves. A field of which a fact is not known is left out. What frames a message,
/// concerns one hop or tells who calls cannot be set.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HeaderRulesText {
    /// Fields put in the place of what was sent under their names.
    pub set: Option<BTreeMap<String, String>>,
    /// Fields put beside what was sent.
    pub add: Option<BTreeMap<String, OneOrMany<String>>>,
    /// Names of fields that are taken out.
    pub remove: Option<OneOrMany<String>>,
}

/// Which pages of other origins may call a route from a browser. Preflights are answered by Argus, without a key and
/// without counting; what the upstream says about the matter is replaced.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CorsText {
    /// Origins, such as `https://app.example.com` or `https://*.example.com`; `"*"` alone for any.
    pub origins: Option<OneOrMany<String>>,
    /// Methods. If absent, those of the route, or the usual ones where it takes any.
    pub methods: Option<OneOrMany<String>>,
    /// Request fields that pages may set. If absent, `Content-Type` and those in which a key is taken.
    pub headers: Option<OneOrMany<String>>,
    /// Fields of answers that pages may read, besides the few that they always may.
    pub expose: Option<OneOrMany<String>>,
    /// How long browsers need not ask again: ten minutes if absent.
    pub max_age: Option<DurationText>,
    /// Whether browsers send cookies and the like along; they do not if absent, and cannot with `"*"`.
    pub credentials: Option<bool>,
}

/// What a route takes in a path that is refused elsewhere, because servers behind it may read it in different ways.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct PathRulesText {
    /// Segments `.` and `..`, plain or percent-encoded: `reject` (400), or `normalize` to have them resolved before the
    /// route is looked for. The route found for the resolved path is the one that must say so, and the resolved path is
    /// what the upstream gets.
    #[schemars(extend("default" = "reject"))]
    pub dot_segments: Option<DotSegmentsText>,
    /// `%2f` and `%5c`: `reject` (400), or `keep` to pass them on as they are. They are refused all the same where the
    /// path would lead to another route if they were decoded.
    #[schemars(extend("default" = "reject"))]
    pub encoded_slash: Option<EncodedSlashText>,
}

/// What happens to dot segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum DotSegmentsText {
    /// 400.
    Reject,
    /// Resolved.
    Normalize,
}

/// What happens to encoded slashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum EncodedSlashText {
    /// 400.
    Reject,
    /// Passed on.
    Keep,
}
