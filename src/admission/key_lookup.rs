//! Is the credential a key? Shape and checksum first, then memory, then the store.
//!
//! Whatever is wrong with it, the caller sees one and the same answer. A store that cannot be asked is another matter:
//! that is nobody's wrong key.

use std::sync::Arc;

use super::credential::{self, Presented};
use super::explain::{Caller, Failure, Watch};
use super::head::Head;
use super::verdict::{DecisionSource, Refusal};
use super::{Access, Ask, Checked, Engine, Met};
use crate::model::key_format::{self, Shape};
use crate::model::reason::Reason;
use crate::model::secret::{CREDENTIAL_LEN_MAX, KeyDigest};
use crate::snapshot::key_cache::{KeyFound, KeyLookupError};
use crate::snapshot::{ActiveRoute, Snapshot};

impl Engine {
    /// The key that the caller has proven to hold. Failures are counted against its address.
    pub(super) async fn prove(
        &self,
        ask: &Ask<'_>,
        route: Option<&Arc<ActiveRoute>>,
        met: &mut Met,
        watch: &mut impl Watch,
    ) -> Checked<Access> {
        if ask.real {
            self.failures.open(ask, &*self.counter).inspect_err(|_| met.source = DecisionSource::Reject)?;
        }
        let found = match ask.caller {
            Caller::Nobody => return Err(missing(ask.snapshot, watch)),
            Caller::Headers => {
                let presented = credential::find(&ask.snapshot.config.api_key, ask.head).inspect_err(|_| {
                    watch.failed("credential", || Failure {
                        detail: "several credentials, or one twice".to_owned(),
                        origin: None,
                        fix: vec!["send one API key, once".to_owned()],
                    });
                })?;
                let Some(presented) = presented else { return Err(missing(ask.snapshot, watch)) };
                let Presented { place, in_query, .. } = presented;
                met.key_in_query = in_query;
                watch.passed("credential", || (format!("API key, from {}", credential::place_name(place)), None));
                self.look_up(presented.expose(), ask.snapshot, ask.head, met).await
            }
            Caller::Presented(key) => {
                watch.passed("credential", || ("API key, as given".to_owned(), None));
                self.look_up(key.expose(), ask.snapshot, ask.head, met).await
            }
            Caller::Id(id) => {
                watch.passed("credential", || (format!("whoever holds {id}"), None));
                match Box::pin(self.keys.by_id(*id, ask.snapshot)).await {
                    Ok(KeyFound::Known(access)) => Ok(access),
                    Ok(KeyFound::Unknown) => Err(NotAKey::Unknown),
                    Err(e) => Err(NotAKey::Untold(e)),
                }
            }
        };
        let proven = found.and_then(|access| in_its_environment(route, access));
        proven.map_err(|why| {
            let refusal = refuse(&why);
            watch.failed("key", || why.failure());
            if ask.real && refusal.reason == Reason::InvalidCredentials {
                self.failures.count(ask, &*self.counter);
            }
            refusal
        })
    }

    /// The key whose text this is.
    async fn look_up(
        &self,
        text: &[u8],
        snapshot: &Snapshot,
        head: &Head<'_>,
        met: &mut Met,
    ) -> Result<Access, NotAKey> {
        met.source = DecisionSource::Reject;
        if text.len() > CREDENTIAL_LEN_MAX {
            return Err(NotAKey::TooLong);
        }
        match key_format::shape(text) {
            Shape::Own(_) => {}
            Shape::Damaged => return Err(NotAKey::Damaged),
            Shape::Foreign if self.keys.has_foreign_keys() => {}
            Shape::Foreign => return Err(NotAKey::Foreign),
        }
        met.source = DecisionSource::Memory;
        let pepper = snapshot.config.keys.pepper.as_deref();
        if let Some(pepper) = pepper {
            let digest = KeyDigest::of(text, Some(pepper));
            if let KeyFound::Known(access) = self.by_digest(&digest, snapshot, head, met).await? {
                return Ok(access);
            }
        }
        // Keys that were imported by their plain digest, or made before there was a pepper, are found without it.
        match self.by_digest(&KeyDigest::of(text, None), snapshot, head, met).await? {
            KeyFound::Known(access) => Ok(access),
            KeyFound::Unknown => Err(NotAKey::Unknown),
        }
    }

    async fn by_digest(
        &self,
        digest: &KeyDigest,
        snapshot: &Snapshot,
        head: &Head<'_>,
        met: &mut Met,
    ) -> Result<KeyFound, NotAKey> {
        if let Some(found) = self.keys.hit(digest, snapshot, head.now.steady_us) {
            return Ok(found);
        }
        met.source = DecisionSource::Store;
        // Boxed, as it is large and rarely needed: every request in flight carries what it might wait for.
        Box::pin(self.keys.find(digest, snapshot, head.now.steady_us)).await.map_err(NotAKey::Untold)
    }
}

/// Why a credential opens nothing. For operators: callers see one answer for all but the last.
enum NotAKey {
    TooLong,
    Damaged,
    Foreign,
    Unknown,
    Environment { of_key: Box<str>, route: String },
    Untold(KeyLookupError),
}

fn in_its_environment(route: Option<&Arc<ActiveRoute>>, access: Access) -> Result<Access, NotAKey> {
    let Some(route) = route.map(|r| &r.route).filter(|r| !r.environments.is_empty()) else { return Ok(access) };
    if route.environments.iter().any(|e| **e == *access.grant.environment) {
        return Ok(access);
    }
    Err(NotAKey::Environment { of_key: access.grant.environment.clone(), route: route.name.to_string() })
}

fn missing(snapshot: &Snapshot, watch: &mut impl Watch) -> Box<Refusal> {
    watch.failed("credential", || Failure {
        detail: "none was sent".to_owned(),
        origin: None,
        fix: vec![snapshot.how_to_authenticate.to_string()],
    });
    Refusal::new(Reason::MissingCredentials, snapshot.how_to_authenticate.to_string())
}

fn refuse(why: &NotAKey) -> Box<Refusal> {
    if let NotAKey::Untold(_) = why {
        let mut refusal =
            Refusal::new(Reason::StoreUnavailable, "The key store cannot be asked at present. Try again shortly.");
        refusal.retry_after_s = Some(1);
        return refusal;
    }
    Refusal::new(
        Reason::InvalidCredentials,
        "The API key is not valid here. Check that it is complete and meant for this address.",
    )
}

impl NotAKey {
    fn failure(&self) -> Failure {
        let (detail, fix) = match self {
            NotAKey::TooLong => (format!("longer than {CREDENTIAL_LEN_MAX} bytes"), "check what is sent as the key"),
            NotAKey::Damaged => (
                "shaped like a key, but its checksum is wrong".to_owned(),
                "copy the key again, whole: a character is wrong or missing",
            ),
            NotAKey::Foreign => ("not shaped like a key".to_owned(), "check what is sent as the key"),
            NotAKey::Unknown => ("no such key; it may have been deleted".to_owned(), "argus key create NAME"),
            NotAKey::Environment { of_key, route } => {
                let detail = format!("a key of the environment {of_key}, which route {route} does not take");
                let fix =
                    format!("use a key of another environment, or add {of_key} to `environments` of route {route}");
                return Failure { detail, origin: None, fix: vec![fix] };
            }
            NotAKey::Untold(error) => (format!("{error}; nobody can tell"), "argus doctor"),
        };
        Failure { detail, origin: None, fix: vec![fix.to_owned()] }
    }
}
