//! One address of an upstream, and what all workers and the checks know of it together.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::model::upstream::{Ejection, HealthCheck, Server, ServerUrl};

/// How long a server that could not be reached is passed over while others can be.
const FAILED_FOR: Duration = Duration::from_secs(2);
/// Times the first duration that an ejection lasts at most.
const EJECTIONS_COUNTED_MAX: u32 = 10;
/// Share of the requests that a server which is back begins with.
const FIRST_SHARE: f64 = 0.1;

/// One server at one address. What workers note here, they note for each other.
#[derive(Debug)]
pub struct Endpoint {
    /// As configured.
    pub url: ServerUrl,
    /// Its share of the requests.
    pub weight: u16,
    /// Where connections go; the system is asked for the name if it is not known yet.
    pub address: Option<SocketAddr>,
    /// What it is known by where callers are spread by a hash: the same in every process.
    pub(super) identity: u64,
    epoch: Instant,
    /// Milliseconds after `epoch` until which it is passed over.
    out_until_ms: AtomicU64,
    /// Whether `out_until_ms` is an ejection rather than the moment after a failed connection.
    is_ejected: AtomicBool,
    /// Failed requests in a row.
    failures: AtomicU32,
    /// Ejections, less the times it did well again.
    ejections: AtomicU32,
    /// Whether the checks have found it out of service.
    is_down: AtomicBool,
    /// Good checks in a row, or failed ones below zero; nothing before the first.
    checks: AtomicI32,
    /// Milliseconds after `epoch` at which it came back into service; zero if it was never out.
    back_at_ms: AtomicU64,
    /// What it chose when it was last offered HTTP/2 and HTTP/1.1; see [`Choice`].
    choice: AtomicU8,
}

/// What a server chose.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Choice {
    Unknown,
    Http1,
    Http2,
}

