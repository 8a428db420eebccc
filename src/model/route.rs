//! Routes: hosts, paths, methods and headers that lead to an upstream, and what they demand of the caller.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::{HeaderName, Method};

use super::id::Name;
use super::limit::Limit;
use super::route_rules::RouteRules;
use super::scope::ScopeQuery;

/// Longest path pattern, in bytes.
pub const PATH_LEN_MAX: usize = 1_024;
/// Highest cost of one request, in units.
pub const COST_MAX: u64 = 1_000_000;

/// What is wrong with a route's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Not a host pattern.
    #[error("`{0}` is not a host: expected a name such as `api.example.com` or `*.example.com`, without port")]
    Host(String),
    /// Not a path pattern.
    #[error(
        "`{0}` is not a path: expected `/`, an exact path such as `/status`, or everything below one such as `/v1/orders/*`"
    )]
    Path(String),
    /// Not a list of methods.
    #[error("`{0}` is not a list of methods: expected for example `GET` or `POST,PUT`")]
    Methods(String),
}

/// Where a rule stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// File as given by the operator; `None` for what the command line or the API made.
    pub file: Option<Arc<str>>,
    /// Line, from 1; 0 without a file.
    pub line: u32,
}

impl Origin {
    /// Not from a file.
    pub fn none() -> Self {
        Origin { file: None, line: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}", self.line),
            None => Ok(()),
        }
    }
}

/// A host, or every host below one. Lower-case, without port or trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// `api.example.com`.
    Exact(Box<str>),
    /// `*.example.com`: any name below, at any depth, but not `example.com` itself. Holds `example.com`.
    Below(Box<str>),
}

impl FromStr for HostPattern {
    type Err = RouteError;

    fn from_str(s: &str) -> Result<Self, RouteError> {
        let wrong = || RouteError::Host(s.chars().take(260).collect());
        let (host, below) = match s.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (s, false),
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let label = |l: &str| {
            !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let is_v6 = !below
            && host
                .strip_prefix('[')
                .and_then(|h| h.strip_suffix(']'))
                .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
        if host.len() > 253 || !(is_v6 || host.split('.').all(label)) {
            return Err(wrong());
        }
        Ok(if below { HostPattern::Below(host.into()) } else { HostPattern::Exact(host.into()) })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(h) => f.write_str(h),
            HostPattern::Below(h) => write!(f, "*.{h}"),
        }
    }
}

/// One path, or everything from one path down. Matched byte for byte, never decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathPattern {
    /// `/status`: this path alone.
    Exact(Box<str>),
    /// `/v1/orders/*`: `/v1/orders` and everything below `/v1/orders/`. Holds `/v1/orders`; for `/*` the empty text.
    Below(Box<str>),
}

impl FromStr for PathPattern {
    type Err = RouteError;

    fn from_str(s: &str) -> Result<Self, RouteError> {
        let good = s.starts_with('/')
            && s.len() <= PATH_LEN_MAX
            && s.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\' | b'{' | b'}'))
            && !s.split('/').any(|segment| matches!(segment, "." | ".."));
        let (text, below) = match s.strip_suffix("/*") {
            Some(text) => (text, true),
            None => (s, false),
        };
        if !good || text.contains('*') {
            return Err(RouteError::Path(s.chars().take(200).collect()));
        }
        Ok(if below { PathPattern::Below(text.into()) } else { PathPattern::Exact(text.into()) })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathPattern::Exact(p) => f.write_str(p),
            PathPattern::Below(p) => write!(f, "{p}/*"),
        }
    }
}

/// What a header must be for the route to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderMatch {
    /// Present with any value.
    Present,
    /// Every value of the field equals this text.
    Equals(Box<str>),
}

