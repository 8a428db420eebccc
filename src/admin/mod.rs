//! The admin side: the REST API v1 on its own listener.
//!
//! What is where: `v1/<resource>/<verb>` holds one operation a file; `auth` decides who is let in; `input` reads what
//! was sent, `problem` says what is wrong with it; `idempotency`, `etag` and `list` are manners that all operations
//! share; `serve` holds the connections. Every change goes through [`Services::commit`], with its audit record.
//!
//! What the rest of the process must do for the admin side is asked through two small traits, [`Control`] and [`PendingUsage`].

pub mod auth;
pub mod call;
pub mod etag;
pub mod finish;
pub mod idempotency;
pub mod input;
pub mod list;
pub mod openapi;
pub mod ports;
pub mod problem;
pub mod serve;
pub mod suggest;
#[cfg(test)]
mod tests;
pub mod text;
pub mod v1;

use std::sync::Arc;

use axum::Router;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::admission::Engine;
use crate::model::audit::{AuditDraft, Target};
use crate::model::clock::Clock;
use crate::model::secret::KeyDigest;
use crate::record::decisions::Decisions;
use crate::snapshot::Current;
use crate::snapshot::refresh::Mutator;
use crate::store::{Change, Committed, Store};

pub use ports::{ConfigProblems, Control, PendingUsage, ReloadReport};
pub use problem::Problem;

/// Everything the operations need.
pub struct Services {
    /// What must not be lost. Read here; changed through `mutator`.
    pub store: Arc<dyn Store>,
    /// The one way in which anything changes.
    pub mutator: Mutator,
    /// Decides, for `verify` and `explain`.
    pub engine: Arc<Engine>,
    /// What is in force.
    pub current: Arc<Current>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The rest of the process.
    pub control: Arc<dyn Control>,
    /// What was decided lately.
    pub decisions: Arc<Decisions>,
    /// What was counted lately.
    pub usage: Arc<dyn PendingUsage>,
    /// Digest of the admin key, where the configuration names none.
    pub admin_key: KeyDigest,
    /// Wrong admin keys.
    pub failures: auth::failures::Failures,
    /// Requests under way that sent an idempotency key.
    pub running: Arc<idempotency::Running>,
    /// Streams open at once.
    pub streams: v1::decisions::stream::Streams,
}

/// What handlers share.
pub type Shared = Arc<Services>;

impl Services {
    /// Now, to the millisecond: what records say.
    pub fn now(&self) -> Timestamp {
        let wall = self.clock.now().wall;
        Timestamp::from_millisecond(wall.as_millisecond()).unwrap_or(wall)
    }

    /// Commits changes with their audit records, and what was answered if the caller sent an idempotency key. In force
    /// when it returns; runs to its end even if the caller hangs up.
    pub async fn commit(
        self: &Arc<Self>,
        call: &call::Call,
        changes: Vec<(Change, AuditDraft)>,
        status: StatusCode,
        answer: &Value,
    ) -> Result<Committed, Problem> {
        let record = call.claim.as_ref().map(|claim| claim.record(status, answer, self.now()));
        Ok(self.mutator.commit(changes, record).await?)
    }

    /// Remembers what was answered to a request that changes no record, if it sent an idempotency key.
    pub async fn remember(
        self: &Arc<Self>,
        call: &call::Call,
        status: StatusCode,
        answer: &impl serde::Serialize,
    ) -> Result<(), Problem> {
        if call.claim.is_some() {
            self.commit(call, Vec::new(), status, &v1::answer::json(answer)?).await?;
        }
        Ok(())
    }

    /// Records an act that changes no record, such as a reload.
    pub async fn record(
        self: &Arc<Self>,
        call: &call::Call,
        act: (&str, Target, Option<String>),
        status: StatusCode,
        answer: &impl serde::Serialize,
    ) -> Result<(), Problem> {
        let (action, target, reason) = act;
        let mut draft = call.draft(self.now(), action, target, Vec::new());
        draft.reason = reason;
        self.commit(call, vec![(Change::RecordOnly, draft)], status, &v1::answer::json(answer)?).await?;
        Ok(())
    }
}

/// The whole API. Requests must carry a [`call::Peer`] as an extension; [`serve`] puts it there.
pub fn router(services: Arc<Services>) -> Router {
    openapi::routes(&services).0
}
