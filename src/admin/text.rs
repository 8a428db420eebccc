//! Times and durations as people write them.

use jiff::{SignedDuration, Timestamp};

use crate::config::{ValueError, parse_duration};

/// What is wrong with a time or a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeTextError {
    /// Not a duration.
    #[error(transparent)]
    Duration(#[from] ValueError),
    /// Not a moment.
    #[error("expected a moment such as `2026-12-01T00:00:00Z`")]
    Moment,
    /// Neither.
    #[error("expected a moment such as `2026-12-01T00:00:00Z`, or a duration such as `90d`")]
    Either,
    /// Beyond the calendar.
    #[error("the moment lies beyond the calendar")]
    Beyond,
}

/// Reads `90d`, `24h`, `1h30m`. `0` is no time at all.
pub fn duration(text: &str) -> Result<SignedDuration, TimeTextError> {
    if text.trim() == "0" {
        return Ok(SignedDuration::ZERO);
    }
    SignedDuration::try_from(parse_duration(text)?).map_err(|_| TimeTextError::Beyond)
}

/// Reads an RFC 3339 moment.
pub fn moment(text: &str) -> Result<Timestamp, TimeTextError> {
    text.trim().parse().map_err(|_| TimeTextError::Moment)
}

/// Reads a moment, or a duration counted back from `now`.
pub fn moment_or_ago(text: &str, now: Timestamp) -> Result<Timestamp, TimeTextError> {
    let ago =
        |_| now.checked_sub(duration(text).map_err(|_| TimeTextError::Either)?).map_err(|_| TimeTextError::Beyond);
    moment(text).or_else(ago)
}

/// Reads a moment, or a duration counted on from `now`.
pub fn moment_or_in(text: &str, now: Timestamp) -> Result<Timestamp, TimeTextError> {
    moment(text).or_else(|_| after(now, duration(text).map_err(|_| TimeTextError::Either)?))
}

/// `span` after `now`, to the whole second.
pub fn after(now: Timestamp, span: SignedDuration) -> Result<Timestamp, TimeTextError> {
    let end = now.checked_add(span).map_err(|_| TimeTextError::Beyond)?;
    Timestamp::from_second(end.as_second()).map_err(|_| TimeTextError::Beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [("90d", 90 * 86_400), ("24h", 86_400), ("1h30m", 5_400), ("0", 0)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for bad in ["", "d", "90", "-1d", "1x", "1.5h", "99999999999999999999d", "1 d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments() {
        let now: Timestamp = "2026-09-21T12:00:00Z".parse().unwrap();
        assert_eq!(moment_or_ago("1d", now).unwrap().to_string(), "2026-09-20T12:00:00Z");
        assert_eq!(moment_or_in("1d", now).unwrap().to_string(), "2026-09-22T12:00:00Z");
        assert_eq!(moment_or_in("2026-12-01T01:00:00+01:00", now).unwrap().to_string(), "2026-12-01T00:00:00Z");
        assert!(moment_or_in("soon", now).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,30}", seconds in proptest::prelude::any::<i64>()) {
            let now = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
            let _ = (moment_or_ago(&text, now), moment_or_in(&text, now), duration(&text));
        }
    }
}
