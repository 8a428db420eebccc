//! Requests and their bodies on their connection's clock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ConnectionClock;
use super::reader::Reader;

/// A request on its connection's clock, from its head to the end of its answer, and whom it waits for.
#[derive(Debug)]
pub struct Turn {
    clock: Arc<ConnectionClock>,
    is_ours: bool,
    reader: Option<Arc<Reader>>,
}

impl Turn {
    /// Notes that the head of a request is complete: it is for us to move.
    pub fn begin(clock: &Arc<ConnectionClock>) -> Self {
        clock.in_head.store(false, Ordering::Relaxed);
        clock.open.fetch_add(1, Ordering::Relaxed);
        clock.ours.fetch_add(1, Ordering::Relaxed);
        clock.moved();
        Turn { clock: Arc::clone(clock), is_ours: true, reader: None }
    }

    /// The client has to take the answer with so many bytes a second.
    pub fn is_measured(&mut self, rate_min: u64) {
        let reader = Arc::new(Reader::new(rate_min));
        self.clock.readers.lock().push(Arc::clone(&reader));
        self.reader = Some(reader);
    }

    /// So many bytes of the answer were handed out: it is for the client to take them.
    pub fn handed(&mut self, bytes: u64) {
        if let Some(reader) = &self.reader {
            reader.handed(bytes);
        }
        self.is_clients();
    }

    /// It is for us to move, or for the upstream.
    pub fn is_ours(&mut self) {
        if let Some(reader) = &self.reader {
            reader.has_taken();
        }
        if !self.is_ours {
            self.is_ours = true;
            self.clock.ours.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is for the client to move.
    pub fn is_clients(&mut self) {
        if self.is_ours {
            self.is_ours = false;
            self.clock.ours.fetch_sub(1, Ordering::Relaxed);
        }
        self.clock.moved();
    }

    /// The connection's clock.
    pub fn clock(&self) -> &Arc<ConnectionClock> {
        &self.clock
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            self.clock.readers.lock().retain(|other| !Arc::ptr_eq(other, reader));
        }
        if self.is_ours {
            self.clock.ours.fetch_sub(1, Ordering::Relaxed);
        }
        self.clock.open.fetch_sub(1, Ordering::Relaxed);
        self.clock.moved();
    }
}

/// The body of a request on its connection's clock. Its client may still send it when the answer has ended.
#[derive(Debug)]
pub struct Upload(Arc<ConnectionClock>);

impl Upload {
    /// Notes that a body begins.
    pub fn begin(clock: &Arc<ConnectionClock>) -> Self {
        clock.bodies.fetch_add(1, Ordering::Relaxed);
        Upload(Arc::clone(clock))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.bodies.fetch_sub(1, Ordering::Relaxed);
        self.0.moved();
    }
}
