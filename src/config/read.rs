//! From the tree to the written form, telling every mistake on the way.
//!
//! serde stops at the first error. So the error is recorded at its place, what it is about is taken out of the tree,
//! and reading starts again; each round takes something out, so this ends.

use std::fmt::{self, Display};

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};

use super::nearest::nearest;
use super::problem::{Code, Problems};
use super::tree::{Node, Value};
use super::value::{DURATION, SHARE, SIZE};
use super::words;

/// Most rounds of reading: one for each problem that is told, and as many that only repeat one.
const ROUNDS_MAX: usize = 2 * super::problem::PROBLEMS_MAX;

/// Fields listed in the help for an unknown one.
const FIELDS_LISTED_MAX: usize = 10;

/// What went wrong, in pieces.
#[derive(Debug)]
pub(super) enum What {
    UnknownField { field: String, expected: &'static [&'static str] },
    UnknownWord { word: String, expected: &'static [&'static str] },
    Missing(&'static str),
    Type { expected: String, number: Option<i128> },
    Text(String),
}

/// An error and the way to it, innermost key first while it travels outwards.
#[derive(Debug)]
pub(super) struct ReadError {
    what: What,
    path: Vec<String>,
}

impl ReadError {
    fn new(what: What) -> Self {
        ReadError { what, path: Vec::new() }
    }

