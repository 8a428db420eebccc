//! Which decisions are meant: `code!=ok owner=acme path=/v1/*`.

use serde_json::Value;

use crate::admin::problem::{Problem, echo};
use crate::admin::suggest::closest;

/// Longest filter, in bytes.
pub const FILTER_LEN_MAX: usize = 500;
/// Most terms of a filter.
pub const TERMS_MAX: usize = 16;

/// Fields of a decision that may be asked for.
const FIELDS: &[&str] = &[
    "auth",
    "client_ip",
    "code",
    "country",
    "host",
    "key",
    "key_id",
    "listener",
    "method",
    "outcome",
    "owner",
    "path",
    "plan",
    "protocol",
    "request_id",
    "route",
    "status",
    "tls",
    "upstream",
    "upstream_status",
];

/// Terms that must all hold.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Filter(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: &'static str,
    equal: bool,
    value: String,
    /// Whether any text that begins with the value is meant.
    open: bool,
}

impl Filter {
    /// Reads `field=value` and `field!=value`, where a `*` at the end stands for any text.
    pub fn parse(text: &str) -> Result<Filter, Problem> {
        let wrong = |message: String| Problem::parameter("filter", message);
        if text.len() > FILTER_LEN_MAX {
            return Err(wrong(format!("a filter has at most {FILTER_LEN_MAX} bytes")));
        }
        let mut terms = Vec::new();
        for word in text.split_whitespace() {
            let (field, value) = word.split_once('=').ok_or_else(|| {
                wrong(format!("`{}` is not a term: expected for example `code!=ok` or `route=orders`", echo(word)))
            })?;
            let (field, equal) = match field.strip_suffix('!') {
                Some(field) => (field, false),
                None => (field, true),
            };
            let Some(field) = FIELDS.iter().find(|f| **f == field) else {
                let near = closest(field, FIELDS.iter().copied()).map(|n| format!(": did you mean `{n}`?"));
                return Err(wrong(format!("decisions have no `{}`{}", echo(field), near.unwrap_or_default())));
            };
            let (value, open) = match value.strip_suffix('*') {
                Some(value) => (value, true),
                None => (value, false),
            };
            terms.push(Term { field, equal, value: value.to_owned(), open });
        }
        if terms.len() > TERMS_MAX {
            return Err(wrong(format!("a filter has at most {TERMS_MAX} terms")));
        }
        Ok(Filter(terms))
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a decision, as JSON text, passes.
    pub fn passes(&self, json: &str) -> bool {
        self.is_empty() || serde_json::from_str::<Value>(json).is_ok_and(|decision| self.allows(&decision))
    }

    fn allows(&self, decision: &Value) -> bool {
        self.0.iter().all(|term| {
            let value = match &decision[term.field] {
                Value::String(text) => text.clone(),
                // An admitted call has no code; people ask for `ok`.
                Value::Null if term.field == "code" => "ok".to_owned(),
                Value::Null => "-".to_owned(),
                other => other.to_string(),
            };
            let held = if term.open { value.starts_with(&term.value) } else { value == term.value };
            held == term.equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &str, passes: bool) {
        let refused = r#"{"code":"rate_limited","owner":"acme","status":429,"path":"/v1/orders","country":null}"#;
        assert_eq!(Filter::parse(filter).unwrap().passes(refused), passes, "{filter}");
    }

    #[test]
    fn terms() {
        check("", true);
        check("code!=ok owner=acme", true);
        check("code=ok", false);
        check("status=429", true);
        check("status=4*", true);
        check("path=/v1/*", true);
        check("path!=/v1/*", false);
        check("country=-", true);
        check("owner=other", false);
        assert!(Filter::parse("code=ok").unwrap().passes(r#"{"code":null}"#));
        assert!(!Filter::parse("code=ok").unwrap().passes("not json"));
    }

    #[test]
    fn wrong_filters() {
        for bad in ["code", "colour=red", &"x".repeat(FILTER_LEN_MAX + 1), &"code=ok ".repeat(TERMS_MAX + 1)] {
            assert!(Filter::parse(bad).is_err(), "{bad}");
        }
        assert!(Filter::parse(&"code=ok ".repeat(TERMS_MAX)).is_ok());
    }
}
