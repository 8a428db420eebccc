//! Is the key good: in its environment, in its state, and not broken?

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::explain::{Failure, Watch};
use super::verdict::Refusal;
use super::{Access, Ask, Checked, known_to_holder};
use crate::model::key::KeyStatus;
use crate::model::key_in_use::KeyInUse;
use crate::model::reason::Reason;
use crate::snapshot::ActiveRoute;

/// Asks whether the key opens anything now. Its secret was right, so that the reason helps only its holder.
pub(super) fn check(
    ask: &Ask<'_>,
    route: Option<&Arc<ActiveRoute>>,
    access: &Access,
    watch: &mut impl Watch,
) -> Checked<()> {
    let key = &access.key;
    let status = key.validity.status(ask.head.now.wall);
    if status.is_valid() {
        watch.passed("key", || (valid(key, status), None));
        return Ok(());
    }
    let (reason, what, fix) = invalid(key, status);
    watch.failed("key", || Failure {
        detail: format!("{} ({})", what, key.id),
        origin: None,
        fix: remedy(key, status),
    });
    let mut refusal = Refusal::new(reason, format!("{what}. {fix}"));
    refusal.error_description = Some(what.into());
    Err(known_to_holder(refusal, access, route))
}

fn valid(key: &KeyInUse, status: KeyStatus) -> String {
    let until = match key.validity.expires_at {
        Some(at) => format!("expires {}", day(at)),
        None => "does not expire".to_owned(),
    };
    format!("{} ({}), {}, {until}", key.name, key.id, status.as_str())
}

/// The reason, what is the matter, and what its holder can do.
fn invalid(key: &KeyInUse, status: KeyStatus) -> (Reason, String, &'static str) {
    match status {
        KeyStatus::Revoked => {
            let when = key.validity.revoked_at.map(|at| format!(" on {}", day(at))).unwrap_or_default();
            (Reason::KeyRevoked, format!("The key was revoked{when}"), "Ask for a new one.")
        }
        KeyStatus::Disabled => {
            (Reason::KeyDisabled, "The key is switched off".to_owned(), "Ask whoever gave it to you to switch it on.")
        }
        KeyStatus::Scheduled => {
            let when = key.validity.not_before.map(|t| format!(" before {}", moment(t))).unwrap_or_default();
            (Reason::KeyNotYetValid, format!("The key is not valid{when}"), "Try again then.")
        }
        KeyStatus::Expired | KeyStatus::Rotating | KeyStatus::Active => {
            let when = key.validity.expires_at.map(|t| format!(" on {}", day(t))).unwrap_or_default();
            (Reason::KeyExpired, format!("The key expired{when}"), "Ask for a new one, or for a later end.")
        }
    }
}

fn remedy(key: &KeyInUse, status: KeyStatus) -> Vec<String> {
    let name = &key.name;
    match status {
        KeyStatus::Revoked => vec!["argus key create NAME".to_owned()],
        KeyStatus::Disabled => vec![format!("argus key enable {name}")],
        KeyStatus::Scheduled => vec![format!("argus key edit {name} --not-before now")],
        KeyStatus::Expired => vec![format!("argus key edit {name} --expires 90d")],
        KeyStatus::Rotating | KeyStatus::Active => Vec::new(),
    }
}

fn day(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).date().to_string()
}

fn moment(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%Y-%m-%d %H:%M UTC").to_string()
}
