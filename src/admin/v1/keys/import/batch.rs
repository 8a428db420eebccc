//! Lines on their way into the store.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::line::{self, Line};
use super::{ImportAnswer, ImportQuery, LineOutcome, LineResult};
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::problem::{Problem, echo, sentence};
use crate::admin::v1::keys::create::{demand_free_name, record};
use crate::admin::v1::keys::draft;
use crate::admin::v1::owners;
use crate::model::audit::AuditDraft;
use crate::model::id::Name;
use crate::model::key_format::new_public_id;
use crate::store::{Change, StoreError, StoredKey};

/// Keys stored in one transaction. More would make others wait longer than a moment.
const BATCH: usize = 100;

/// An import at work.
pub struct Batch<'a> {
    services: &'a Shared,
    call: &'a Call,
    query: &'a ImportQuery,
    waiting: Vec<Waiting>,
    seen: BTreeSet<[u8; 32]>,
    names: BTreeSet<Name>,
    answer: ImportAnswer,
}

struct Waiting {
    line: usize,
    stored: StoredKey,
    draft: AuditDraft,
}

impl<'a> Batch<'a> {
    /// An import that has not begun.
    pub fn new(services: &'a Shared, call: &'a Call, query: &'a ImportQuery) -> Self {
        let answer = ImportAnswer { object: "import", dry_run: query.dry_run, ..ImportAnswer::default() };
        Batch { services, call, query, waiting: Vec::new(), seen: BTreeSet::new(), names: BTreeSet::new(), answer }
    }

    /// Takes in a line. Fails only if the store does.
    pub async fn add(&mut self, line: usize, read: Result<Map<String, Value>, Problem>) -> Result<(), Problem> {
        let name = read.as_ref().ok().and_then(|o| o.get("name")).and_then(Value::as_str).map(echo);
        let prepared = match read {
            Ok(object) => self.prepare(object).await,
            Err(problem) => Err(problem),
        };
        match prepared {
            Ok((stored, draft)) => {
                self.waiting.push(Waiting { line, stored, draft });
                if self.waiting.len() >= BATCH {
                    self.store().await?;
                }
                Ok(())
            }
            Err(problem) if problem.status().is_client_error() => {
                self.store().await?;
                self.note(line, name, problem);
                Ok(())
            }
            Err(problem) => Err(self.so_far(problem)),
        }
    }

    /// Stores what is left, and says what became of everything.
    pub async fn finish(mut self) -> Result<ImportAnswer, Problem> {
        self.store().await?;
        for result in &self.answer.results {
            match result.outcome {
                LineOutcome::Imported => self.answer.imported += 1,
                LineOutcome::Exists => self.answer.exists += 1,
                LineOutcome::Refused => self.answer.refused += 1,
            }
        }
        Ok(self.answer)
    }

    /// A problem that ends the import, with what had been done before it.
    pub fn so_far(&self, problem: Problem) -> Problem {
        let imported = self.answer.results.iter().filter(|r| r.outcome == LineOutcome::Imported);
        let done = if self.query.dry_run { 0 } else { imported.count() };
        let next = self.answer.results.last().map_or(1, |last| last.line + 1);
        problem.with("imported", done).with("next_line", next)
    }

    async fn prepare(&mut self, object: Map<String, Value>) -> Result<(StoredKey, AuditDraft), Problem> {
        let config = self.services.current.load().config.clone();
        let Line { mut settings, digest, id, prefix, weak, disabled } =
            line::read(object, config.keys.pepper.as_deref())?;
        if weak && !self.query.allow_weak {
            return Err(Problem::field(
                "/key",
                "the key could be guessed: it has less than 128 bits; give `allow_weak=true` to take it",
            ));
        }
        settings.create_owner |= self.query.create_owners;
        let mut checked = settings.check(self.services, None).await?;
        if let Some(owner) = checked.new_owner.take()
            && !self.query.dry_run
        {
            let draft = owners::draft(self.services, self.call, "owner.create", None, &owner);
            self.services.mutator.commit(vec![(Change::InsertOwner(Box::new(owner)), draft)], None).await?;
        }
        let environment = std::mem::take(&mut checked.environment);
        let mut key = record(self.services, self.call, id.unwrap_or_else(new_public_id), prefix, environment);
        checked.apply(&mut key);
        key.weak = weak;
        key.disabled = disabled;
        let draft = draft(self.services, self.call, "key.import", None, &key);
        let stored = StoredKey { key, digest };
        if self.query.dry_run {
            self.rehearse(&stored).await?;
        }
        Ok((stored, draft))
    }

    /// What the store would refuse.
    async fn rehearse(&mut self, stored: &StoredKey) -> Result<(), Problem> {
        let twice = || StoreError::Duplicate { kind: "key", name: stored.key.name.to_string() };
        if let Some(known) = self.services.store.key_by_digest(&stored.digest).await? {
            return Err(StoreError::Duplicate { kind: "key", name: known.key.name.to_string() }.into());
        }
        demand_free_name(self.services, &stored.key).await?;
        let is_new = self.seen.insert(*stored.digest.as_bytes()) && self.names.insert(stored.key.name.clone());
        if is_new { Ok(()) } else { Err(twice().into()) }
    }

    /// Stores the waiting lines together, or one by one if one of them is refused.
    async fn store(&mut self) -> Result<(), Problem> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        if !self.query.dry_run {
            match self.commit(&waiting).await {
                Ok(()) => {}
                Err(StoreError::Duplicate { .. } | StoreError::Bound(_) | StoreError::NotFound { .. }) => {
                    return self.one_by_one(waiting).await;
                }
                Err(error) => return Err(self.so_far(error.into())),
            }
        }
        for one in waiting {
            self.imported(one);
        }
        Ok(())
    }

    async fn one_by_one(&mut self, waiting: Vec<Waiting>) -> Result<(), Problem> {
        for one in waiting {
            match self.commit(std::slice::from_ref(&one)).await {
                Ok(()) => self.imported(one),
                Err(error @ (StoreError::Duplicate { .. } | StoreError::Bound(_) | StoreError::NotFound { .. })) => {
                    self.note(one.line, Some(one.stored.key.name.to_string()), error.into());
                }
                Err(error) => return Err(self.so_far(error.into())),
            }
        }
        Ok(())
    }

    async fn commit(&self, lines: &[Waiting]) -> Result<(), StoreError> {
        let max = self.services.current.load().config.keys.max_per_owner;
        let change = |one: &Waiting| {
            let max_per_owner = one.stored.key.owner.is_some().then_some(max);
            (Change::InsertKey { stored: Box::new(one.stored.clone()), max_per_owner }, one.draft.clone())
        };
        self.services.mutator.commit(lines.iter().map(change).collect(), None).await.map(|_| ())
    }

    fn imported(&mut self, one: Waiting) {
        self.answer.results.push(LineResult {
            line: one.line,
            outcome: LineOutcome::Imported,
            name: Some(one.stored.key.name.to_string()),
            id: Some(one.stored.key.id),
            code: None,
            message: None,
            pointer: None,
        });
    }

    fn note(&mut self, line: usize, name: Option<String>, problem: Problem) {
        let exists = problem.code() == "already_exists";
        let first = problem.errors().first();
        self.answer.results.push(LineResult {
            line,
            outcome: if exists { LineOutcome::Exists } else { LineOutcome::Refused },
            name,
            id: None,
            code: Some(problem.code()),
            message: Some(sentence(first.map_or(problem.detail(), |e| &e.message))),
            pointer: first.and_then(|e| e.pointer.clone()),
        });
    }
}
