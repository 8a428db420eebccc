//! What a decision is: admitted, which only this module can say, or refused with everything the answer needs.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::report::LimitReport;
use crate::model::country::Country;
use crate::model::id::{KeyId, Name};
use crate::model::network::Asn;
use crate::model::reason::Reason;
use crate::snapshot::{Access, ActiveRoute};

/// Longest text of the caller's that is told back, in characters.
pub(super) const ECHO_CHARS_MAX: usize = 200;

/// What became of a request at the gate.
#[derive(Debug)]
pub struct Decision {
    /// The route, once it was found.
    pub route: Option<Arc<ActiveRoute>>,
    /// The key, once it was proven; there even if it was then refused.
    pub access: Option<Access>,
    /// Admitted or refused.
    pub outcome: Result<Admitted, Box<Refusal>>,
    /// The limits that were counted.
    pub limits: LimitReport,
    /// Units the request takes from each limit.
    pub cost: u64,
    /// Who answered for the credential.
    pub source: DecisionSource,
    /// Whether the key stood in the query, of which the caller is warned.
    pub key_in_query: bool,
}

/// Who answered for a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionSource {
    /// The cache; or nobody had to.
    Memory,
    /// The store.
    Store,
    /// Nobody: refused by its shape, or unheard.
    Reject,
}

impl DecisionSource {
    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            DecisionSource::Memory => "memory",
            DecisionSource::Store => "store",
            DecisionSource::Reject => "reject",
        }
    }
}

/// Proof that a request was admitted. Only admission makes it; whoever forwards consumes it.
#[derive(Debug)]
pub struct Admitted {
    route: Arc<ActiveRoute>,
    access: Option<Access>,
}

impl Admitted {
    pub(super) fn new(route: Arc<ActiveRoute>, access: Option<Access>) -> Self {
        Admitted { route, access }
    }

    /// The route that takes the request.
    pub fn route(&self) -> &Arc<ActiveRoute> {
        &self.route
    }

    /// The key it came with; `None` on a public route.
    pub fn access(&self) -> Option<&Access> {
        self.access.as_ref()
    }
}

/// What Argus saw of the caller where a condition did not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Its country, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Its autonomous system, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Asn>,
    /// The time in the window's zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The page that calls, as the browser names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// Why a request was refused, and what the answer tells.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// One sentence what, one how to fix it. For the caller: vague until the key is proven.
    pub detail: Cow<'static, str>,
    /// The key, once it is proven.
    pub key_id: Option<KeyId>,
    /// The realm of the challenge: the route's name.
    pub realm: Option<Name>,
    /// What the key would have to be able to do.
    pub required_scopes: Vec<String>,
    /// What was seen of the caller.
    pub observed: Option<Observed>,
    /// Methods that would be taken.
    pub allow: Vec<Method>,
    /// Seconds after which the same request would be admitted; at least 1.
    pub retry_after_s: Option<u64>,
    /// Limits that refuse.
    pub violated: Vec<Name>,
    /// `error_description` of the challenge.
    pub error_description: Option<Cow<'static, str>>,
    /// Whether the listener sends such a request to HTTPS (308) rather than refuse it.
    pub redirect_to_https: bool,
}

impl Refusal {
    /// A refusal that tells nothing but this.
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Refusal {
            reason,
            detail: detail.into(),
            key_id: None,
            realm: None,
            required_scopes: Vec::new(),
            observed: None,
            allow: Vec::new(),
            retry_after_s: None,
            violated: Vec::new(),
            error_description: None,
            redirect_to_https: false,
        })
    }

    /// The `WWW-Authenticate` challenge that goes with the reason (RFC 6750 section 3), if one does.
    pub fn challenge(&self) -> Option<HeaderValue> {
        let error = match self.reason {
            Reason::MissingCredentials => None,
            Reason::MultipleCredentials => Some("invalid_request"),
            Reason::InsufficientScope => Some("insufficient_scope"),
            reason if reason.status() == StatusCode::UNAUTHORIZED => Some("invalid_token"),
            _ => return None,
        };
        let mut text = format!("Bearer realm=\"{}\"", self.realm.as_ref().map_or("argus", Name::as_str));
        // Writing into a `String` cannot fail. None of the texts holds a quote: names and scopes cannot, and
        // descriptions are ours.
        if let Some(error) = error {
            let _ = write!(text, ", error=\"{error}\"");
        }
        if let Some(description) = &self.error_description {
            let _ = write!(text, ", error_description=\"{description}\"");
        }
        if self.reason == Reason::InsufficientScope && !self.required_scopes.is_empty() {
            let _ = write!(text, ", scope=\"{}\"", self.required_scopes.join(" "));
        }
        HeaderValue::from_str(&text).ok()
    }
}

/// The front of a text of the caller's, for telling it back.
pub(super) fn echo(text: &str) -> String {
    let mut out: String = text.chars().take(ECHO_CHARS_MAX).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reason: Reason, challenge: Option<&str>) {
        let mut refusal = Refusal::new(reason, "x");
        refusal.realm = Some("orders".parse().unwrap());
        if reason == Reason::InsufficientScope {
            refusal.required_scopes = vec!["orders:write".to_owned(), "eu:read".to_owned()];
        }
        assert_eq!(refusal.challenge().as_ref().map(|h| h.to_str().unwrap()), challenge);
    }

    #[test]
    fn challenges() {
        check(Reason::MissingCredentials, Some("Bearer realm=\"orders\""));
        check(Reason::MultipleCredentials, Some("Bearer realm=\"orders\", error=\"invalid_request\""));
        check(Reason::InvalidCredentials, Some("Bearer realm=\"orders\", error=\"invalid_token\""));
        check(
            Reason::InsufficientScope,
            Some("Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"orders:write eu:read\""),
        );
        check(Reason::IpNotAllowed, None);
        check(Reason::RateLimited, None);
        let mut expired = Refusal::new(Reason::KeyExpired, "x");
        expired.error_description = Some("The key expired on 2026-09-01".into());
        let shown =
            "Bearer realm=\"argus\", error=\"invalid_token\", error_description=\"The key expired on 2026-09-01\"";
        assert_eq!(expired.challenge().unwrap(), shown);
    }

    #[test]
    fn echoes_are_cut() {
        assert_eq!(echo("short"), "short");
        assert_eq!(echo(&"ä".repeat(500)).chars().count(), ECHO_CHARS_MAX + 1);
    }
}