impl Endpoint {
    /// A server at `address`, or wherever the system finds its name.
    pub(super) fn new(server: &Server, address: Option<SocketAddr>) -> Self {
        // Behind a socket file the host is a name.
        let literal = server.url.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, server.url.port));
        let name = match address {
            Some(address) => format!("{} {address}", server.url),
            None => server.url.to_string(),
        };
        let digest: [u8; 32] = Sha256::digest(name).into();
        let (front, _) = digest.split_first_chunk::<8>().expect("32 bytes have 8 in front");
        Endpoint {
            url: server.url.clone(),
            weight: server.weight,
            address: address.or(literal),
            identity: u64::from_be_bytes(*front),
            epoch: Instant::now(),
            out_until_ms: AtomicU64::new(0),
            is_ejected: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            is_down: AtomicBool::new(false),
            checks: AtomicI32::new(0),
            back_at_ms: AtomicU64::new(0),
            choice: AtomicU8::new(Choice::Unknown as u8),
        }
    }

    /// Whether it chose HTTP/2 when it was last offered both; `None` if it was not yet.
    pub(super) fn has_chosen_http2(&self) -> Option<bool> {
        let choice = self.choice.load(Ordering::Relaxed);
        (choice != Choice::Unknown as u8).then_some(choice == Choice::Http2 as u8)
    }

    /// It was offered both, and chose.
    pub(super) fn note_choice(&self, http2: bool) {
        if self.has_chosen_http2() != Some(http2) {
            let choice = if http2 { Choice::Http2 } else { Choice::Http1 };
            self.choice.store(choice as u8, Ordering::Relaxed);
        }
    }

    /// Whether requests go to it while there is a choice.
    pub fn in_service(&self, now: Instant) -> bool {
        !self.is_down() && self.ms(now) >= self.out_until_ms.load(Ordering::Relaxed)
    }

    /// Whether the checks have found it out of service, so that nothing goes to it.
    pub(super) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// Whether it has been ejected and is not back yet.
    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        self.is_ejected.load(Ordering::Relaxed) && self.ms(now) < self.out_until_ms.load(Ordering::Relaxed)
    }

    /// The share of its requests that it is to get now: less than 1 for `slow_start` after it came back.
    pub(super) fn share(&self, now: Instant, slow_start: Duration) -> f64 {
        let back_at = self.back_at_ms.load(Ordering::Relaxed).max(self.out_until_ms.load(Ordering::Relaxed));
        if slow_start.is_zero() || back_at == 0 {
            return 1.0;
        }
        let since = self.ms(now).saturating_sub(back_at) as f64;
        (since / (slow_start.as_secs_f64() * 1e3)).clamp(FIRST_SHARE, 1.0)
    }

    /// It could not be reached.
    pub(super) fn note_unreachable(&self, now: Instant) {
        if !self.is_ejected(now) {
            self.is_ejected.store(false, Ordering::Relaxed);
            self.out_until_ms.store(self.ms(now + FAILED_FOR), Ordering::Relaxed);
        }
    }

    /// It has answered a request well. Writes nothing if it did so before: all workers share this.
    pub(super) fn note_good(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// It has failed a request: whether that is one too many. Then [`Endpoint::eject`] may follow.
    pub(super) fn note_bad(&self, ejection: &Ejection) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= u32::from(ejection.after)
    }

    /// Takes it out of service: the longer the more often it has happened lately.
    pub(super) fn eject(&self, ejection: &Ejection, now: Instant) -> Duration {
        // Whoever did well for ten times as long as it was out begins anew.
        let well = self.ms(now).saturating_sub(self.out_until_ms.load(Ordering::Relaxed));
        let long_ago = u128::from(well) > ejection.duration.as_millis().saturating_mul(EJECTIONS_COUNTED_MAX.into());
        let before = if long_ago { 0 } else { self.ejections.load(Ordering::Relaxed) };
        let times = (before + 1).min(EJECTIONS_COUNTED_MAX);
        let lasts = ejection.duration.saturating_mul(times);
        self.ejections.store(times, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        self.is_ejected.store(true, Ordering::Relaxed);
        let until = self.ms(now).saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
        self.out_until_ms.store(until, Ordering::Relaxed);
        lasts
    }

    /// A check was good or not: whether that has put it out of service (`Some(false)`) or back (`Some(true)`). The
    /// first check of all decides alone.
    pub(super) fn note_check(&self, good: bool, check: &HealthCheck, now: Instant) -> Option<bool> {
        let run = self.checks.load(Ordering::Relaxed);
        let next = match good {
            true => run.max(0).saturating_add(1),
            false => run.min(0).saturating_sub(1),
        };
        self.checks.store(next, Ordering::Relaxed);
        let was_down = self.is_down();
        let is_first = run == 0;
        if was_down && good && (is_first || next >= i32::from(check.healthy_after)) {
            self.back_at_ms.store(self.ms(now).max(1), Ordering::Relaxed);
            self.is_down.store(false, Ordering::Relaxed);
            return Some(true);
        }
        if !was_down && !good && (is_first || -next >= i32::from(check.unhealthy_after)) {
            self.is_down.store(true, Ordering::Relaxed);
            return Some(false);
        }
        None
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Endpoint {
    /// The URL, and the address where the URL has a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) if self.url.name().is_some() => write!(f, "{} ({})", self.url, address.ip()),
            _ => write!(f, "{}", self.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::upstream::StatusRange;

    fn endpoint() -> Endpoint {
        let url: ServerUrl = "http://127.0.0.1:1".parse().unwrap();
        Endpoint::new(&url.into(), None)
    }

    fn check(every: u64) -> HealthCheck {
        let every = Duration::from_secs(every);
        let (path, expect) = ("/".to_owned(), StatusRange::default());
        HealthCheck { path, every, timeout: every, healthy_after: 2, unhealthy_after: 3, expect }
    }

    #[test]
    fn checks_count_in_a_row_and_the_first_decides() {
        let (e, now) = (endpoint(), Instant::now());
        let told = [false, true, true, false, false, true, false, false, false, true, true]
            .map(|good| (e.note_check(good, &check(1), now), e.is_down()));
        let (down, up, same) = (Some(false), Some(true), None);
        let expected = [
            (down, true),
            (same, true),
            (up, false),
            (same, false),
            (same, false),
            (same, false),
            (same, false),
            (same, false),
            (down, true),
            (same, true),
            (up, false),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn ejections_grow_and_are_forgotten() {
        let ejection = Ejection { after: 2, duration: Duration::from_secs(10), share_max: 1.0 };
        let (e, start) = (endpoint(), Instant::now());
        assert!(!e.note_bad(&ejection));
        e.note_good();
        assert!(!e.note_bad(&ejection), "only those in a row count");
        assert!(e.note_bad(&ejection));
        assert_eq!(e.eject(&ejection, start), Duration::from_secs(10));
        assert!(!e.in_service(start + Duration::from_secs(9)));
        let back = start + Duration::from_secs(11);
        assert!(e.in_service(back));
        assert_eq!(e.eject(&ejection, back), Duration::from_secs(20));
        let later = back + Duration::from_secs(20 + 101);
        assert_eq!(e.eject(&ejection, later), Duration::from_secs(10));
        for n in 0..30 {
            assert!(e.eject(&ejection, later + Duration::from_secs(n)) <= Duration::from_secs(100));
        }
    }

    #[test]
    fn a_return_is_slow() {
        let (e, now, slow) = (endpoint(), Instant::now() + Duration::from_secs(1), Duration::from_secs(10));
        assert_eq!(e.share(now, slow), 1.0, "never out");
        e.note_check(false, &check(1), now);
        e.note_check(true, &check(1), now);
        e.note_check(true, &check(1), now);
        let share = |s| e.share(now + Duration::from_secs(s), slow);
        assert_eq!((share(0), share(5), share(20)), (0.1, 0.5, 1.0));
        assert_eq!(e.share(now, Duration::ZERO), 1.0);
    }
}
