//! What a route does to the requests it takes, besides deciding about them.

use super::request_path::PathRules;

/// What a route does to its requests.
#[derive(Debug, Clone, Default)]
pub struct RouteRules {
    /// What it takes in a path.
    pub paths: PathRules,
}
