//! Which keys a list shows.

use jiff::Timestamp;

use crate::model::id::{Name, OwnerId};
use crate::model::key::KeyStatus;

/// Which keys a list shows. Empty fields do not filter; those given must all hold.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Text in name, prefix, description or tags.
    pub text: Option<String>,
    /// Owner.
    pub owner: Option<OwnerId>,
    /// Status at `at`.
    pub status: Option<KeyStatus>,
    /// Plan.
    pub plan: Option<Name>,
    /// A scope the key itself lists.
    pub scope: Option<String>,
    /// Not used since then (or never).
    pub unused_since: Option<Timestamp>,
    /// Ends before then.
    pub expires_before: Option<Timestamp>,
    /// The moment `status` is asked for; needed with `status`.
    pub at: Option<Timestamp>,
}
