//! The key: the record of a credential, and what it is at a given moment.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::condition::ConditionText;
use super::id::{KeyId, Name, OwnerId};
use super::key_format::{is_environment, is_prefix};
use super::limit::{LimitText, QuotaText};
use super::scope::Scope;

/// What a key is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// A program.
    #[default]
    Application,
    /// A person.
    User,
    /// The platform itself.
    System,
}

/// Why a key was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// Somebody else has it.
    Leaked,
    /// Nobody uses it.
    Unused,
    /// Another took its place.
    Replaced,
    /// Its owner has left.
    Offboarding,
    /// A rule demands it.
    Policy,
    /// Something else.
    Other,
}

/// When and why a key was revoked. Final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Revocation {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// By whom.
    pub by: String,
}

/// A key as stored: everything but its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Public id.
    pub id: KeyId,
    /// The same key's UUID.
    pub uuid: Uuid,
    /// What may be shown of the key: `argus_live_9f3KtWq2Zc`, or the first characters of an imported one.
    pub prefix: String,
    /// Unique among the keys that are neither revoked, deleted nor replaced.
    pub name: Name,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// `live`, `test` or another configured word.
    pub environment: String,
    /// What it is for.
    pub r#type: KeyType,
    /// Whose it is.
    pub owner: Option<OwnerId>,
    /// What it may do, besides what its roles grant.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Names of roles.
    #[serde(default)]
    pub roles: Vec<Name>,
    /// Its plan; the default plan if absent.
    pub plan: Option<Name>,
    /// Its own conditions, besides the route's.
    #[serde(default)]
    pub conditions: ConditionText,
    /// Names of shared conditions, besides its own.
    #[serde(default)]
    pub condition_names: Vec<Name>,
    /// Its own limits, in place of the plan's rates.
    #[serde(default)]
    pub limits: Vec<LimitText>,
    /// Its own quota, in place of the plan's.
    pub quota: Option<QuotaText>,
    /// Not valid before.
    pub not_before: Option<Timestamp>,
    /// Not valid from then on.
    pub expires_at: Option<Timestamp>,
    /// Switched off.
    pub disabled: bool,
    /// Revoked for ever.
    pub revoked: Option<Revocation>,
    /// The key that takes this one's place.
    pub replaced_by: Option<KeyId>,
    /// The key whose place this one took.
    pub replaces: Option<KeyId>,
    /// Seen in clear text on an unprotected connection.
    #[serde(default)]
    pub exposed: bool,
    /// Imported with less than 128 bits of estimated strength.
    #[serde(default)]
    pub weak: bool,
    /// Free facts.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
    /// Free words.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts changes; the `ETag`.
    pub version: u64,
}

/// What a key is at a given moment. Derived, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Revoked for ever.
    Revoked,
    /// Switched off.
    Disabled,
    /// Not valid yet.
    Scheduled,
    /// Not valid any more.
    Expired,
    /// Valid, and has a successor.
    Rotating,
    /// Valid.
    Active,
}

impl KeyStatus {
    /// The word in configuration, API and CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyStatus::Revoked => "revoked",
            KeyStatus::Disabled => "disabled",
            KeyStatus::Scheduled => "scheduled",
            KeyStatus::Expired => "expired",
            KeyStatus::Rotating => "rotating",
            KeyStatus::Active => "active",
        }
    }

    /// Whether a key in this state opens anything.
    pub fn is_valid(self) -> bool {
        matches!(self, KeyStatus::Active | KeyStatus::Rotating)
    }
}

/// What decides over time whether a key opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Not valid before.
    pub not_before: Option<Timestamp>,
    /// Not valid from then on.
    pub expires_at: Option<Timestamp>,
    /// Switched off.
    pub is_disabled: bool,
    /// Whether another key takes its place.
    pub is_replaced: bool,
}

impl Validity {
    /// What the key is at `at`. Validity is half-open: `not_before` is inside, `expires_at` outside.
    pub fn status(&self, at: Timestamp) -> KeyStatus {
        if self.revoked_at.is_some() {
            KeyStatus::Revoked
        } else if self.is_disabled {
            KeyStatus::Disabled
        } else if self.not_before.is_some_and(|t| at < t) {
            KeyStatus::Scheduled
        } else if self.expires_at.is_some_and(|t| at >= t) {
            KeyStatus::Expired
        } else if self.is_replaced {
            KeyStatus::Rotating
        } else {
            KeyStatus::Active
        }
    }
}

impl Key {
    /// What decides over time whether the key opens anything.
    pub fn validity(&self) -> Validity {
        Validity {
            revoked_at: self.revoked.as_ref().map(|r| r.at),
            not_before: self.not_before,
            expires_at: self.expires_at,
            is_disabled: self.disabled,
            is_replaced: self.replaced_by.is_some(),
        }
    }

    /// What the key is at `at`.
    pub fn status(&self, at: Timestamp) -> KeyStatus {
        self.validity().status(at)
    }

    /// Whether the whole key looks like `prefix_env_publicid_secret`, so that shape and checksum tell it from garbage.
    pub fn has_own_shape(&self) -> bool {
        let mut parts = self.prefix.split('_');
        let (prefix, environment, id) = (parts.next(), parts.next(), parts.next());
        parts.next().is_none()
            && prefix.is_some_and(is_prefix)
            && environment.is_some_and(is_environment)
            && id == Some(self.id.public())
    }

    /// Whether the key ends within `span` after `at`.
    pub fn expires_within(&self, at: Timestamp, span: SignedDuration) -> bool {
        self.expires_at.is_some_and(|end| end > at && end.duration_since(at) <= span)
    }
}
