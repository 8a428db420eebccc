//! The headers by which the upstream learns who calls.
//!
//! All of them are always sent, empty if there is nothing to say: a header that is left out could be the client's own.

use http::{HeaderName, HeaderValue};

use crate::model::key::Key;
use crate::model::owner::Owner;
use crate::model::scope::Scope;

/// The facts that depend on the key alone, in the order of [`IdentityNames::of_key`].
pub const KEY_FACTS: [&str; 9] =
    ["subject", "key-id", "owner", "organization", "project", "scopes", "roles", "plan", "environment"];

/// Names of the identity headers under the configured prefix.
#[derive(Debug, Clone)]
pub struct IdentityNames {
    /// One name for each of [`KEY_FACTS`].
    pub of_key: [HeaderName; KEY_FACTS.len()],
    /// How the caller proved who it is: `api_key`, or `none`.
    pub auth_method: HeaderName,
    /// The request's id.
    pub request_id: HeaderName,
}

impl IdentityNames {
    /// The names under `prefix`, such as `argus-`; `None` if no header may be called that.
    pub fn new(prefix: &str) -> Option<Self> {
        let name = |word: &str| HeaderName::from_bytes(format!("{prefix}{word}").as_bytes()).ok();
        let [a, b, c, d, e, f, g, h, i] = KEY_FACTS;
        Some(IdentityNames {
            of_key: [name(a)?, name(b)?, name(c)?, name(d)?, name(e)?, name(f)?, name(g)?, name(h)?, name(i)?],
            auth_method: name("auth-method")?,
            request_id: name("request-id")?,
        })
    }
}

/// The word for what this version has one of only.
pub const DEFAULT: HeaderValue = HeaderValue::from_static("default");
/// Nothing to say.
pub const EMPTY: HeaderValue = HeaderValue::from_static("");

/// The values for a key, in the order of [`KEY_FACTS`].
pub(super) fn values(
    key: &Key,
    owner: Option<&Owner>,
    scopes: &[Scope],
    plan: &HeaderValue,
    environments: &[(Box<str>, HeaderValue)],
) -> [HeaderValue; KEY_FACTS.len()] {
    let key_id = value(key.id.public());
    let subject = match owner.and_then(|o| o.external_id.as_deref()) {
        Some(external) => value(external),
        None => key_id.clone(),
    };
    let owner = key.owner.as_ref().map_or(EMPTY, |id| value(id.as_str()));
    let environment = environments.iter().find(|(word, _)| **word == *key.environment);
    let environment = environment.map_or_else(|| value(&key.environment), |(_, header)| header.clone());
    let scopes = spaced(scopes.iter().map(Scope::as_str));
    let roles = spaced(key.roles.iter().map(crate::model::id::Name::as_str));
    [subject, key_id, owner, DEFAULT, DEFAULT, scopes, roles, plan.clone(), environment]
}

fn spaced<'a>(words: impl Iterator<Item = &'a str>) -> HeaderValue {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    if text.is_empty() { EMPTY } else { value(&text) }
}

/// `text` as a header value. What a header cannot hold is percent-encoded, so that two different texts stay different.
pub(super) fn value(text: &str) -> HeaderValue {
    const UNSAFE: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%');
    if let Ok(value) = HeaderValue::from_str(text) {
        return value;
    }
    let encoded = percent_encoding::utf8_percent_encode(text, UNSAFE).to_string();
    HeaderValue::from_str(&encoded).unwrap_or(EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_out_of_a_header() {
        for (text, shown) in [
            ("user_42", "user_42"),
            ("a\r\nArgus-Plan: gold", "a%0D%0AArgus-Plan: gold"),
            ("100%\n", "100%25%0A"),
            ("", ""),
        ] {
            assert_eq!(value(text).as_bytes(), shown.as_bytes());
        }
        assert_eq!(value("ä\n").as_bytes(), b"%C3%A4%0A");
    }

    #[test]
    fn names_follow_the_prefix() {
        let names = IdentityNames::new("acme-").unwrap();
        assert_eq!((names.of_key[1].as_str(), names.request_id.as_str()), ("acme-key-id", "acme-request-id"));
        assert!(IdentityNames::new("a b").is_none());
    }
}
