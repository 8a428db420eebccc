//! Scopes: what a key may do, and what a route demands.
//!
//! A scope is two or more words joined by `:`, the last of which is the action: `orders:read`, `eu:orders:write`.
//! `*` as a word of a *granted* scope stands for any one word, and as its last word for one or more words, so
//! `orders:*` covers `orders:read` and `orders:items:read`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest scope, in bytes.
pub const SCOPE_LEN_MAX: usize = 200;
/// Longest scope query, in bytes.
pub const SCOPE_QUERY_LEN_MAX: usize = 1_000;
/// Deepest nesting of parentheses in a scope query.
pub const SCOPE_QUERY_DEPTH_MAX: usize = 16;

/// What is wrong with a text that should be a scope or a scope query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not a scope.
    #[error("`{0}` is not a scope: expected `resource:action`, for example `orders:read` or `orders:*`")]
    Shape(String),
    /// Not a query.
    #[error("expected scopes joined by AND, OR and parentheses, for example `orders:read AND (eu:read OR admin:*)`")]
    Query,
}

/// One granted or demanded scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Box<str>);

impl Scope {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether holding `self` is enough where `demanded` is asked for.
    pub fn covers(&self, demanded: &Scope) -> bool {
        let mut have = self.0.split(':').peekable();
        let mut want = demanded.0.split(':');
        while let Some(word) = have.next() {
            let Some(asked) = want.next() else { return false };
            if word == "*" && have.peek().is_none() {
                return true;
            }
            if word != "*" && word != asked {
                return false;
            }
        }
        want.next().is_none()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(s: &str) -> Result<Self, ScopeError> {
        let word = |w: &str| {
            w == "*"
                || (!w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')))
        };
        let good = s.len() <= SCOPE_LEN_MAX && s.contains(':') && s.split(':').all(word);
        good.then(|| Scope(s.into())).ok_or_else(|| ScopeError::Shape(s.chars().take(80).collect()))
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a route demands: one scope, or several joined by `AND`, `OR` and parentheses. `AND` binds tighter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeQuery {
    /// This scope.
    Has(Scope),
    /// All of these.
    All(Vec<ScopeQuery>),
    /// Any one of these.
    Any(Vec<ScopeQuery>),
}

impl ScopeQuery {
    /// Whether `granted` satisfies the demand.
    pub fn allows(&self, granted: &[Scope]) -> bool {
        match self {
            ScopeQuery::Has(scope) => granted.iter().any(|g| g.covers(scope)),
            ScopeQuery::All(parts) => parts.iter().all(|p| p.allows(granted)),
            ScopeQuery::Any(parts) => parts.iter().any(|p| p.allows(granted)),
        }
    }

    /// Every scope the demand names, in order, for `WWW-Authenticate` and `required_scopes`.
    pub fn scopes(&self) -> Vec<&Scope> {
        match self {
            ScopeQuery::Has(scope) => vec![scope],
            ScopeQuery::All(parts) | ScopeQuery::Any(parts) => parts.iter().flat_map(ScopeQuery::scopes).collect(),
        }
    }
}

impl fmt::Display for ScopeQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            ScopeQuery::Has(scope) => return scope.fmt(f),
            ScopeQuery::All(parts) => (parts, " AND "),
            ScopeQuery::Any(parts) => (parts, " OR "),
        };
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                f.write_str(word)?;
            }
            match part {
                ScopeQuery::Has(scope) => scope.fmt(f)?,
                _ => write!(f, "({part})")?,
            }
        }
        Ok(())
    }
}

impl FromStr for ScopeQuery {
    type Err = ScopeError;

    fn from_str(s: &str) -> Result<Self, ScopeError> {
        if s.len() > SCOPE_QUERY_LEN_MAX {
            return Err(ScopeError::Query);
        }
        let spaced = s.replace('(', " ( ").replace(')', " ) ");
        let mut words = spaced.split_ascii_whitespace().peekable();
        let query = any(&mut words, 0)?;
        if words.next().is_some() { Err(ScopeError::Query) } else { Ok(query) }
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitAsciiWhitespace<'a>>;

fn any(words: &mut Words<'_>, depth: usize) -> Result<ScopeQuery, ScopeError> {
    let mut parts = vec![all(words, depth)?];
    while words.next_if(|w| w.eq_ignore_ascii_case("or")).is_some() {
        parts.push(all(words, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { ScopeQuery::Any(parts) })
}

fn all(words: &mut Words<'_>, depth: usize) -> Result<ScopeQuery, ScopeError> {
    let mut parts = vec![one(words, depth)?];
    while words.next_if(|w| w.eq_ignore_ascii_case("and")).is_some() {
        parts.push(one(words, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { ScopeQuery::All(parts) })
}

fn one(words: &mut Words<'_>, depth: usize) -> Result<ScopeQuery, ScopeError> {
    match words.next() {
        Some("(") if depth < SCOPE_QUERY_DEPTH_MAX => {
            let inner = any(words, depth + 1)?;
            if words.next() == Some(")") { Ok(inner) } else { Err(ScopeError::Query) }
        }
        Some(word) if word != "(" && word != ")" => Ok(ScopeQuery::Has(word.parse()?)),
        _ => Err(ScopeError::Query),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(granted: &str, demanded: &str, covered: bool) {
        let granted: Vec<Scope> = granted.split(' ').map(|s| s.parse().unwrap()).collect();
        assert_eq!(demanded.parse::<ScopeQuery>().unwrap().allows(&granted), covered, "{granted:?} for {demanded}");
    }

    #[test]
    fn wildcards_cover_what_they_say() {
        check("orders:read", "orders:read", true);
        check("orders:read", "orders:write", false);
        check("orders:*", "orders:write", true);
        check("orders:*", "orders:items:read", true);
        check("*:read", "orders:read", true);
        check("*:read", "orders:items:read", false);
        check("*:*", "a:b:c", true);
        check("orders:items:read", "orders:read", false);
        check("orders:read", "orders:read:all", false);
    }

    #[test]
    fn queries() {
        let q = "orders:read AND (eu:read OR admin:*)";
        check("orders:read eu:read", q, true);
        check("orders:read", q, false);
        check("eu:read", q, false);
        assert_eq!(q.parse::<ScopeQuery>().unwrap().to_string(), q);
        for bad in ["", "orders", "a:b AND", "(a:b", "a:b)", "a:b c:d", &"(".repeat(500)] {
            assert!(bad.parse::<ScopeQuery>().is_err(), "{bad}");
        }
    }
}
