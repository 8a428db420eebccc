//! What the admin side asks of the rest of the process.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::id::KeyId;
pub use crate::record::decisions::DecisionLine as Decision;
use crate::store::KeyUsage;

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReloadReport {
    /// The generation now in force.
    pub generation: u64,
    /// Files read.
    pub files: Vec<String>,
    /// Milliseconds it took.
    pub ms: f64,
    /// What is in force from the next start only, or may not be meant.
    pub warnings: Vec<String>,
}

/// Why a configuration is not taken: everything that is wrong with it at once.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigProblems {
    /// As `argus check` prints it.
    pub rendered: String,
    /// The same for programs: a list of objects.
    pub problems: Value,
}

/// What the process can be told to do.
pub trait Control: Send + Sync + 'static {
    /// Reads the configuration again and puts it in force, whole or not at all.
    fn reload(&self) -> BoxFuture<'_, Result<ReloadReport, ConfigProblems>>;
    /// Checks a configuration without putting it in force. Gives warnings.
    fn check(&self, toml: String) -> BoxFuture<'_, Result<Vec<String>, ConfigProblems>>;
    /// What is loaded and how it is: configuration with origins and without secrets, node, version, listeners, caches,
    /// store, certificates.
    fn runtime(&self) -> BoxFuture<'_, Value>;
    /// Stops taking new requests, finishes those under way, ends the process. Returns at once.
    fn drain(&self);
    /// Forgets what is cached of one key, or of all; how many entries went.
    fn flush_cache(&self, key: Option<KeyId>) -> u64;
}

/// What workers have counted and the store does not know yet.
pub trait PendingUsage: Send + Sync + 'static {
    /// What has been counted for these keys since it was last written to the store; keys without any are absent.
    fn pending(&self, keys: &[KeyId]) -> BTreeMap<KeyId, KeyUsage>;
}
