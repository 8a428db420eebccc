//! Small numbers for names, so that a request is counted without touching text.
//!
//! Names come from the configuration, never from a request: the set is bounded by what was ever configured, and by
//! [`LABELS_MAX`].

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// Most names of one kind; later ones share the last number.
pub const LABELS_MAX: usize = 65_000;

/// Numbers given to names, for the life of the process.
#[derive(Debug, Default)]
pub struct Labels {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    numbers: HashMap<Arc<str>, u16>,
    names: Vec<Arc<str>>,
}

impl Labels {
    /// Labels whose number 0 is `none`.
    pub fn with_none(none: &str) -> Self {
        let labels = Labels::default();
        labels.number(none);
        labels
    }

    /// The number of `name`, given now if it has none. Called when a snapshot is taken up, not per request.
    pub fn number(&self, name: &str) -> u16 {
        if let Some(number) = self.inner.read().numbers.get(name) {
            return *number;
        }
        let mut inner = self.inner.write();
        if let Some(number) = inner.numbers.get(name) {
            return *number;
        }
        if inner.names.len() >= LABELS_MAX {
            return u16::try_from(LABELS_MAX - 1).unwrap_or(u16::MAX);
        }
        let number = u16::try_from(inner.names.len()).unwrap_or(u16::MAX);
        let name: Arc<str> = name.into();
        inner.names.push(Arc::clone(&name));
        inner.numbers.insert(name, number);
        number
    }

    /// All names, by number.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.inner.read().names.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let labels = Labels::with_none("");
        let a = labels.number("a");
        assert_eq!((labels.number(""), a, labels.number("b"), labels.number("a")), (0, 1, 2, a));
        assert_eq!(&*labels.names()[1], "a");
    }
}
