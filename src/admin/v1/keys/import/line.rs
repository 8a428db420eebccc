//! One line: the settings of a key, and the key itself.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::strength::{STRONG_BITS, bits};
use crate::admin::input::from_value;
use crate::admin::problem::{FieldProblem, Problem};
use crate::admin::v1::keys::settings::KeySettings;
use crate::model::id::KeyId;
use crate::model::key_format::{self, Shape};
use crate::model::secret::{KeyDigest, Pepper, PresentedKey};

/// Shortest foreign key, in bytes: shorter ones are words, not keys.
pub const FOREIGN_LEN_MIN: usize = 8;
/// Longest text by which an imported key may be shown, in bytes.
pub const PREFIX_LEN_MAX: usize = 24;
/// Characters of a foreign key that are shown if nothing else is said; never more than a quarter of it.
const SHOWN_LEN: usize = 8;

/// A line that was understood.
#[derive(Debug)]
pub struct Line {
    /// The settings; checked later, as that asks the store.
    pub settings: KeySettings,
    /// What is stored of the key.
    pub digest: KeyDigest,
    /// The id in it, if it is of our own shape.
    pub id: Option<KeyId>,
    /// What may be shown of it.
    pub prefix: String,
    /// Whether it could be guessed.
    pub weak: bool,
    /// Whether it is switched off.
    pub disabled: bool,
}

/// Reads a line.
pub fn read(mut object: Map<String, Value>, pepper: Option<&Pepper>) -> Result<Line, Problem> {
    let key = text(&mut object, "key")?.map(Zeroizing::new);
    let sha256 = text(&mut object, "sha256")?;
    let prefix = text(&mut object, "prefix")?;
    let disabled = match object.remove("disabled") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(disabled)) => disabled,
        Some(_) => return Err(Problem::field("/disabled", "expected true or false")),
    };
    let mut settings: KeySettings = from_value(Value::Object(object))?;
    if settings.expires_at.is_none() && settings.expires_in.is_none() {
        // It works elsewhere already: nothing said must not mean that it stops here some day.
        settings.expires_at = Some("never".to_owned());
    }
    if let Some(prefix) = &prefix
        && (prefix.len() > PREFIX_LEN_MAX || !prefix.bytes().all(|b| b.is_ascii_graphic()))
    {
        let what = format!("at most {PREFIX_LEN_MAX} printable ASCII characters are taken");
        return Err(Problem::field("/prefix", what));
    }
    match (key, sha256) {
        (Some(key), None) => in_clear(&key, prefix, settings, disabled, pepper),
        (None, Some(hash)) => {
            let digest = KeyDigest::from_hex(&hash)
                .ok_or_else(|| Problem::field("/sha256", "expected 64 hexadecimal digits"))?;
            let prefix = prefix.unwrap_or_else(|| "imported".to_owned());
            Ok(Line { settings, digest, id: None, prefix, weak: false, disabled })
        }
        (Some(_), Some(_)) => Err(Problem::field("/sha256", "give `key` or `sha256`, not both")),
        (None, None) => Err(Problem::field("/key", "`key` or `sha256` is needed")),
    }
}

fn in_clear(
    key: &str,
    prefix: Option<String>,
    mut settings: KeySettings,
    disabled: bool,
    pepper: Option<&Pepper>,
) -> Result<Line, Problem> {
    let presented = PresentedKey::new(key.as_bytes())
        .filter(|_| key.len() >= FOREIGN_LEN_MIN && key.bytes().all(|b| b.is_ascii_graphic()))
        .ok_or_else(|| {
            let max = crate::model::secret::CREDENTIAL_LEN_MAX;
            let what =
                format!("a key has between {FOREIGN_LEN_MIN} and {max} printable ASCII characters without spaces");
            Problem::field("/key", what)
        })?;
    let digest = presented.digest(pepper);
    match key_format::shape(key.as_bytes()) {
        Shape::Own(parts) => {
            if settings.environment.as_deref().is_some_and(|e| e != parts.environment) {
                let what = format!("the key says that it is of the environment `{}`", parts.environment);
                return Err(Problem::field("/environment", what));
            }
            settings.environment = Some(parts.environment.to_owned());
            let prefix = format!("{}_{}_{}", parts.prefix, parts.environment, parts.id.public());
            Ok(Line { settings, digest, id: Some(parts.id), prefix, weak: false, disabled })
        }
        Shape::Damaged => Err(Problem::invalid(vec![
            FieldProblem::at("/key", "the key has the shape of this gateway's own, but its checksum is wrong")
                .hint("it was changed or cut on the way"),
        ])),
        Shape::Foreign => {
            let shown = SHOWN_LEN.min(key.len() / 4);
            let prefix = prefix.unwrap_or_else(|| key[..shown].to_owned());
            Ok(Line { settings, digest, id: None, prefix, weak: bits(key) < STRONG_BITS, disabled })
        }
    }
}

fn text(object: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::field(format!("/{name}"), "expected a text")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Result<Line, Problem> {
        read(value.as_object().unwrap().clone(), None)
    }

    #[test]
    fn shapes() {
        let own =
            of(json!({"name": "a", "key": "argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG"})).unwrap();
        assert_eq!((own.prefix.as_str(), own.weak), ("argus_live_9f3KtWq2Zc", false));
        assert_eq!(own.id.unwrap().public(), "9f3KtWq2Zc");
        let seed = of(json!({"name": "a", "key": "argus_0f1e2d3c4b5a69788796a5b4c3d2e1f0"})).unwrap();
        assert_eq!((seed.prefix.as_str(), seed.weak, seed.id), ("argus_0f", false, None));
        assert_eq!(seed.settings.expires_at.as_deref(), Some("never"));
        let short = of(json!({"name": "a", "key": "hunter2hunter2"})).unwrap();
        assert_eq!((short.prefix.as_str(), short.weak), ("hun", true));
        let hashed = of(json!({"name": "a", "sha256": "ab".repeat(32), "disabled": true})).unwrap();
        assert_eq!((hashed.prefix.as_str(), hashed.disabled), ("imported", true));
    }

    #[track_caller]
    fn refused(value: Value, pointer: &str) {
        let problem = of(value).unwrap_err();
        assert_eq!(problem.errors()[0].pointer.as_deref(), Some(pointer), "{problem:?}");
    }

    #[test]
    fn wrong_lines() {
        refused(json!({"name": "a"}), "/key");
        refused(json!({"name": "a", "key": "x".repeat(20), "sha256": "ab".repeat(32)}), "/sha256");
        refused(json!({"name": "a", "sha256": "ab"}), "/sha256");
        refused(json!({"name": "a", "key": "short"}), "/key");
        refused(json!({"name": "a", "key": "with a space in it"}), "/key");
        refused(json!({"name": "a", "key": "x".repeat(513)}), "/key");
        refused(json!({"name": "a", "key": 7}), "/key");
        refused(json!({"name": "a", "key": "argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiX"}), "/key");
        refused(json!({"name": "a", "key": "x".repeat(40), "colour": 1}), "/colour");
        refused(json!({"name": "a", "key": "x".repeat(40), "prefix": "x".repeat(25)}), "/prefix");
    }
}
