//! Moments as numbers.

use jiff::Timestamp;

/// Nanoseconds since 1970. What lies beyond the years 1677 to 2262 is moved to the nearest of these ends, so that
/// order is kept; the exact moment stands in the document.
pub(super) fn ns(at: Timestamp) -> i64 {
    let ns = at.as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

/// The moment `ns` nanoseconds after 1970.
pub(super) fn at(ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}
