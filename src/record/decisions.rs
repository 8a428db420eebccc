//! The stream of decisions: the last access-log lines, and whoever listens to new ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Bytes of lines kept for those who ask later.
pub const RING_BYTES_MAX: usize = 4 << 20;
/// Lines a slow listener may be behind before it misses some.
pub const BEHIND_MAX: usize = 4_096;

/// One decision as a JSON line, with its number.
#[derive(Debug, Clone)]
pub struct DecisionLine {
    /// Grows by one with each line.
    pub seq: u64,
    /// The line, without line feed.
    pub json: Arc<str>,
}

/// The ring and the stream.
#[derive(Debug)]
pub struct Decisions {
    ring: Mutex<Ring>,
    stream: broadcast::Sender<DecisionLine>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Ring {
    chunks: VecDeque<(u64, Bytes)>,
    bytes: usize,
}

impl Default for Decisions {
    fn default() -> Self {
        Decisions { ring: Mutex::default(), stream: broadcast::channel(BEHIND_MAX).0, next: AtomicU64::new(1) }
    }
}

impl Decisions {
    /// Takes in whole marked lines as a worker wrote them.
    pub fn add(&self, marked: Vec<u8>) {
        if marked.is_empty() {
            return;
        }
        let count = memchr::memchr_iter(b'\n', &marked).count() as u64;
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        if self.stream.receiver_count() > 0 {
            for (seq, line) in (first..).zip(lines(&marked)) {
                // Nobody listening any more is no failure.
                let _ = self.stream.send(DecisionLine { seq, json: line.into() });
            }
        }
        let mut ring = self.ring.lock();
        ring.bytes += marked.len();
        ring.chunks.push_back((first, marked.into()));
        while ring.bytes > RING_BYTES_MAX && ring.chunks.len() > 1 {
            if let Some((_, gone)) = ring.chunks.pop_front() {
                ring.bytes -= gone.len();
            }
        }
    }

    /// The last `max` decisions after number `after` that `wanted` takes, oldest first.
    pub fn recent(&self, after: u64, max: usize, wanted: impl Fn(&str) -> bool) -> Vec<DecisionLine> {
        let chunks: Vec<(u64, Bytes)> = self.ring.lock().chunks.iter().cloned().collect();
        let mut found = VecDeque::new();
        for (first, bytes) in &chunks {
            for (seq, line) in (*first..).zip(lines(bytes)) {
                if seq > after && wanted(line) {
                    found.push_back(DecisionLine { seq, json: line.into() });
                    if found.len() > max {
                        found.pop_front();
                    }
                }
            }
        }
        found.into()
    }

    /// Listens to decisions from now on. A listener more than [`BEHIND_MAX`] lines behind is told that it missed some.
    pub fn subscribe(&self) -> broadcast::Receiver<DecisionLine> {
        self.stream.subscribe()
    }
}

/// Lines without their marks.
fn lines(marked: &[u8]) -> impl Iterator<Item = &str> {
    marked.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| std::str::from_utf8(&l[1..]).unwrap_or("{}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let decisions = Decisions::default();
        let mut listener = decisions.subscribe();
        decisions.add(b"+{\"n\":1}\n-{\"n\":2}\n".to_vec());
        assert_eq!(&*listener.try_recv().unwrap().json, "{\"n\":1}");
        let seqs = |after, max| decisions.recent(after, max, |_| true).iter().map(|l| l.seq).collect::<Vec<_>>();
        assert_eq!((seqs(0, 9), seqs(1, 9), seqs(0, 1)), (vec![1, 2], vec![2], vec![2]));
        for _ in 0..10 {
            decisions.add([vec![b'+'; RING_BYTES_MAX / 4], b"\n".to_vec()].concat());
        }
        assert!(decisions.ring.lock().bytes <= RING_BYTES_MAX);
    }
}
