//! What a route does to the requests it takes.

use schemars::JsonSchema;
use serde::Deserialize;

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
