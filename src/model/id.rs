//! Names of things, each with its own type so that two of them cannot be swapped.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key_format::{PUBLIC_ID_LEN, is_base62};

/// What is wrong with a text that should be an id or a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a key id.
    #[error("expected a key id such as `key_9f3KtWq2Zc`")]
    Key,
    /// Not an owner id.
    #[error("expected an owner id such as `own_42`")]
    Owner,
    /// Not a name.
    #[error("expected a name of 1 to {NAME_LEN_MAX} letters, digits, `.`, `_` or `-`, starting with a letter or digit")]
    Name,
}

/// Longest name of a key, owner, role, plan, condition, route or upstream, in bytes.
pub const NAME_LEN_MAX: usize = 100;

/// The public id of a key: ten base62 characters, not secret, unique in the cluster. Shown as `key_…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; PUBLIC_ID_LEN]);

impl KeyId {
    /// Takes the ten characters as they stand inside a key.
    pub fn from_public(public: &[u8]) -> Option<Self> {
        let bytes: [u8; PUBLIC_ID_LEN] = public.try_into().ok()?;
        bytes.iter().all(|b| is_base62(*b)).then_some(KeyId(bytes))
    }

    /// The ten characters, without the `key_` in front.
    pub fn public(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a KeyId holds base62 characters only")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key_{}", self.public())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = IdError;

    /// Takes `key_9f3KtWq2Zc` or the bare public id.
    fn from_str(s: &str) -> Result<Self, IdError> {
        KeyId::from_public(s.strip_prefix("key_").unwrap_or(s).as_bytes()).ok_or(IdError::Key)
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The id of an owner: `own_` and up to 40 letters or digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(Arc<str>);

impl OwnerId {
    /// The whole id, `own_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OwnerId {
    type Err = IdError;

    fn from_str(s: &str) -> Result<Self, IdError> {
        let rest = s.strip_prefix("own_").ok_or(IdError::Owner)?;
        let good = (1..=40).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric());
        good.then(|| OwnerId(s.into())).ok_or(IdError::Owner)
    }
}

impl Serialize for OwnerId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for OwnerId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The name of a key, role, plan, condition, route, upstream, listener or limit. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shared text.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = IdError;

    fn from_str(s: &str) -> Result<Self, IdError> {
        let good = (1..=NAME_LEN_MAX).contains(&s.len())
            && s.as_bytes()[0].is_ascii_alphanumeric()
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        good.then(|| Name(s.into())).ok_or(IdError::Name)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_id_takes_both_renderings_and_nothing_else() {
        let id: KeyId = "key_9f3KtWq2Zc".parse().unwrap();
        assert_eq!("9f3KtWq2Zc".parse::<KeyId>().unwrap(), id);
        assert_eq!(id.to_string(), "key_9f3KtWq2Zc");
        for bad in ["", "key_", "key_9f3KtWq2Z", "key_9f3KtWq2Zcc", "key_9f3KtWq2Z-", "own_9f3KtWq2Zc"] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_plain_words() {
        assert!("billing-prod".parse::<Name>().is_ok());
        for bad in ["", "-x", "a b", "a/b", "ä", &"x".repeat(101)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
