//! An origin that keeps the very bytes it was sent, and answers every request alike.

use std::sync::{Arc, Mutex};

use super::BadOrigin;
use super::message::{Ended, Fields, Framing};
use super::wait::until;

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Every byte of it, framing included.
    pub wire: Vec<u8>,
    /// Its first line.
    pub start: String,
    /// Its fields as they were spelled.
    pub fields: Fields,
    /// Its body without framing.
    pub body: Vec<u8>,
    /// What followed the body.
    pub trailers: Fields,
    /// How it ended.
    pub ended: Ended,
}

impl Raw {
    /// Its target.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// Its method.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The first value of a field, empty if it is not there.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default()
    }

    /// Whether `bytes` came anywhere in it.
    pub fn holds(&self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        self.wire.windows(bytes.len()).any(|w| w == bytes)
    }
}

/// A running origin. It ends with the test program.
pub struct RawOrigin {
    inner: BadOrigin,
    seen: Arc<Mutex<Vec<Raw>>>,
}

impl RawOrigin {
    /// Answers `ok`.
    pub fn start() -> Self {
        RawOrigin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    /// Answers with these bytes.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ledger = Arc::clone(&seen);
        let inner = BadOrigin::start(move |mut exchange| {
            exchange.reader().remember();
            while let Some(head) = exchange.head() {
                let read = exchange.reader().body(Framing::of_request(&head.fields));
                let (body, trailers, ended) = read.unwrap_or((Vec::new(), Fields::default(), Ended::Cut));
                let wire = exchange.reader().remembered();
                let raw = Raw { wire, start: head.start, fields: head.fields, body, trailers, ended };
                ledger.lock().unwrap().push(raw);
                if ended == Ended::Cut {
                    return;
                }
                exchange.send(&answer);
            }
        });
        RawOrigin { inner, seen }
    }

    /// Its address as a URL without a path.
    pub fn url(&self) -> String {
        self.inner.url()
    }

    /// Every request, whole or cut, in order.
    pub fn seen(&self) -> Vec<Raw> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The last request; fails if there was none.
    #[track_caller]
    pub fn last(&self) -> Raw {
        self.seen().pop().expect("the origin was asked")
    }

    /// Waits for `count` requests and gives the last.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Raw {
        until(&format!("{count} requests at the origin"), || (self.count() >= count).then_some(()));
        self.last()
    }

    /// How many connections were ever opened to it.
    pub fn connections(&self) -> usize {
        self.inner.connections()
    }
}
