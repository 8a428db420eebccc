//! The headers by which the upstream learns who calls.
//!
//! What the client sent under these names is taken out of every request first, so that a fact that is unknown needs no
//! header.

use http::{HeaderName, HeaderValue};

use super::Snapshot;
use crate::model::fields::Fields;
use crate::model::id::Name;
use crate::model::key_in_use::KeyInUse;
use crate::model::scope::Scope;

/// The facts that depend on the key alone, in the order of [`IdentityNames::of_key`].
const KEY_FACTS: [&str; 9] =
    ["subject", "key-id", "owner", "organization", "project", "scopes", "roles", "plan", "environment"];

/// Names of the identity headers under the configured prefix.
#[derive(Debug, Clone)]
pub struct IdentityNames {
    /// One name for each of `KEY_FACTS`.
    of_key: [HeaderName; KEY_FACTS.len()],
    /// How the caller proved who it is.
    auth_method: HeaderName,
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

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &HeaderName> {
        self.of_key.iter().chain([&self.auth_method, &self.request_id])
    }
}

/// The word for what this version has one of only.
const DEFAULT: HeaderValue = HeaderValue::from_static("default");
/// Nothing to say.
const EMPTY: HeaderValue = HeaderValue::from_static("");

/// How a caller with a key proved who it is.
const API_KEY: HeaderValue = HeaderValue::from_static("api_key");

/// What is told of one key.
pub(super) fn of_key(names: &IdentityNames, key: &KeyInUse, fields: &mut Fields) {
    let [subject, id, owner, ..] = &names.of_key;
    push(fields, subject, key.speaks_for());
    push(fields, id, key.id.public());
    if let Some(of) = key.owner_id() {
        push(fields, owner, of.as_str());
    }
}

fn push(fields: &mut Fields, name: &HeaderName, text: &str) {
    if !fields.push_text(name, text) {
        fields.push(name, &value(text));
    }
}

/// What is told of all keys that may do the same. A fact that is unknown has no header.
pub(super) fn of_grant(
    snapshot: &Snapshot,
    environment: &str,
    scopes: &[Scope],
    roles: &[Name],
    plan: &HeaderValue,
) -> Fields {
    let word = snapshot.environments.iter().find(|(word, _)| **word == *environment);
    let environment = word.map_or_else(|| value(environment), |(_, header)| header.clone());
    let scopes = spaced(scopes.iter().map(Scope::as_str));
    let roles = spaced(roles.iter().map(Name::as_str));
    let values = [DEFAULT, DEFAULT, scopes, roles, plan.clone(), environment];
    let names = &snapshot.identity;
    let mut fields = Fields::default();
    for (name, value) in names.of_key[3..].iter().zip(&values).filter(|(_, value)| !value.is_empty()) {
        fields.push(name, value);
    }
    fields.push(&names.auth_method, &API_KEY);
    fields.shrink();
    fields
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
