//! Retention: what is deleted when, and what the walk over the audit chain finds afterwards.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Outcome of a purge, per kind of record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Usage rows.
    pub usage: u64,
    /// Audit records.
    pub audit: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Client addresses cut short.
    pub addresses: u64,
    /// Idempotency records.
    pub idempotency: u64,
}

/// Moments before which records go.
#[derive(Debug, Clone, Copy, Default)]
pub struct PurgeBefore {
    /// Minutes of usage.
    pub usage_minutes: Option<Timestamp>,
    /// Days of usage.
    pub usage_days: Option<Timestamp>,
    /// Audit records.
    pub audit: Option<Timestamp>,
    /// Tombstones of deleted keys.
    pub tombstones: Option<Timestamp>,
    /// Full client addresses; older ones are cut to /24 and /48.
    pub addresses: Option<Timestamp>,
    /// Idempotency records.
    pub idempotency: Option<Timestamp>,
}

/// What `argus audit verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum AuditVerdict {
    /// Every record is in its place and unchanged.
    Ok {
        /// Records seen.
        records: u64,
        /// Place of the first one kept.
        first_seq: u64,
        /// Place of the last.
        last_seq: u64,
        /// Hash of the last, in hexadecimal.
        head: String,
    },
    /// A record was changed, or stands where another belongs.
    Altered {
        /// Its place.
        seq: u64,
    },
    /// A record is missing.
    Gap {
        /// Its place.
        seq: u64,
    },
}
