//! What a route does to the requests it takes, besides deciding about them.

use http::HeaderValue;

use super::cors::Cors;
use super::header_rules::HeaderRules;
use super::request_path::PathRules;
use super::rewrite::Rewrite;

/// What a route does to its requests. Where there is nothing to do, nothing is held.
#[derive(Debug, Clone, Default)]
pub struct RouteRules {
    /// What it takes in a path.
    pub paths: PathRules,
    /// What a path becomes.
    pub rewrite: Option<Rewrite>,
    /// Which host the upstream is told.
    pub host: UpstreamHost,
    /// What becomes of a request's fields.
    pub request_headers: Option<Box<HeaderRules>>,
    /// What becomes of the fields of the upstream's answer.
    pub response_headers: Option<Box<HeaderRules>>,
    /// Largest body of a request, in place of the listener's.
    pub max_body_size: Option<BodySize>,
    /// Bytes of the largest body of an answer; `None` for no bound.
    pub max_response_size: Option<u64>,
    /// Which pages of other origins may call.
    pub cors: Option<Box<Cors>>,
}

/// Which host the upstream is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UpstreamHost {
    /// The one the client named.
    #[default]
    Client,
    /// The one in the URL of the server that is asked.
    Upstream,
    /// This one.
    Name(HeaderValue),
}

/// Largest body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySize {
    /// So many bytes.
    Bytes(u64),
    /// Any number.
    Unlimited,
}

impl BodySize {
    /// The bound in bytes, if there is one.
    pub fn bound(self) -> Option<u64> {
        match self {
            BodySize::Bytes(max) => Some(max),
            BodySize::Unlimited => None,
        }
    }
}
