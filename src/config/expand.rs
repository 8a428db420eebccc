//! `${VAR}`, `${VAR:-default}`, `${VAR:?why}` and `$$`, inside text only, after the file was read: a variable cannot
//! bring structure of its own.

use super::Environment;
use super::problem::{Code, Problems};
use super::tree::{Node, Value};

/// Longest text after expansion, in bytes.
const EXPANDED_LEN_MAX: usize = 64 * 1_024;

/// What is wrong with a `${…}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExpandError {
    #[error("environment variable `{0}` is not set")]
    Unset(String),
    #[error("environment variable `{name}` is not set: {why}")]
    Needed { name: String, why: String },
    #[error("`${{` without `}}`")]
    Open,
    #[error("`${{{0}}}` does not name a variable")]
    Name(String),
    #[error("the text is too long with its variables filled in")]
    Long,
}

/// Fills in every text of the tree. What cannot be filled in is recorded and taken out.
pub(super) fn expand_all(tree: &mut Node, env: Environment<'_>, problems: &mut Problems) {
    let mut wrong = Vec::new();
    tree.for_each_text(&mut Vec::new(), &mut |path, node| {
        let Value::Text(text) = &mut node.value else { return };
        if !text.contains('$') {
            return;
        }
        match expand(text, env) {
            Ok((filled, changed)) => {
                *text = filled;
                node.soft |= changed;
            }
            Err(error) => wrong.push((path.to_vec(), node.at, error)),
        }
    });
    for (path, at, error) in wrong {
        tree.remove(&path);
        let help = match &error {
            ExpandError::Unset(name) => Some(format!("set it, or give a default: `${{{name}:-default}}`")),
            ExpandError::Open | ExpandError::Name(_) => Some("a dollar sign alone is written `$$`".to_owned()),
            ExpandError::Needed { .. } | ExpandError::Long => None,
        };
        let problem = problems.error(Code::Variable, path, error.to_string()).at(at);
        if let Some(help) = help {
            problem.help(help);
        }
    }
}

/// Fills in one text; also whether anything was filled in.
pub(super) fn expand(text: &str, env: Environment<'_>) -> Result<(String, bool), ExpandError> {
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').ok_or(ExpandError::Open)?;
            out.push_str(&variable(&after[..end], env)?);
            changed = true;
            rest = &after[end + 1..];
        } else {
            out.push('$');
        }
        if out.len() > EXPANDED_LEN_MAX {
            return Err(ExpandError::Long);
        }
    }
    out.push_str(rest);
    Ok((out, changed))
}

/// The value of what stands between `${` and `}`. As in a shell, an empty variable counts as unset where a default or
/// a reason is given.
fn variable(inner: &str, env: Environment<'_>) -> Result<String, ExpandError> {
    let (name, rest) = inner.split_at(inner.find(':').unwrap_or(inner.len()));
    let good =
        name.bytes().enumerate().all(|(n, b)| b == b'_' || b.is_ascii_alphabetic() || (n > 0 && b.is_ascii_digit()));
    let wrong = || ExpandError::Name(super::words::short(inner));
    if name.is_empty() || !good {
        return Err(wrong());
    }
    let value = env(name);
    if rest.is_empty() {
        return value.ok_or_else(|| ExpandError::Unset(name.to_owned()));
    }
    let given = value.filter(|v| !v.is_empty());
    if let Some(default) = rest.strip_prefix(":-") {
        Ok(given.unwrap_or_else(|| default.to_owned()))
    } else if let Some(why) = rest.strip_prefix(":?") {
        given.ok_or_else(|| ExpandError::Needed { name: name.to_owned(), why: super::words::short(why) })
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("1".into()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("\"]\n[admin]\n${A}".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_filled_in() {
        for (text, filled) in [
            ("x${A}y${A}", "x1y1"),
            ("${A:-2}", "1"),
            ("${B:-2}", "2"),
            ("${B:-}", ""),
            ("${EMPTY}", ""),
            ("${EMPTY:-2}", "2"),
            ("${A:?why}", "1"),
            ("$$ $${A} $A $", "$ ${A} $A $"),
            ("${TRICK}", "\"]\n[admin]\n${A}"),
        ] {
            assert_eq!(expand(text, &env).unwrap().0, filled, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_says_why() {
        for (text, error) in [
            ("${B}", ExpandError::Unset("B".into())),
            ("${EMPTY:?set it}", ExpandError::Needed { name: "EMPTY".into(), why: "set it".into() }),
            ("${A", ExpandError::Open),
            ("${}", ExpandError::Name("".into())),
            ("${A b}", ExpandError::Name("A b".into())),
            ("${A:+x}", ExpandError::Name("A:+x".into())),
            ("${1A}", ExpandError::Name("1A".into())),
        ] {
            assert_eq!(expand(text, &env).unwrap_err(), error, "{text}");
        }
    }
}
