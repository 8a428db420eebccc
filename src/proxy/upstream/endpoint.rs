//! One server of an upstream, and what all workers know of it together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::model::upstream::{Server, ServerUrl};

/// How long a server that could not be reached is passed over while others can be.
const FAILED_FOR: Duration = Duration::from_secs(2);

/// One server. What workers note here, they note for each other.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub url: ServerUrl,
    /// Its share of the requests.
    pub weight: u16,
    /// What it is known by where callers are spread by a hash: the same in every process.
    pub(super) identity: u64,
    epoch: Instant,
    /// Milliseconds after `epoch` until which it is passed over.
    failed_until_ms: AtomicU64,
}

impl Endpoint {
    pub(super) fn new(server: &Server) -> Self {
        let digest: [u8; 32] = Sha256::digest(server.url.to_string()).into();
        let (front, _) = digest.split_first_chunk::<8>().expect("32 bytes have 8 in front");
        Endpoint {
            url: server.url.clone(),
            weight: server.weight,
            identity: u64::from_be_bytes(*front),
            epoch: Instant::now(),
            failed_until_ms: AtomicU64::new(0),
        }
    }

    /// Whether requests go to it while there is a choice.
    pub(super) fn in_service(&self, now: Instant) -> bool {
        self.ms(now) >= self.failed_until_ms.load(Ordering::Relaxed)
    }

    /// It could not be reached.
    pub(super) fn note_failure(&self, now: Instant) {
        self.failed_until_ms.store(self.ms(now + FAILED_FOR), Ordering::Relaxed);
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}
