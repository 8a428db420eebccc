//! The configuration as a tree that knows where everything stands, whichever file it came from.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Place, Sources};

/// Deepest nesting that is walked; the TOML parser refuses deeper files before this is reached.
pub(super) const DEPTH_MAX: usize = 128;

/// A value and its places.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub value: Value,
    /// Where the value stands.
    pub at: Place,
    /// Where its key stands; `None` for items of lists and the root.
    pub key: Option<Place>,
    /// Came from the environment or was filled in by `${…}`: text that may stand for a number or a truth.
    pub soft: bool,
}

/// What can be written.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    Text(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    /// Nothing in the configuration is a date; kept to say so.
    Date,
    /// An item of a list that was taken out, so that the numbers of those after it stay true.
    Gone,
}

impl Value {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Table(_) => "a table",
            Value::List(_) => "a list",
            Value::Text(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Float(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Date => "a date",
            Value::Gone => "nothing",
        }
    }
}

/// An owned path, for problems.
pub(super) fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|p| (*p).to_owned()).collect()
}

impl Node {
    /// An empty table without a place.
    pub fn empty(at: Place) -> Node {
        Node { value: Value::Table(BTreeMap::new()), at, key: None, soft: false }
    }

    /// Reads what the parser made of a file. Numbers no integer holds are left out and given to `too_large`.
    pub fn from_toml(table: &DeTable<'_>, at: Place, too_large: &mut Vec<Place>) -> Node {
        let value = Value::Table(table_from(table, at.source, too_large));
        Node { value, at, key: None, soft: false }
    }

    pub fn table(&self) -> Option<&BTreeMap<String, Node>> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The child of a table by key, or of a list by number.
    pub fn child(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(table) => table.get(key),
            Value::List(list) => list.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The node at `path`.
    pub fn find<S: AsRef<str>>(&self, path: &[S]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.child(key.as_ref()))
    }

    /// Takes the node at `path` out, and says whether there was one. The root cannot be taken.
    pub fn remove<S: AsRef<str>>(&mut self, path: &[S]) -> bool {
        self.take(path).is_some_and(|value| !matches!(value, Value::Gone))
    }

    fn take<S: AsRef<str>>(&mut self, path: &[S]) -> Option<Value> {
        let (last, front) = path.split_last()?;
        let mut node = self;
        for key in front {
            node = match &mut node.value {
                Value::Table(table) => table.get_mut(key.as_ref())?,
                Value::List(list) => list.get_mut(key.as_ref().parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        match &mut node.value {
            Value::Table(table) => table.remove(last.as_ref()).map(|node| node.value),
            Value::List(list) => {
                let item = list.get_mut(last.as_ref().parse::<usize>().ok()?)?;
                Some(std::mem::replace(&mut item.value, Value::Gone))
            }
            _ => None,
        }
    }

    /// The items that are left of a list, with their numbers.
    pub fn items(&self) -> impl Iterator<Item = (usize, &Node)> {
        let list = match &self.value {
            Value::List(list) => list.as_slice(),
            _ => &[],
        };
        list.iter().enumerate().filter(|(_, node)| !matches!(node.value, Value::Gone))
    }

    /// Where the node at `path`, or what is left of the way to it, is best shown: tables by their header, values whole.
    pub fn place<S: AsRef<str>>(&self, path: &[S], sources: &Sources) -> Place {
        let mut node = self;
        for key in path {
            match node.child(key.as_ref()) {
                Some(child) => node = child,
                None => break,
            }
        }
        node.head(sources)
    }

    /// A table's header, or the whole value.
    pub fn head(&self, sources: &Sources) -> Place {
        match (&self.value, self.key) {
            (Value::Table(_), Some(key)) => sources.header_of(key),
            _ => self.at,
        }
    }

    /// Calls `f` with every node that holds text.
    pub fn for_each_text(&mut self, path: &mut Vec<String>, f: &mut impl FnMut(&[String], &mut Node)) {
        if path.len() > DEPTH_MAX {
            return;
        }
        match &mut self.value {
            Value::Table(table) => {
                for (key, node) in table {
                    path.push(key.clone());
                    node.for_each_text(path, f);
                    path.pop();
                }
            }
            Value::List(list) => {
                for (n, node) in list.iter_mut().enumerate() {
                    path.push(n.to_string());
                    node.for_each_text(path, f);
                    path.pop();
                }
            }
            Value::Text(_) => f(path, self),
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::Date | Value::Gone => {}
        }
    }
}

fn place<T>(spanned: &Spanned<T>, source: u16) -> Place {
    let span = spanned.span();
    // Files are far smaller than 4 GiB: `load` refuses larger ones.
    let byte = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Place { source, start: byte(span.start), end: byte(span.end) }
}

fn table_from(table: &DeTable<'_>, source: u16, too_large: &mut Vec<Place>) -> BTreeMap<String, Node> {
    let mut out = BTreeMap::new();
    for (key, value) in table {
        if let Some(mut node) = node_from(value, source, too_large) {
            node.key = Some(place(key, source));
            out.insert(key.get_ref().to_string(), node);
        }
    }
    out
}

fn node_from(value: &Spanned<DeValue<'_>>, source: u16, too_large: &mut Vec<Place>) -> Option<Node> {
    let at = place(value, source);
    let number_too_large = |too_large: &mut Vec<Place>| {
        too_large.push(at);
        None
    };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(n) => match i128::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Value::Integer(n),
            Err(_) => return number_too_large(too_large),
        },
        DeValue::Float(n) => match n.as_str().parse() {
            Ok(n) => Value::Float(n),
            Err(_) => return number_too_large(too_large),
        },
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => {
            Value::List(list.iter().filter_map(|item| node_from(item, source, too_large)).collect())
        }
        DeValue::Table(table) => Value::Table(table_from(table, source, too_large)),
    };
    Some(Node { value, at, key: None, soft: false })
}
