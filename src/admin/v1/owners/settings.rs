//! What may be set of an owner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NAME_LEN_MAX, NAME_RULE};
use crate::admin::problem::{FieldProblem, Problem};
use crate::admin::v1::keys::rules::{self, Check};
use crate::model::limit::LimitText;
use crate::model::owner::{Owner, OwnerKind};

/// Longest external id, in characters.
pub const EXTERNAL_ID_LEN_MAX: usize = 200;
/// Most contacts.
pub const CONTACTS_MAX: usize = 20;
/// Longest contact, in characters.
pub const CONTACT_LEN_MAX: usize = 200;

/// What may be set of an owner when it is made or changed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OwnerSettings {
    /// Unique name.
    #[schema(required = true, examples("acme"), min_length = 1, max_length = 100)]
    pub name: String,
    /// What it is.
    pub kind: OwnerKind,
    /// Its id in the operator's own system; unique if given.
    pub external_id: Option<String>,
    /// Addresses of people.
    pub contacts: Vec<String>,
    /// Free facts.
    pub meta: BTreeMap<String, String>,
    /// Limits that all its keys share.
    pub limits: Vec<LimitText>,
}

impl OwnerSettings {
    /// The settings an owner has now, as the base of a merge patch.
    pub fn of(owner: &Owner) -> Self {
        OwnerSettings {
            name: owner.name.clone(),
            kind: owner.kind,
            external_id: owner.external_id.clone(),
            contacts: owner.contacts.clone(),
            meta: owner.meta.clone(),
            limits: owner.limits.clone(),
        }
    }

    /// Checks everything and puts it into `owner`.
    pub fn apply(self, owner: &mut Owner) -> Result<(), Problem> {
        let mut check = Check::default();
        name(&mut check, &self.name);
        if let Some(external) = &self.external_id {
            let len = external.chars().count();
            // It is sent to the upstream in a header.
            if !(1..=EXTERNAL_ID_LEN_MAX).contains(&len) || !external.bytes().all(|b| b.is_ascii_graphic()) {
                let what =
                    format!("expected between 1 and {EXTERNAL_ID_LEN_MAX} printable ASCII characters without spaces");
                check.add(FieldProblem::at("/external_id", what));
            }
        }
        rules::words(&mut check, "/contacts", &self.contacts, CONTACTS_MAX, CONTACT_LEN_MAX);
        rules::meta(&mut check, "/meta", &self.meta);
        rules::limits(&mut check, "", &self.limits, None);
        check.done()?;
        owner.name = self.name;
        owner.kind = self.kind;
        owner.external_id = self.external_id;
        owner.contacts = self.contacts;
        owner.meta = self.meta;
        owner.limits = self.limits;
        Ok(())
    }
}

/// A name of an owner. It may be any text, but must not look like an id.
pub fn name(check: &mut Check, name: &str) {
    let len = name.chars().count();
    if !(1..=NAME_LEN_MAX).contains(&len) || name.chars().any(char::is_control) || name.trim() != name {
        check.add(FieldProblem::at("/name", NAME_RULE));
    } else if name.starts_with("own_") {
        check.add(FieldProblem::at("/name", "a name does not begin with `own_`, as ids do"));
    }
}
