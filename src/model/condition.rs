//! Conditions: what must hold of the caller and the moment, else the call is refused.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::country::Country;
use super::network::{AddressSet, Asn, Cidr};
use super::schedule::{Schedule, ScheduleError, ScheduleText};

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// `allow = []`.
    #[error("an empty `allow` list lets nobody in: name what is allowed, or leave `allow` out")]
    EmptyAllow,
    /// A condition that demands nothing.
    #[error("the condition demands nothing: give it `ip`, `country`, `network`, `time` or `referrer`")]
    Empty,
    /// A bad window.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Not an origin pattern.
    #[error("`{0}` is not an origin: expected for example `https://app.example.com` or `https://*.example.com`")]
    Origin(String),
}

/// `allow` and `deny` as they are written. `deny` wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, DeriveDeserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "T: Deserialize<'de>"))]
pub struct AllowDeny<T> {
    /// Only these; everything if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<T>>,
    /// Never these.
    #[serde(default = "no_entries::<T>", skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<T>,
}

fn no_entries<T>() -> Vec<T> {
    Vec::new()
}

/// How a condition is written, in the file and in the API.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, DeriveDeserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct ConditionText {
    /// Client addresses, as CIDR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AllowDeny<String>>")]
    #[schema(value_type = Option<AllowDeny<String>>)]
    pub ip: Option<AllowDeny<Cidr>>,
    /// Countries, as ISO 3166 two-letter codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AllowDeny<String>>")]
    #[schema(value_type = Option<AllowDeny<String>>)]
    pub country: Option<AllowDeny<Country>>,
    /// Autonomous systems, as `AS64496`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AllowDeny<String>>")]
    #[schema(value_type = Option<AllowDeny<String>>)]
    pub network: Option<AllowDeny<Asn>>,
    /// A weekly window, or several of which one must be open.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrManySchema<ScheduleText>")]
    pub time: Vec<ScheduleText>,
    /// Origins of the page that calls, by `Origin` or else `Referer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<AllowDeny<String>>,
}

impl ConditionText {
    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        *self == ConditionText::default()
    }

    /// Whether a country database is needed.
    pub fn needs_country(&self) -> bool {
        self.country.is_some()
    }

    /// Whether a database of autonomous systems is needed.
    pub fn needs_asn(&self) -> bool {
        self.network.is_some()
    }
}

/// A rule over values that can be listed.
#[derive(Debug, Clone)]
pub struct ListRule<T> {
    allow: Option<Vec<T>>,
    deny: Vec<T>,
}

impl<T: Ord> ListRule<T> {
    fn new(text: AllowDeny<T>) -> Result<Self, ConditionError> {
        if text.allow.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConditionError::EmptyAllow);
        }
        let sorted = |mut list: Vec<T>| {
            list.sort_unstable();
            list.dedup();
            list
        };
        Ok(ListRule { allow: text.allow.map(sorted), deny: sorted(text.deny) })
    }

    /// Whether `value` passes.
    pub fn allows(&self, value: &T) -> bool {
        self.deny.binary_search(value).is_err() && self.allow.as_ref().is_none_or(|a| a.binary_search(value).is_ok())
    }
}

/// A rule over addresses.
#[derive(Debug, Clone)]
pub struct AddressRule {
    allow: Option<AddressSet>,
    deny: AddressSet,
}

impl AddressRule {
    /// Whether `addr` passes.
    pub fn allows(&self, addr: std::net::IpAddr) -> bool {
        !self.deny.contains(addr) && self.allow.as_ref().is_none_or(|a| a.contains(addr))
    }
}

/// `scheme://host[:port]`, where the host may begin with `*.` for any name below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OriginPattern {
    scheme: Option<Box<str>>,
    host: Box<str>,
    any_below: bool,
    port: Option<u16>,
}

impl FromStr for OriginPattern {
    type Err = ConditionError;

    fn from_str(s: &str) -> Result<Self, ConditionError> {
        let wrong = || ConditionError::Origin(s.chars().take(80).collect());
        let (scheme, rest) = match s.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest),
            Some(_) => return Err(wrong()),
            None => (None, s),
        };
        let (host, port) = split_port(rest.strip_suffix('/').unwrap_or(rest)).ok_or_else(wrong)?;
        let (host, any_below) = match host.strip_prefix("*.") {
            Some(host) => (host, true),
            None => (host, false),
        };
        if !is_host(host) {
            return Err(wrong());
        }
        let host = host.to_ascii_lowercase().into();
        Ok(OriginPattern { scheme: scheme.map(Into::into), host, any_below, port })
    }
}

impl OriginPattern {
    /// Whether the origin `scheme://host:port` fits. A pattern without a port means the scheme's own port.
    fn fits(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        let host = host.to_ascii_lowercase();
        let own = if scheme == "https" { 443 } else { 80 };
        self.scheme.as_deref().is_none_or(|s| s == scheme)
            && self.port.unwrap_or(own) == port.unwrap_or(own)
            && if self.any_below {
                host.strip_suffix(&*self.host).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            } else {
                host == *self.host
            }
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        Some(_) => None,
        None => Some((authority, None)),
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && host
            .split('.')
            .all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
}

/// A rule over origins.
#[derive(Debug, Clone)]
pub struct OriginRule {
    allow: Option<Vec<OriginPattern>>,
    deny: Vec<OriginPattern>,
}

impl OriginRule {
    /// Only these.
    pub fn only(allow: Vec<OriginPattern>) -> Self {
        OriginRule { allow: Some(allow), deny: Vec::new() }
    }

