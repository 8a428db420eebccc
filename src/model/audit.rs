//! Audit records: who changed what, in a SHA-256 hash chain.
//!
//! `hash = SHA-256(previous hash ‖ canonical JSON)`, where the JSON is the record without its two hash fields in the
//! canonical form of RFC 8785. The first record follows 32 zero bytes. The chain shows a changed, missing or
//! reordered record; it cannot show that its end was cut off.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hash of the record before the first.
pub const GENESIS: [u8; 32] = [0; 32];

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Actor {
    /// `admin`, `system` or `key`.
    pub r#type: String,
    /// Stable id, such as `adm_root`.
    pub id: String,
    /// For people.
    pub name: String,
    /// `socket`, `http`, `cli` or `start`.
    pub via: String,
}

/// To what it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Target {
    /// `key`, `owner`, `role`, `plan`, `condition`, `config`.
    pub r#type: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// One field that changed. Secrets are never among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldChange {
    /// JSON Pointer (RFC 6901).
    pub path: String,
    /// Value before; null if there was none.
    #[schema(value_type = Value)]
    pub before: Value,
    /// Value after; null if it is gone.
    #[schema(value_type = Value)]
    pub after: Value,
}

/// What the mutator knows of a change; the store adds its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditDraft {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What, such as `key.create`.
    pub action: String,
    /// To what.
    pub target: Target,
    /// `success` or `failure`.
    pub outcome: String,
    /// Why, if a reason was given.
    pub reason: Option<String>,
    /// From where, if by network.
    pub source_ip: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// What changed.
    pub changes: Vec<FieldChange>,
}

/// A record in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditRecord {
    /// Place in the chain, from 1, without gaps.
    pub seq: u64,
    /// Its own id, a UUIDv7.
    #[schema(value_type = String, format = "uuid")]
    pub id: uuid::Uuid,
    /// The facts.
    #[serde(flatten)]
    pub draft: AuditDraft,
    /// Hash of the record before, in hexadecimal.
    pub prev_hash: String,
    /// Hash of this record, in hexadecimal.
    pub hash: String,
}

impl AuditRecord {
    /// Puts `draft` after the record whose hash is `prev`.
    pub fn seal(seq: u64, id: uuid::Uuid, draft: AuditDraft, prev: &[u8; 32]) -> Self {
        let mut record = AuditRecord { seq, id, draft, prev_hash: hex::encode(prev), hash: String::new() };
        record.hash = hex::encode(record.compute(prev));
        record
    }

    /// The hash this record ought to have after `prev`.
    pub fn compute(&self, prev: &[u8; 32]) -> [u8; 32] {
        let mut value = serde_json::to_value(self).unwrap_or(Value::Null);
        if let Value::Object(map) = &mut value {
            map.remove("prev_hash");
            map.remove("hash");
        }
        chain_hash(prev, &value)
    }
}

/// `SHA-256(prev ‖ canonical JSON of value)`.
pub fn chain_hash(prev: &[u8; 32], value: &Value) -> [u8; 32] {
    let mut text = String::new();
    canonical(value, &mut text);
    let mut hash = Sha256::new();
    hash.update(prev);
    hash.update(text.as_bytes());
    hash.finalize().into()
}

/// RFC 8785: no white space, members sorted by the UTF-16 code units of their names. Our records hold no fractions,
/// so the rule for printing those is not needed.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            out.push('{');
            for (i, (name, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                canonical(member, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector() {
        let first = serde_json::json!({"action":"key.create","actor":"user_ada","seq":1,"target":"key_1","time":"2026-09-21T13:33:20.000Z"});
        let one = chain_hash(&GENESIS, &first);
        assert_eq!(hex::encode(one), "e90fcadb7a6c13eae238d94cb4f9bb01b699cf897fca5832b2bd3ba2ca4bdeb3");
        let second = serde_json::json!({"action":"key.revoke","actor":"user_ada","seq":2,"target":"key_1","time":"2026-09-21T13:34:00.000Z"});
        assert_eq!(
            hex::encode(chain_hash(&one, &second)),
            "de47a732120fea1cc6c58591cd14efc6741789c475ae469e2d30de23bebd278f"
        );
    }
}
