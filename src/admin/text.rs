//! Times and durations as people write them.

use jiff::{SignedDuration, Timestamp};

/// Longest duration taken: a hundred years.
pub const DURATION_SECONDS_MAX: i64 = 100 * 366 * 86_400;

/// What is wrong with a time or a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeTextError {
    /// Not a duration.
    #[error("expected a duration such as `90d`, `24h` or `30m`")]
    Duration,
    /// Not a moment.
    #[error("expected a moment such as `2026-12-01T00:00:00Z`")]
    Moment,
}

/// Reads `90d`, `24h`, `30m`, `45s`, `2w` or several in a row such as `1h30m`. `0` is no time at all.
pub fn duration(text: &str) -> Result<SignedDuration, TimeTextError> {
    let text = text.trim();
    if text == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let mut seconds = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            "y" => 365 * 86_400,
            _ => return Err(TimeTextError::Duration),
        };
        let part = number.parse::<i64>().ok().and_then(|n| n.checked_mul(unit)).ok_or(TimeTextError::Duration)?;
        seconds = seconds.checked_add(part).ok_or(TimeTextError::Duration)?;
        rest = tail;
    }
    if text.is_empty() || seconds > DURATION_SECONDS_MAX {
        return Err(TimeTextError::Duration);
    }
    Ok(SignedDuration::from_secs(seconds))
}

/// Reads an RFC 3339 moment.
pub fn moment(text: &str) -> Result<Timestamp, TimeTextError> {
    text.trim().parse().map_err(|_| TimeTextError::Moment)
}

/// Reads a moment, or a duration counted back from `now`.
pub fn moment_or_ago(text: &str, now: Timestamp) -> Result<Timestamp, TimeTextError> {
    moment(text).or_else(|_| now.checked_sub(duration(text)?).map_err(|_| TimeTextError::Moment))
}

/// Reads a moment, or a duration counted on from `now`.
pub fn moment_or_in(text: &str, now: Timestamp) -> Result<Timestamp, TimeTextError> {
    moment(text).or_else(|_| after(now, duration(text)?))
}

/// `span` after `now`, to the whole second.
pub fn after(now: Timestamp, span: SignedDuration) -> Result<Timestamp, TimeTextError> {
    let end = now.checked_add(span).map_err(|_| TimeTextError::Duration)?;
    Timestamp::from_second(end.as_second()).map_err(|_| TimeTextError::Duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [("90d", 90 * 86_400), ("24h", 86_400), ("1h30m", 5_400), ("0", 0), ("2w", 1_209_600)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for bad in ["", "d", "90", "-1d", "1x", "1.5h", "99999999999999999999d", "9999999y", "1 d"] {
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
}
