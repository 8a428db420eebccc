//! Guesses of the admin key, limited per address.

use std::collections::HashMap;
use std::net::IpAddr;

use http::{HeaderValue, StatusCode, header};
use parking_lot::Mutex;

use crate::admin::problem::Problem;
use crate::model::network::counted_as;

/// Wrong keys taken from one address per window; after that it is refused unheard until the window ends.
pub const FAILURES_MAX: u32 = 10;
/// The window, in seconds.
pub const WINDOW_SECONDS: u64 = 60;
/// Addresses remembered at once. When more fail, the one whose window ends first is forgotten.
pub const ADDRESSES_MAX: usize = 1_024;
/// Bits of an IPv6 address that are counted as one.
const IPV6_PREFIX: u8 = 64;

#[derive(Debug, Clone, Copy)]
struct Failed {
    count: u32,
    until_us: u64,
}

/// Who has shown wrong keys lately.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<IpAddr, Failed>>);

impl Failures {
    /// 429 for an address that has guessed too often.
    pub fn demand(&self, ip: IpAddr, now_us: u64) -> Result<(), Problem> {
        let failed = self.0.lock().get(&counted_as(ip, IPV6_PREFIX)).copied();
        let Some(failed) = failed.filter(|f| f.until_us > now_us && f.count >= FAILURES_MAX) else {
            return Ok(());
        };
        let wait = (failed.until_us - now_us).div_ceil(1_000_000);
        Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_failures",
            format!("Too many wrong admin keys came from this address. Wait {wait} seconds, or use the unix socket."),
        )
        .header(header::RETRY_AFTER, HeaderValue::from(wait)))
    }

    /// Counts a wrong key.
    pub fn count(&self, ip: IpAddr, now_us: u64) {
        let mut map = self.0.lock();
        let ip = counted_as(ip, IPV6_PREFIX);
        if !map.contains_key(&ip) && map.len() >= ADDRESSES_MAX {
            map.retain(|_, f| f.until_us > now_us);
            let first = map.iter().min_by_key(|(_, f)| f.until_us).map(|(ip, _)| *ip);
            if let Some(first) = first.filter(|_| map.len() >= ADDRESSES_MAX) {
                map.remove(&first);
            }
        }
        let fresh = Failed { count: 0, until_us: now_us + WINDOW_SECONDS * 1_000_000 };
        let entry = map.entry(ip).or_insert(fresh);
        if entry.until_us <= now_us {
            *entry = fresh;
        }
        entry.count = entry.count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn refused_after_so_many_until_the_window_ends() {
        let failures = Failures::default();
        for _ in 0..FAILURES_MAX {
            assert!(failures.demand(ip(1), 0).is_ok());
            failures.count(ip(1), 0);
        }
        assert_eq!(failures.demand(ip(1), 0).unwrap_err().code(), "too_many_failures");
        assert!(failures.demand(ip(2), 0).is_ok());
        assert!(failures.demand(ip(1), WINDOW_SECONDS * 1_000_000).is_ok());
    }

    #[test]
    fn bounded() {
        let failures = Failures::default();
        for n in 0..(ADDRESSES_MAX as u32 + 50) {
            failures.count(ip(n), u64::from(n));
        }
        assert_eq!(failures.0.lock().len(), ADDRESSES_MAX);
        assert!(!failures.0.lock().contains_key(&ip(0)));
    }
}