    fn within(mut self, key: impl Into<String>) -> Self {
        self.path.push(key.into());
        self
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: Display>(text: T) -> Self {
        ReadError::new(What::Text(text.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let number = match found {
            Unexpected::Unsigned(n) => Some(i128::from(n)),
            Unexpected::Signed(n) => Some(i128::from(n)),
            _ => None,
        };
        ReadError::new(What::Type { expected: expected.to_string(), number })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = match expected.to_string().as_str() {
            "u8" => "a number from 0 to 255".to_owned(),
            "u16" => "a number from 0 to 65535".to_owned(),
            "u32" => format!("a number from 0 to {}", u32::MAX),
            "u64" | "usize" => "a number from 0 up".to_owned(),
            other => other.to_owned(),
        };
        ReadError::new(What::Type { expected, number: None })
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        ReadError::new(What::UnknownWord { word: word.to_owned(), expected })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        ReadError::new(What::UnknownField { field: field.to_owned(), expected })
    }

    fn missing_field(field: &'static str) -> Self {
        ReadError::new(What::Missing(field))
    }
}

/// Reads `T` from the tree. Whatever is wrong is recorded and taken out of the tree; `None` only where the root
/// itself cannot be read.
pub(super) fn read<T: for<'de> Deserialize<'de>>(tree: &mut Node, problems: &mut Problems) -> Option<T> {
    for _ in 0..ROUNDS_MAX {
        let error = match T::deserialize(&*tree) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let path: Vec<String> = error.path.into_iter().rev().collect();
        let gone = record(tree, problems, &path, error.what);
        if problems.is_full() || !tree.remove(&gone) {
            return None;
        }
    }
    None
}

/// Tells the error and says what must go so that reading can go on.
fn record(tree: &Node, problems: &mut Problems, path: &[String], what: What) -> Vec<String> {
    let sources = problems.sources.clone();
    let field = path.last().filter(|p| p.parse::<usize>().is_err()).or(path.iter().rev().nth(1));
    let field = field.map_or("", String::as_str).to_owned();
    let node = tree.find(path);
    let place = tree.place(path, &sources);
    let gone = path.to_vec();
    match what {
        What::UnknownField { field, expected } => {
            let mut at = gone.clone();
            at.push(field.clone());
            let key = tree.find(&at).and_then(|n| n.key);
            let meant = nearest(&field, expected.iter().copied());
            let message = format!("unknown field `{field}`{}", words::within(path));
            let problem = problems.error(Code::UnknownField, at.clone(), message).at(key.unwrap_or(place));
            if let Some(meant) = meant {
                problem.label(format!("did you mean `{meant}`?"));
                let mut path = gone;
                path.push(meant.to_owned());
                problem.meant = Some(path);
            }
            problem.help(fields_help(path, expected));
            return at;
        }
        What::UnknownWord { word, expected } => {
            let list = expected.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ");
            let near = nearest(&word, expected.iter().copied());
            let hint = near.map(|w| format!("  (did you mean \"{w}\"?)")).unwrap_or_default();
            let message = format!("`{field}` cannot be \"{}\"", words::short(&word));
            problems.error(Code::Word, gone.clone(), message).at(place).label(format!("expected {list}{hint}"));
        }
        What::Missing(missing) => {
            let mut at = gone.clone();
            at.push(missing.to_owned());
            // A field that was taken out a round ago has been told.
            if problems.cause_of(&at).is_none() {
                let message = format!("`{missing}` is missing{}", words::within(path));
                problems.gap(Code::Missing, at, Some(place), message);
            }
        }
        What::Type { expected, number: Some(n) } if needs_unit(&expected, &field) => {
            let unit = unit_for(&expected, &field, n);
            problems.error(Code::Unit, gone.clone(), format!("`{field}` needs a unit")).at(place).label(unit);
        }
        What::Type { expected, .. } => {
            let found = node.map_or("nothing", |n| n.value.kind());
            let (message, label) = match expected.strip_prefix(found) {
                Some(range) => (format!("`{field}` is out of range"), format!("expected a number{range}")),
                None => (format!("`{field}` is not {expected}"), format!("expected {expected}, this is {found}")),
            };
            problems.error(Code::Type, gone.clone(), message).at(place).label(label);
        }
        What::Text(text) => {
            problems.error(Code::Value, gone.clone(), text).at(place);
        }
    }
    gone
}

/// Fields that hold a rate, written as text with a window.
fn is_rate(field: &str) -> bool {
    matches!(field, "rate" | "failures")
}

fn needs_unit(expected: &str, field: &str) -> bool {
    [DURATION, SIZE, SHARE].contains(&expected) || is_rate(field)
}

fn unit_for(expected: &str, field: &str, n: i128) -> String {
    match expected {
        _ if is_rate(field) => format!("write \"{n}/min\""),
        SIZE if n > 0 && n % 1_048_576 == 0 => format!("write \"{}MiB\"", n / 1_048_576),
        SIZE if n > 0 && n % 1_024 == 0 => format!("write \"{}KiB\"", n / 1_024),
        SIZE => format!("write \"{n}B\""),
        SHARE => format!("write \"{n}%\""),
        _ => format!("write \"{n}s\""),
    }
}

fn fields_help(path: &[String], expected: &[&str]) -> String {
    let mut list = expected.iter().take(FIELDS_LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    if expected.len() > FIELDS_LISTED_MAX {
        list.push_str(", …");
    }
    let subject = words::subject(path);
    match path.first() {
        Some(table) => format!("{subject} {list}\nrun `argus help config {table}` for each with an example"),
        None => format!("{subject} {list}\nrun `argus help config` for all of them"),
    }
}

impl<'de> IntoDeserializer<'de, ReadError> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn wrong_type(expected: &str, node: &Node) -> ReadError {
    let number = match node.value {
        Value::Integer(n) => Some(n),
        _ => None,
    };
    ReadError::new(What::Type { expected: expected.to_owned(), number })
}

/// Numbers and truths: taken as they are, or out of text that came from the environment.
macro_rules! soft {
    ($($method:ident $visit:ident $kind:ty, $expected:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match &self.value {
                Value::Text(text) if self.soft => match text.trim().parse::<$kind>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(wrong_type($expected, self)),
                },
                Value::Integer(_) | Value::Float(_) | Value::Bool(_) => self.deserialize_any(visitor),
                _ => Err(wrong_type($expected, self)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Table(table) => visitor.visit_map(Entries { entries: table.iter(), value: None }),
            Value::List(_) => visitor.visit_seq(Items { items: Box::new(self.items()) }),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Integer(n) => match (u64::try_from(*n), i64::try_from(*n)) {
                (Ok(n), _) => visitor.visit_u64(n),
                (_, Ok(n)) => visitor.visit_i64(n),
                _ => Err(wrong_type("a smaller number", self)),
            },
            Value::Float(n) => visitor.visit_f64(*n),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Date | Value::Gone => Err(wrong_type("a text in quotes", self)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.table().is_some() { self.deserialize_any(visitor) } else { Err(wrong_type("a table", self)) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::List(_) => self.deserialize_any(visitor),
            _ => Err(wrong_type("a list", self)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.text().is_some() { self.deserialize_any(visitor) } else { Err(wrong_type("a text in quotes", self)) }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Text(word) => visitor.visit_enum(StrDeserializer::<ReadError>::new(word)),
            _ => Err(wrong_type("a word in quotes", self)),
        }
    }

    soft! {
        deserialize_bool visit_bool bool, "true or false";
        deserialize_u8 visit_u64 u64, "a number";
        deserialize_u16 visit_u64 u64, "a number";
        deserialize_u32 visit_u64 u64, "a number";
        deserialize_u64 visit_u64 u64, "a number";
        deserialize_i64 visit_i64 i64, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Entries<'de> {
    entries: std::collections::btree_map::Iter<'de, String, Node>,
    value: Option<(&'de str, &'de Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key, node));
        seed.deserialize(StrDeserializer::<ReadError>::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(node).map_err(|error| error.within(key))
    }
}

struct Items<'de> {
    items: Box<dyn Iterator<Item = (usize, &'de Node)> + 'de>,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some((n, node)) = self.items.next() else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|error| error.within(n.to_string()))
    }
}
