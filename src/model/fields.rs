//! Header fields as they go on the wire.
//!
//! What Argus adds to a request is the same for many requests: for those of a connection, for those by a key. It is
//! written once, and copied as a whole from then on, where the same fields in a map would be looked up, moved and
//! written one by one for each request.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields as whole lines of HTTP/1.1, each with its end (RFC 9112 section 5).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// None, with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Fields(Vec::with_capacity(bytes))
    }

    /// Adds a field.
    pub fn push(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.line(name, value.as_bytes());
    }

    /// Adds a field whose value is `text`. False, and nothing is added, if no field can hold it as it is.
    pub fn push_text(&mut self, name: &HeaderName, text: &str) -> bool {
        let is_good = text.bytes().fold(true, |good, b| good & (matches!(b, 0x20..=0x7e) | (b >= 0x80)));
        if is_good {
            self.line(name, text.as_bytes());
        }
        is_good
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: &Fields) {
        self.0.extend_from_slice(&others.0);
    }

    /// The lines.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives back the room that is not used.
    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    fn line(&mut self, name: &HeaderName, value: &[u8]) {
        let name = name.as_str().as_bytes();
        self.0.reserve(name.len() + value.len() + 4);
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(b"\r\n");
    }

    /// Takes all of them out, into `headers`.
    pub fn move_into(&mut self, headers: &mut HeaderMap) {
        let text = Bytes::from(std::mem::take(&mut self.0));
        let lines = text.split(|b| *b == b'\n').filter_map(|line| line.strip_suffix(b"\r"));
        for line in lines {
            // Only `push` writes lines: they have a colon, and a name and a value that are good.
            let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
            let value = HeaderValue::from_maybe_shared(text.slice_ref(line[colon + 1..].trim_ascii_start()));
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), value) {
                headers.append(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_moved_is_what_was_pushed(sent in proptest::collection::vec(("[a-z][a-z0-9-]{0,12}", "[!-~]?[ -~\\x80-\\xff]{0,20}"), 0..8)) {
            let mut fields = Fields::default();
            let (mut pushed, mut moved) = (HeaderMap::new(), HeaderMap::new());
            for (name, value) in &sent {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                let Ok(value) = HeaderValue::from_bytes(value.trim().as_bytes()) else { continue };
                fields.push(&name, &value);
                pushed.append(name, value);
            }
            let mut copy = Fields::with_capacity(1);
            copy.extend(&fields);
            copy.move_into(&mut moved);
            prop_assert_eq!(copy, Fields::default());
            prop_assert_eq!(moved, pushed);
        }
    }
}
