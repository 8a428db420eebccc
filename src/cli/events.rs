//! Reads server-sent events, as WHATWG HTML section 9.2 defines them, from pieces of any size.

/// Longest event, in bytes. The server's are a few hundred.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its kind; empty for the default.
    pub kind: String,
    /// Its data.
    pub data: String,
}

/// An event that is longer than [`EVENT_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {EVENT_BYTES_MAX} bytes")]
pub struct TooLong;

/// What has been read so far.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    event: Event,
    any_data: bool,
    after_cr: bool,
}

impl Reader {
    /// Takes the next piece and gives the events that it completes.
    pub fn take(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in piece {
            // A line ends in LF, CR, or CR LF.
            let second_half = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ if self.line.len() + self.event.data.len() >= EVENT_BYTES_MAX => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.any_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event.kind = value.to_owned(),
            "data" => {
                if self.any_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.any_data = true;
            }
            // A comment keeps the connection alive; ids and retry times are for readers that reconnect.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str =
        ": hello\r\n\r\nevent: decision\nid: 7\ndata: {\"a\":1}\n\ndata: x\rdata:y\r\rdata\n\nevent: lost\n\n";

    fn whole() -> Vec<Event> {
        let event = |kind: &str, data: &str| Event { kind: kind.to_owned(), data: data.to_owned() };
        vec![event("decision", "{\"a\":1}"), event("", "x\ny"), event("", "")]
    }

    #[test]
    fn events_end_at_empty_lines() {
        assert_eq!(Reader::default().take(STREAM.as_bytes()), Ok(whole()));
        assert_eq!(Reader::default().take(&[b'x'; EVENT_BYTES_MAX + 1]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(size in 1_usize..40) {
            let mut reader = Reader::default();
            let mut events = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                events.extend(reader.take(piece).unwrap());
            }
            prop_assert_eq!(events, whole());
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = Reader::default().take(&bytes);
        }
    }
}
