//! What the path of a request becomes on its way to the upstream.

use std::borrow::Cow;

/// Another front for a path. Whole segments only: neither a dot segment nor an empty path can come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    prefix: Box<str>,
    to: Box<str>,
}

impl Rewrite {
    /// `to` in the place of `prefix`. Both are empty, or begin with a slash and end without one.
    pub fn new(prefix: &str, to: &str) -> Self {
        Rewrite { prefix: prefix.into(), to: to.into() }
    }

    /// The path as the upstream gets it. A path that does not begin with the prefix stays as it is; the configuration
    /// makes sure that a route takes none such.
    pub fn apply<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let rest = path.strip_prefix(&*self.prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match rest {
            None => Cow::Borrowed(path),
            Some("") if self.to.is_empty() => Cow::Borrowed("/"),
            Some(rest) if self.to.is_empty() => Cow::Borrowed(rest),
            Some(rest) => Cow::Owned([&self.to, rest].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::request_path::{Reading, read};

    #[test]
    fn the_front_is_exchanged() {
        for (prefix, to, path, becomes) in [
            ("/v1", "", "/v1/a", "/a"),
            ("/v1", "", "/v1", "/"),
            ("/v1", "", "/v1/", "/"),
            ("/v1", "", "/v1//a", "//a"),
            ("/v1", "/api/v2", "/v1/a/v1", "/api/v2/a/v1"),
            ("/v1", "/api/v2", "/v1", "/api/v2"),
            ("/v1", "/api/v2", "/v1/", "/api/v2/"),
            ("/v1", "/api", "/v11", "/v11"),
            ("", "/api", "/a", "/api/a"),
            ("", "/api", "/", "/api/"),
        ] {
            assert_eq!(Rewrite::new(prefix, to).apply(path), becomes, "{prefix} {to} {path}");
        }
    }

    proptest! {
        /// Behind the front, what is authorised is what is forwarded, byte for byte; and it still means one thing.
        #[test]
        fn nothing_but_the_front_changes(
            prefix in "(/[a-z%.0-9]{1,3}){0,2}",
            to in "(/[a-z]{1,3}){0,2}",
            rest in "(/([ab.;]|%2e|%252e|%41){0,3}){0,4}",
        ) {
            let path = if prefix.is_empty() && rest.is_empty() { "/".to_owned() } else { format!("{prefix}{rest}") };
            prop_assume!(read(&path) == Ok(Reading::Plain));
            let rest = &path[prefix.len()..];
            let becomes = Rewrite::new(&prefix, &to).apply(&path).into_owned();
            prop_assert!(becomes.starts_with('/'));
            let expected = format!("{to}{rest}");
            prop_assert_eq!(&becomes, if expected.is_empty() { "/" } else { &expected });
            prop_assert_eq!(read(&becomes), Ok(Reading::Plain));
        }
    }
}