/// Reads `POST,PUT` into methods.
pub fn parse_methods(text: &str) -> Result<Vec<Method>, RouteError> {
    let wrong = || RouteError::Methods(text.chars().take(80).collect());
    let mut out = Vec::new();
    for word in text.split(',') {
        let word = word.trim();
        if word.is_empty() || word.len() > 32 || !word.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
            return Err(wrong());
        }
        let method = Method::from_bytes(word.as_bytes()).map_err(|_| wrong())?;
        if !out.contains(&method) {
            out.push(method);
        }
    }
    Ok(out)
}

/// A value by method, or one for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByMethod<T> {
    /// The same for every method.
    Same(T),
    /// One for each method named; `HEAD` follows `GET` unless named.
    Each(Vec<(Method, T)>),
}

impl<T> ByMethod<T> {
    /// The value for `method`.
    pub fn find(&self, method: &Method) -> Option<&T> {
        match self {
            ByMethod::Same(t) => Some(t),
            ByMethod::Each(list) => {
                let named = |m: &Method| list.iter().find(|(have, _)| have == m).map(|(_, t)| t);
                named(method).or_else(|| if *method == Method::HEAD { named(&Method::GET) } else { None })
            }
        }
    }
}

/// How a caller of a route proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteAuth {
    /// By an API key.
    ApiKey,
    /// Not at all: a public route, said out loud.
    None,
}

/// How refusals on a route look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorStyle {
    /// `application/problem+json` (RFC 9457).
    #[default]
    Problem,
    /// `{"success":false,"error":"…"}`.
    Argus,
}

/// One route, as configured.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name: the metric label, the log field, the CLI argument.
    pub name: Name,
    /// Hosts; any if empty.
    pub hosts: Vec<HostPattern>,
    /// Paths, at least one.
    pub paths: Vec<PathPattern>,
    /// Methods; any if empty.
    pub methods: Vec<Method>,
    /// Headers that must match.
    pub headers: Vec<(HeaderName, HeaderMatch)>,
    /// Where to.
    pub upstream: Name,
    /// Who.
    pub auth: RouteAuth,
    /// Environments whose keys are taken; any if empty.
    pub environments: Vec<Box<str>>,
    /// What the key must be able to do; nothing in particular if absent.
    pub scopes: Option<ByMethod<ScopeQuery>>,
    /// Units a request takes from each limit; 1 where nothing is said.
    pub cost: Option<ByMethod<u64>>,
    /// Names of conditions, all of which must hold.
    pub conditions: Vec<Name>,
    /// Limits of the route itself.
    pub limits: Vec<Limit>,
    /// How refusals look.
    pub error_style: ErrorStyle,
    /// What it does to its requests.
    pub rules: RouteRules,
    /// Where the route stands in the configuration.
    pub origin: Origin,
    /// Where its scopes stand.
    pub scopes_origin: Origin,
    /// Where its conditions stand.
    pub conditions_origin: Origin,
    /// Where its limits stand.
    pub limits_origin: Origin,
}

impl Route {
    /// Units that a request by `method` takes.
    pub fn cost_of(&self, method: &Method) -> u64 {
        self.cost.as_ref().and_then(|c| c.find(method)).copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_and_print() {
        for text in ["/", "/*", "/status", "/v1/orders/*", "/a%20b"] {
            assert_eq!(text.parse::<PathPattern>().unwrap().to_string(), text);
        }
        for bad in
            ["", "v1", "/v1*", "/*/x", "/a?b", "/a b", "/../x", "/{id}", &format!("/{}", "x".repeat(PATH_LEN_MAX))]
        {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
        }
        for (text, shown) in
            [("API.example.com.", "api.example.com"), ("*.example.com", "*.example.com"), ("[::1]", "[::1]")]
        {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), shown);
        }
        for bad in ["", "*", "a..b", "example.com:80", "*.*.com", "http://x"] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn head_follows_get() {
        let by = ByMethod::Each(vec![(Method::GET, 1), (Method::POST, 5)]);
        assert_eq!((by.find(&Method::HEAD), by.find(&Method::POST), by.find(&Method::PUT)), (Some(&1), Some(&5), None));
    }
}
