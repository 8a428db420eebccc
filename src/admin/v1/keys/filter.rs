//! Which keys are meant: the words of `?q=` and of bulk changes, `owner:acme status:active expires<14d`.

use jiff::Timestamp;

use crate::admin::input::pointer;
use crate::admin::problem::{FieldProblem, Problem, echo};
use crate::admin::v1::owners;
use crate::admin::{Shared, text};
use crate::model::id::Name;
use crate::model::key::KeyStatus;
use crate::store::KeyFilter;

/// Longest filter, in bytes.
pub const FILTER_LEN_MAX: usize = 500;

/// The words that may be asked for, as text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Words {
    /// Text in name, prefix, description or tags.
    pub text: Option<String>,
    /// Owner, by id, name or external id.
    pub owner: Option<String>,
    /// Status.
    pub status: Option<String>,
    /// Plan.
    pub plan: Option<String>,
    /// Scope the key itself lists.
    pub scope: Option<String>,
    /// Not used since: a moment, or a duration back from now.
    pub unused_since: Option<String>,
    /// Ends before: a moment, or a duration from now.
    pub expires_before: Option<String>,
}

impl Words {
    /// Reads `owner:acme status:active plan:pro scope:orders:read expires<14d unused>30d` and free words.
    pub fn parse(filter: &str) -> Result<Words, String> {
        if filter.len() > FILTER_LEN_MAX {
            return Err(format!("a filter has at most {FILTER_LEN_MAX} bytes"));
        }
        let mut words = Words::default();
        let mut free: Vec<&str> = Vec::new();
        for word in filter.split_whitespace() {
            let (slot, value) = match word.find([':', '<', '>']).map(|at| (&word[..=at], &word[at + 1..])) {
                Some(("owner:", value)) => (&mut words.owner, value),
                Some(("status:", value)) => (&mut words.status, value),
                Some(("plan:", value)) => (&mut words.plan, value),
                Some(("scope:", value)) => (&mut words.scope, value),
                Some(("expires<", value)) => (&mut words.expires_before, value),
                Some(("unused>", value)) => (&mut words.unused_since, value),
                Some((name, _)) => {
                    return Err(format!(
                        "`{}` is not a filter: expected `owner:`, `status:`, `plan:`, `scope:`, `expires<`, `unused>` or free words",
                        echo(name)
                    ));
                }
                None => {
                    free.push(word);
                    continue;
                }
            };
            if value.is_empty() || slot.replace(value.to_owned()).is_some() {
                return Err(format!("`{}` needs one value, given once", echo(word)));
            }
        }
        words.text = (!free.is_empty()).then(|| free.join(" "));
        Ok(words)
    }

    /// Reads the values. `at` tells where a value stood, from its field's name.
    pub async fn resolve(self, services: &Shared, at: impl Fn(&str) -> FieldProblem) -> Result<KeyFilter, Problem> {
        let now = services.now();
        let wrong = |field: &str, message: String| {
            let mut problem = at(field);
            problem.message = message;
            Problem::new(http::StatusCode::UNPROCESSABLE_ENTITY, "invalid_filter", "").with_errors(vec![problem])
        };
        let moment =
            |field: &str, text: Option<String>, read: fn(&str, Timestamp) -> Result<Timestamp, text::TimeTextError>| {
                text.map(|t| read(&t, now).map_err(|error| wrong(field, error.to_string()))).transpose()
            };
        let status = self.status.map(|s| status(&s).map_err(|e| wrong("status", e))).transpose()?;
        let plan = self.plan.map(|p| p.parse::<Name>().map_err(|e| wrong("plan", e.to_string()))).transpose()?;
        let unused_since = moment("unused_since", self.unused_since, text::moment_or_ago)?;
        let expires_before = moment("expires_before", self.expires_before, text::moment_or_in)?;
        let owner = match self.owner {
            None => None,
            Some(owner) => match owners::lookup(services, &owner).await? {
                Some(found) => Some(found.id),
                None => return Err(wrong("owner", format!("there is no owner `{}`", echo(&owner)))),
            },
        };
        Ok(KeyFilter {
            text: self.text,
            owner,
            status,
            plan,
            scope: self.scope,
            unused_since,
            expires_before,
            at: Some(now),
        })
    }
}

/// Where a value stood in a query.
pub fn in_query(field: &str) -> FieldProblem {
    FieldProblem::parameter(field, "")
}

/// Where a value stood in the filter of a body.
pub fn in_body(_: &str) -> FieldProblem {
    FieldProblem::at(pointer(&["filter"]), "")
}

fn status(text: &str) -> Result<KeyStatus, String> {
    const ALL: [KeyStatus; 6] = [
        KeyStatus::Revoked,
        KeyStatus::Disabled,
        KeyStatus::Scheduled,
        KeyStatus::Expired,
        KeyStatus::Rotating,
        KeyStatus::Active,
    ];
    ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
        let known = ALL.map(|s| format!("`{}`", s.as_str())).join(", ");
        format!("`{}` is not a status: expected one of {known}", echo(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        let words =
            Words::parse("owner:acme status:active scope:orders:read expires<14d unused>30d nightly run").unwrap();
        assert_eq!(words.owner.as_deref(), Some("acme"));
        assert_eq!(words.scope.as_deref(), Some("orders:read"));
        assert_eq!(words.expires_before.as_deref(), Some("14d"));
        assert_eq!(words.unused_since.as_deref(), Some("30d"));
        assert_eq!(words.text.as_deref(), Some("nightly run"));
        for bad in ["colour:red", "owner:", "owner:a owner:b", "expires>1d", &"x".repeat(FILTER_LEN_MAX + 1)] {
            assert!(Words::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Words::parse(" ").unwrap(), Words::default());
    }
}