    /// Whether a caller that names `origin` (an `Origin` or `Referer` value) passes. One that names none, or something
    /// unreadable, passes only where nothing in particular is allowed.
    pub fn allows(&self, origin: Option<&str>) -> bool {
        let parsed = origin.and_then(|o| {
            let (scheme, rest) = o.split_once("://")?;
            let authority = rest.split(['/', '?', '#']).next()?;
            let (host, port) = split_port(authority)?;
            Some((scheme.to_ascii_lowercase(), host, port))
        });
        let Some((scheme, host, port)) = parsed else { return self.allow.is_none() };
        let any = |list: &[OriginPattern]| list.iter().any(|p| p.fits(&scheme, host, port));
        !any(&self.deny) && self.allow.as_ref().is_none_or(|a| any(a))
    }
}

/// A condition, ready to be asked.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Client addresses.
    pub ip: Option<AddressRule>,
    /// Countries.
    pub country: Option<ListRule<Country>>,
    /// Autonomous systems.
    pub network: Option<ListRule<Asn>>,
    /// Windows of which one must be open; none means any time.
    pub time: Vec<Schedule>,
    /// Origins.
    pub referrer: Option<OriginRule>,
}

impl TryFrom<&ConditionText> for Condition {
    type Error = ConditionError;

    fn try_from(t: &ConditionText) -> Result<Self, ConditionError> {
        if t.is_empty() {
            return Err(ConditionError::Empty);
        }
        let ip = match &t.ip {
            Some(AllowDeny { allow: Some(allow), .. }) if allow.is_empty() => return Err(ConditionError::EmptyAllow),
            Some(rule) => Some(AddressRule {
                allow: rule.allow.as_ref().map(|a| a.iter().copied().collect()),
                deny: rule.deny.iter().copied().collect(),
            }),
            None => None,
        };
        let referrer = match &t.referrer {
            Some(AllowDeny { allow: Some(allow), .. }) if allow.is_empty() => return Err(ConditionError::EmptyAllow),
            Some(rule) => {
                let parse = |list: &[String]| list.iter().map(|s| s.parse()).collect::<Result<Vec<_>, _>>();
                Some(OriginRule { allow: rule.allow.as_deref().map(parse).transpose()?, deny: parse(&rule.deny)? })
            }
            None => None,
        };
        Ok(Condition {
            ip,
            country: t.country.clone().map(ListRule::new).transpose()?,
            network: t.network.clone().map(ListRule::new).transpose()?,
            time: t.time.iter().map(Schedule::try_from).collect::<Result<_, _>>()?,
            referrer,
        })
    }
}

/// Schema of a field that takes one value or a list of them.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
pub enum OneOrManySchema<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

/// Deserializes one value or a list of them into a list, keeping the place of an error (`untagged` would lose it).
pub fn one_or_many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    struct OneOrMany<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one value or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Vec<T>, E> {
            T::deserialize(serde::de::value::StrDeserializer::new(v)).map(|t| vec![t])
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|t| vec![t])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut out = Vec::new();
            while let Some(item) = seq.next_element()? {
                out.push(item);
            }
            Ok(out)
        }
    }

    d.deserialize_any(OneOrMany(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(json: &str) -> Result<Condition, ConditionError> {
        Condition::try_from(&serde_json::from_str::<ConditionText>(json).unwrap())
    }

    #[test]
    fn deny_wins_over_allow() {
        let c = condition(r#"{"ip":{"allow":["198.51.100.0/24"],"deny":["198.51.100.66"]}}"#).unwrap();
        let ip = c.ip.unwrap();
        assert!(ip.allows("198.51.100.1".parse().unwrap()));
        assert!(!ip.allows("198.51.100.66".parse().unwrap()) && !ip.allows("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn origins() {
        let c = condition(r#"{"referrer":{"allow":["https://*.example.com","http://localhost:3000"]}}"#).unwrap();
        let rule = c.referrer.unwrap();
        for (origin, passes) in [
            (Some("https://app.example.com"), true),
            (Some("https://APP.example.com/page?x#y"), true),
            (Some("https://example.com"), false),
            (Some("https://evilexample.com"), false),
            (Some("https://app.example.com.evil.test"), false),
            (Some("http://app.example.com"), false),
            (Some("http://localhost:3000/x"), true),
            (Some("http://localhost"), false),
            (Some("null"), false),
            (None, false),
            (Some("https://evil.test?https://app.example.com"), false),
            (Some("https://app.example.com@evil.test"), false),
        ] {
            assert_eq!(rule.allows(origin), passes, "{origin:?}");
        }
    }

    #[test]
    fn what_demands_nothing_is_an_error() {
        assert_eq!(condition("{}").unwrap_err(), ConditionError::Empty);
        assert_eq!(condition(r#"{"ip":{"allow":[]}}"#).unwrap_err(), ConditionError::EmptyAllow);
        assert!(serde_json::from_str::<ConditionText>(r#"{"ips":{}}"#).is_err());
        assert!(condition(r#"{"time":{"days":"mon"}}"#).is_ok() && condition(r#"{"time":[{"days":"mon"}]}"#).is_ok());
    }
}
