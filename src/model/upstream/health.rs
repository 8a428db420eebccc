//! When a server is in service: active checks, ejection by what its answers are like, and a slow return.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Active checks: a request of Argus's own, once per process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The target asked for, with `/` in front.
    pub path: String,
    /// Time between two checks.
    pub every: Duration,
    /// Longest wait for the status.
    pub timeout: Duration,
    /// Good checks in a row until it is back in service.
    pub healthy_after: u16,
    /// Bad checks in a row until it is out of service.
    pub unhealthy_after: u16,
    /// What a good status is.
    pub expect: StatusRange,
}

/// Ejection of a server whose answers to ordinary requests are bad.
#[derive(Debug, Clone, PartialEq)]
pub struct Ejection {
    /// Failures in a row until it is ejected: no connection, no answer in time, no HTTP, 500 or more.
    pub after: u16,
    /// For how long; each time again as long, while it does not get better.
    pub duration: Duration,
    /// Largest share of the servers that are out at once, 0 to 1.
    pub share_max: f64,
}

/// When nothing is sent to an upstream for a while, as most of it would fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSettings {
    /// Share of the requests that have to fail, 0 to 1.
    pub failures: f64,
    /// Fewest requests of which that share is taken.
    pub requests_min: u32,
    /// How long requests are counted before counting begins anew.
    pub window: Duration,
    /// For how long nothing is sent.
    pub duration: Duration,
    /// Requests at once that are let through after that; as many that end well bring the others back.
    pub probes: u32,
}

/// Statuses from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// Whether `status` is one of them.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl Default for StatusRange {
    fn default() -> Self {
        StatusRange { first: 200, last: 299 }
    }
}

/// Not a range of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status or a range of them: expected for example `200` or `200-399`")]
pub struct StatusRangeError(String);

impl FromStr for StatusRange {
    type Err = StatusRangeError;

    fn from_str(s: &str) -> Result<Self, StatusRangeError> {
        let wrong = || StatusRangeError(s.chars().take(60).collect());
        let status = |s: &str| s.trim().parse::<u16>().ok().filter(|n| (100..=599).contains(n)).ok_or_else(wrong);
        let (first, last) = s.split_once('-').unwrap_or((s, s));
        let range = StatusRange { first: status(first)?, last: status(last)? };
        if range.first <= range.last { Ok(range) } else { Err(wrong()) }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range: StatusRange = "200-399".parse().unwrap();
        assert!(range.contains(200) && range.contains(399) && !range.contains(400) && !range.contains(199));
        assert!("204".parse::<StatusRange>().unwrap().contains(204));
        for bad in ["", "2xx", "300-200", "99", "200-600", "200-", "-1"] {
            assert!(bad.parse::<StatusRange>().is_err(), "{bad}");
        }
    }
}
