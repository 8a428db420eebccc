//! Times, numbers and shares as people say them, and the way back from what they write.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A length of time in its largest unit that fits, rounded: `4 s`, `3 min`, `22 h`, `82 d`.
pub fn span(length: SignedDuration) -> String {
    let milliseconds = length.as_millis().unsigned_abs();
    let rounded = |unit: u128| (milliseconds + unit / 2) / unit;
    // A span rounds up into the next unit together: 119.6 s are 2 min.
    match (rounded(1_000), rounded(60_000), rounded(3_600_000)) {
        (seconds @ 0..=119, ..) => format!("{seconds} s"),
        (_, minutes @ 0..=119, _) => format!("{minutes} min"),
        (_, _, hours @ 0..=47) => format!("{hours} h"),
        _ => format!("{} d", rounded(86_400_000)),
    }
}

/// How long ago: `4 s ago`, `just now`.
pub fn ago(now: Timestamp, at: Timestamp) -> String {
    let past = now.duration_since(at);
    if past.as_secs() < 1 { "just now".to_owned() } else { format!("{} ago", span(past)) }
}

/// How far ahead: `in 82 d`; or how long it has been over.
pub fn until(now: Timestamp, at: Timestamp) -> String {
    if at > now { format!("in {}", span(at.duration_since(now))) } else { ago(now, at) }
}

/// The moment `length` before `at`, or the first there is.
pub fn before(at: Timestamp, length: SignedDuration) -> Timestamp {
    at.checked_sub(length).unwrap_or(Timestamp::MIN)
}

/// The moment `length` after `at`, or the last there is.
pub fn after(at: Timestamp, length: SignedDuration) -> Timestamp {
    at.checked_add(length).unwrap_or(Timestamp::MAX)
}

/// `2026-09-22 15:33` in `zone`.
pub fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `14:02:11` in `zone`.
pub fn second(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// `2026-09-22` in `zone`.
pub fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
}

/// A number in groups of three: `2 000 000`. Below ten thousand it stays together.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A size in binary units: `812 B`, `1.5 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1_024 {
        return format!("{n} B");
    }
    let mut size = n as f64 / 1_024.0;
    let mut unit = 0;
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// Nine blocks and a percentage: `▓▓▓▓░░░░░ 42%`.
pub fn bar(used: u64, of: u64) -> String {
    let share = if of == 0 { 100 } else { (u128::from(used) * 100 / u128::from(of)).min(100) };
    let full = (share * 9).div_ceil(100) as usize;
    format!("{}{} {share}%", "▓".repeat(full), "░".repeat(9 - full))
}

/// `1 key`, `2 keys`.
pub fn plural(n: usize, thing: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {thing}{s}", count(n as u64))
}

/// The words of `known` nearest to `text`, by letters to change.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = (text.chars().count() / 3).max(1);
    known.into_iter().map(|k| (distance(text, k), k)).filter(|(d, _)| *d <= far).min().map(|(_, k)| k)
}

/// Letters to add, drop, change or swap with their neighbour to come from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    // Names have at most 100 letters: the square of that is nothing.
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(100).collect(), b.chars().take(100).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// A length of time as it is written: `90d`, `1h30m`, `45s`. At least one second, at most a hundred years.
pub fn parse_length(text: &str) -> Result<SignedDuration, String> {
    const LONGEST: i64 = 100 * 366 * 86_400;
    let wrong = || format!("`{text}` is not a length of time: write for example `90d`, `12h` or `1h30m`");
    let mut rest = text;
    let mut seconds = 0_i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(wrong()),
        };
        let part = number.parse::<i64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)?;
        seconds = seconds.checked_add(part).ok_or_else(wrong)?;
        rest = tail;
    }
    if (1..=LONGEST).contains(&seconds) { Ok(SignedDuration::from_secs(seconds)) } else { Err(wrong()) }
}

/// A moment as it is written: RFC 3339, or a date, which means its first moment in UTC.
pub fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is not a moment: write for example `2026-12-01` or `2026-12-01T08:00:00Z`");
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let date: Date = text.parse().map_err(|_| wrong())?;
    date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_told_as_people_say_them() {
        let now = at("2026-09-21T13:33:20Z");
        for (then, said) in [
            ("2026-09-21T13:33:16Z", "4 s ago"),
            ("2026-09-21T13:33:20Z", "just now"),
            ("2026-09-21T13:30:20Z", "3 min ago"),
            ("2026-08-11T13:33:20Z", "41 d ago"),
            ("2026-09-22T11:33:20Z", "in 22 h"),
            ("2026-12-12T14:00:00Z", "in 82 d"),
            ("2026-12-20T13:33:19.6Z", "in 90 d"),
            ("2026-09-22T13:33:19.6Z", "in 24 h"),
        ] {
            assert_eq!(until(now, at(then)), said);
        }
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(minute(now, &berlin), "2026-09-21 15:33");
        assert_eq!(second(now, &TimeZone::UTC), "13:33:20");
        assert_eq!(day(at("2026-09-21T23:00:00Z"), &berlin), "2026-09-22");
    }

    #[test]
    fn numbers_are_told_in_groups() {
        for (n, said) in [(0, "0"), (9_999, "9999"), (13_902, "13 902"), (2_000_000, "2 000 000")] {
            assert_eq!(count(n), said);
        }
        assert_eq!((bytes(812), bytes(1_572_864)), ("812 B".into(), "1.5 MiB".into()));
        assert_eq!((plural(1, "key"), plural(12_000, "key")), ("1 key".into(), "12 000 keys".into()));
        assert_eq!((bar(42, 100), bar(0, 100)), ("▓▓▓▓░░░░░ 42%".into(), "░░░░░░░░░ 0%".into()));
        assert_eq!((bar(7, 0), bar(u64::MAX, 1)), ("▓▓▓▓▓▓▓▓▓ 100%".into(), "▓▓▓▓▓▓▓▓▓ 100%".into()));
    }

    #[test]
    fn what_was_meant_is_found() {
        let names = ["billing-prod", "mobile-app", "partner-eu"];
        assert_eq!(nearest("biling-prod", names), Some("billing-prod"));
        assert_eq!(nearest("partner-ue", names), Some("partner-eu"));
        assert_eq!(nearest("something", names), None);
    }

    #[test]
    fn lengths_and_moments_read_back() {
        assert_eq!(parse_length("90d"), Ok(SignedDuration::from_hours(90 * 24)));
        assert_eq!(parse_length("1h30m"), Ok(SignedDuration::from_mins(90)));
        for bad in ["", "30", "d", "0s", "-1d", "1y", "99999999999999999999d", "9999999d", "1h 30m"] {
            assert!(parse_length(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (before(Timestamp::MIN, SignedDuration::MAX), after(Timestamp::MAX, SignedDuration::MAX)),
            (Timestamp::MIN, Timestamp::MAX)
        );
        assert_eq!(parse_moment("2026-12-01"), Ok(at("2026-12-01T00:00:00Z")));
        assert_eq!(parse_moment("2026-12-01T08:00:00+01:00"), Ok(at("2026-12-01T07:00:00Z")));
        for bad in ["", "tomorrow", "2026-13-01", "12"] {
            assert!(parse_moment(bad).is_err(), "{bad}");
        }
    }
}
