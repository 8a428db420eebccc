//! Decisions in slow motion: the same steps, and what each of them saw.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::report::LimitReport;
use super::verdict::Refusal;
use crate::model::clock::Now;
use crate::model::id::KeyId;
use crate::model::route::Origin;
use crate::model::secret::PresentedKey;
use crate::snapshot::{Access, ActiveRoute};

/// With what credential a question is asked.
#[derive(Debug)]
pub enum Caller {
    /// With none.
    Nobody,
    /// With whatever stands in the question's headers and query.
    Headers,
    /// With this key, wherever it would stand.
    Presented(PresentedKey),
    /// As whoever has this key.
    Id(KeyId),
}

/// A request that nobody made: what would become of it?
#[derive(Debug)]
pub struct ExplainInput {
    /// As whom.
    pub caller: Caller,
    /// What is asked for; `None` to ask about the key alone.
    pub target: Option<Target>,
    /// Its fields.
    pub headers: HeaderMap,
    /// From which address.
    pub ip: std::net::IpAddr,
    /// At which moment; now if absent. Limits always count now.
    pub at: Option<Timestamp>,
    /// Now.
    pub now: Now,
}

/// What a question asks for.
#[derive(Debug, Clone)]
pub struct Target {
    /// Method.
    pub method: Method,
    /// Host: lower-case, without port and trailing dot.
    pub host: String,
    /// Path, as it would be sent.
    pub path: String,
    /// Query, without the `?`.
    pub query: Option<String>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It let the request through.
    Passed,
    /// It refused it.
    Failed,
    /// An earlier one had refused it.
    NotReached,
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// `route`, `credential`, `key`, `environment`, `ip`, `country`, `network`, `time`, `referrer`, `scope`, `limits`.
    #[schema(value_type = String)]
    pub name: Cow<'static, str>,
    /// What became of it.
    pub outcome: StepOutcome,
    /// What it saw, for operators.
    pub detail: String,
    /// The rule that decided, as `file:line`; absent if it stands in no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How long it took, in microseconds.
    pub us: f64,
}

/// A decision, step by step.
#[derive(Debug)]
pub struct Explanation {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The route, if one was found.
    pub route: Option<Arc<ActiveRoute>>,
    /// The key, if one was proven.
    pub access: Option<Access>,
    /// Why it would be refused; `None` if it would be admitted.
    pub refusal: Option<Box<Refusal>>,
    /// The limits as they stand; nothing was taken from them.
    pub limits: LimitReport,
    /// Units the request would take.
    pub cost: u64,
    /// What would let it through, each a command or a change to make.
    pub fix: Vec<String>,
}

/// What became of a key that another program asked about.
#[derive(Debug)]
pub struct Verification {
    /// The route, if the question named a target and one was found.
    pub route: Option<Arc<ActiveRoute>>,
    /// The key, if it was proven.
    pub access: Option<Access>,
    /// Why it is refused; `None` if it is not.
    pub refusal: Option<Box<Refusal>>,
    /// The limits after the answer.
    pub limits: LimitReport,
    /// Units the request takes.
    pub cost: u64,
}

/// What the steps tell about themselves. A decision listens to nothing, and then nothing of it is computed.
pub(super) trait Watch {
    /// A step has let the request through.
    fn passed(&mut self, name: &'static str, detail: impl FnOnce() -> (String, Option<Origin>));
    /// A step has refused it; with what would have let it through.
    fn failed(&mut self, name: &'static str, detail: impl FnOnce() -> Failure);
}

/// What is told of a step that refuses.
pub(super) struct Failure {
    pub(super) detail: String,
    pub(super) origin: Option<Origin>,
    pub(super) fix: Vec<String>,
}

/// Listens to nothing.
pub(super) struct Unwatched;

impl Watch for Unwatched {
    #[inline]
    fn passed(&mut self, _: &'static str, _: impl FnOnce() -> (String, Option<Origin>)) {}
    #[inline]
    fn failed(&mut self, _: &'static str, _: impl FnOnce() -> Failure) {}
}

/// The steps every explanation shows, reached or not.
const EXPECTED: [&str; 5] = ["route", "credential", "key", "scope", "limits"];

/// Writes everything down.
pub(super) struct Notes {
    steps: Vec<Step>,
    fix: Vec<String>,
    since: Instant,
}

impl Notes {
    pub(super) fn new() -> Self {
        Notes { steps: Vec::new(), fix: Vec::new(), since: Instant::now() }
    }

    fn elapsed_us(&self) -> f64 {
        self.since.elapsed().as_nanos() as f64 / 1_000.0
    }

    fn note(&mut self, name: &'static str, outcome: StepOutcome, us: f64, detail: String, origin: Option<Origin>) {
        let origin = origin.map(|o| o.to_string()).filter(|o| !o.is_empty());
        self.steps.push(Step { name: name.into(), outcome, detail, origin, us });
        self.since = Instant::now();
    }

    /// The steps, with those that were not reached, and the remedies.
    pub(super) fn finish(mut self, refused: bool) -> (Vec<Step>, Vec<String>) {
        if refused {
            for name in EXPECTED {
                if !self.steps.iter().any(|s| s.name == name) {
                    self.note(name, StepOutcome::NotReached, 0.0, "not reached".to_owned(), None);
                }
            }
        }
        (self.steps, self.fix)
    }
}

impl Watch for Notes {
    fn passed(&mut self, name: &'static str, detail: impl FnOnce() -> (String, Option<Origin>)) {
        let us = self.elapsed_us();
        let (detail, origin) = detail();
        self.note(name, StepOutcome::Passed, us, detail, origin);
    }

    fn failed(&mut self, name: &'static str, detail: impl FnOnce() -> Failure) {
        let us = self.elapsed_us();
        let Failure { detail, origin, fix } = detail();
        self.note(name, StepOutcome::Failed, us, detail, origin);
        self.fix.extend(fix);
    }
}
