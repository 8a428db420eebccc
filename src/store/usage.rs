//! Usage and counters: what is counted, and how it is asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::id::KeyId;

/// The last call made with a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LastUse {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// From which address.
    pub ip: String,
    /// From which country, if known.
    pub country: Option<String>,
    /// On which route.
    pub route: String,
    /// With which status.
    pub status: u16,
}

/// What a key has done since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyUsage {
    /// Calls made with it.
    pub total: u64,
    /// Calls refused.
    pub refused: u64,
    /// The last call, refused ones included.
    pub last_used: Option<LastUse>,
}

/// What is counted separately: key (or none), route and outcome (`ok` or a reason's code).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UsageKey {
    /// The key; `None` for calls without a proven one.
    pub key: Option<KeyId>,
    /// The route's name; empty if none matched.
    pub route: String,
    /// `ok` or a reason's code.
    pub code: String,
}

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCounts {
    /// Calls.
    pub requests: u64,
    /// Units taken.
    pub cost: u64,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes sent.
    pub bytes_out: u64,
}

/// Usage gathered since the last flush.
#[derive(Debug, Clone, Default)]
pub struct UsageBatch {
    /// Start of the minute the counts belong to.
    pub minute: Timestamp,
    /// Counts.
    pub counts: BTreeMap<UsageKey, UsageCounts>,
    /// Last use of each key seen.
    pub last_use: BTreeMap<KeyId, LastUse>,
}

/// What a usage query groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageGroup {
    /// Per key.
    Key,
    /// Per route.
    Route,
    /// Per outcome.
    Code,
}

/// A question about usage. Buckets under a day are answered from minutes, others from days.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// Grouping, in column order.
    pub group_by: Vec<UsageGroup>,
    /// Length of a bucket in seconds; one bucket for all if `None`.
    pub bucket_seconds: Option<u32>,
    /// Only this key.
    pub key: Option<KeyId>,
    /// Most rows.
    pub rows_max: usize,
}

/// One row of an answer about usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Start of the bucket.
    pub bucket: Option<Timestamp>,
    /// The values grouped by, in the query's order; a key is shown by its id, or `-`.
    pub group: Vec<String>,
    /// Calls refused.
    pub refused: u64,
    /// All counts.
    pub counts: UsageCounts,
}

/// A counter of a limit, as kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterRow {
    /// Which counter.
    pub key: u128,
    /// Its state, opaque to the store.
    pub state: [u64; 3],
    /// Steady time in microseconds after which it is worth nothing.
    pub expires_us: u64,
}
