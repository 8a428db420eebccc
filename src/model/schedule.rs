//! Weekly time windows in a named time zone: `mon-fri` from `07:00` to `19:00`, `Europe/Berlin`.
//!
//! A window is half-open: at `from` it is open, at `to` it is closed. `to` at or before `from` runs over midnight and
//! belongs to the day it began on. `24:00` is the end of the day.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// What is wrong with a time window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a set of days.
    #[error("`{0}` is not a set of days: expected for example `mon-fri`, `sat,sun` or `mon-wed,fri`")]
    Days(String),
    /// Not a time of day.
    #[error("`{0}` is not a time of day: expected `HH:MM` between `00:00` and `24:00`")]
    Time(String),
    /// Not a time zone.
    #[error("`{0}` is not a time zone: expected an IANA name such as `Europe/Berlin` or `UTC`")]
    Zone(String),
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A set of days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Days = Days(0x7f);

    /// Whether the day, counted from Monday as 0, is in the set.
    pub fn contains(&self, from_monday: u8) -> bool {
        from_monday < 7 && self.0 & (1 << from_monday) != 0
    }
}

impl FromStr for Days {
    type Err = ScheduleError;

    fn from_str(s: &str) -> Result<Self, ScheduleError> {
        let wrong = || ScheduleError::Days(s.chars().take(80).collect());
        let day = |w: &str| DAYS.iter().position(|d| w.trim().eq_ignore_ascii_case(d)).ok_or_else(wrong);
        let mut set = 0_u8;
        for part in s.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((a, b)) => (day(a)?, day(b)?),
                None => (day(part)?, day(part)?),
            };
            let mut at = first;
            loop {
                set |= 1 << at;
                if at == last {
                    break;
                }
                at = (at + 1) % 7;
            }
        }
        Ok(Days(set))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut at = 0;
        while at < 7 {
            if !self.contains(at) {
                at += 1;
                continue;
            }
            let start = at;
            while at < 7 && self.contains(at) {
                at += 1;
            }
            if !first {
                f.write_str(",")?;
            }
            first = false;
            match at - start {
                1 => f.write_str(DAYS[start as usize])?,
                2 => write!(f, "{},{}", DAYS[start as usize], DAYS[at as usize - 1])?,
                _ => write!(f, "{}-{}", DAYS[start as usize], DAYS[at as usize - 1])?,
            }
        }
        Ok(())
    }
}

/// Minutes since midnight, 0 to 1,440.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl FromStr for TimeOfDay {
    type Err = ScheduleError;

    fn from_str(s: &str) -> Result<Self, ScheduleError> {
        let wrong = || ScheduleError::Time(s.chars().take(40).collect());
        let (h, m) = s.split_once(':').ok_or_else(wrong)?;
        let two =
            |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok()).flatten();
        match (two(h), two(m)) {
            (Some(24), Some(0)) => Ok(TimeOfDay(1_440)),
            (Some(h @ 0..=23), Some(m @ 0..=59)) => Ok(TimeOfDay(h * 60 + m)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// One weekly window.
#[derive(Debug, Clone)]
pub struct Schedule {
    days: Days,
    from: TimeOfDay,
    to: TimeOfDay,
    zone: TimeZone,
    zone_name: Box<str>,
}

impl Schedule {
    /// Reads the four texts as they stand in the configuration. `zone` must be an IANA name.
    pub fn new(days: &str, from: &str, to: &str, zone: &str) -> Result<Self, ScheduleError> {
        let tz = TimeZone::get(zone).map_err(|_| ScheduleError::Zone(zone.chars().take(80).collect()))?;
        Ok(Schedule { days: days.parse()?, from: from.parse()?, to: to.parse()?, zone: tz, zone_name: zone.into() })
    }

    /// Whether the window is open at `at`.
    pub fn contains(&self, at: Timestamp) -> bool {
        let local = self.zone.to_datetime(at);
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        let today = u8::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
        let yesterday = (today + 6) % 7;
        if self.from < self.to {
            self.days.contains(today) && (self.from.0..self.to.0).contains(&minute)
        } else {
            (self.days.contains(today) && minute >= self.from.0)
                || (self.days.contains(yesterday) && minute < self.to.0)
        }
    }

    /// `at` as it is told in the window's zone, for example `Tue 14:02`.
    pub fn local(&self, at: Timestamp) -> String {
        self.zone.to_datetime(at).strftime("%a %H:%M").to_string()
    }

    /// The zone's IANA name.
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (self.days, self.from, self.to, &self.zone_name) == (other.days, other.from, other.to, &other.zone_name)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}–{} {}", self.days, self.from, self.to, self.zone_name)
    }
}

/// How a window is written: `{ days = "mon-fri", from = "07:00", to = "19:00", zone = "Europe/Berlin" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleText {
    /// Days of the week; every day if absent.
    #[serde(default = "every_day")]
    pub days: String,
    /// When it opens, `HH:MM`; `00:00` if absent.
    #[serde(default = "midnight")]
    pub from: String,
    /// When it closes, `HH:MM`; `24:00` if absent.
    #[serde(default = "end_of_day")]
    pub to: String,
    /// IANA time zone; `UTC` if absent.
    #[serde(default = "utc")]
    pub zone: String,
}

fn every_day() -> String {
    "mon-sun".into()
}
fn midnight() -> String {
    "00:00".into()
}
fn end_of_day() -> String {
    "24:00".into()
}
fn utc() -> String {
    "UTC".into()
}

impl TryFrom<&ScheduleText> for Schedule {
    type Error = ScheduleError;

    fn try_from(t: &ScheduleText) -> Result<Self, ScheduleError> {
        Schedule::new(&t.days, &t.from, &t.to, &t.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(days: &str, from: &str, to: &str, zone: &str, at: &str, open: bool) {
        let window = Schedule::new(days, from, to, zone).unwrap();
        assert_eq!(window.contains(at.parse().unwrap()), open, "{window} at {at}");
    }

    #[test]
    fn window_is_half_open() {
        check("mon-fri", "09:00", "17:00", "Europe/Berlin", "2026-03-06T16:59:59+01:00", true);
        check("mon-fri", "09:00", "17:00", "Europe/Berlin", "2026-03-06T17:00:00+01:00", false);
        check("mon-fri", "09:00", "17:00", "Europe/Berlin", "2026-03-07T12:00:00+01:00", false);
    }

    #[test]
    fn over_midnight_belongs_to_the_day_it_began() {
        check("fri", "22:00", "06:00", "UTC", "2026-03-07T05:59:00Z", true);
        check("fri", "22:00", "06:00", "UTC", "2026-03-06T05:59:00Z", false);
        check("fri", "22:00", "06:00", "UTC", "2026-03-07T22:00:00Z", false);
    }

    #[test]
    fn daylight_saving_follows_the_zone() {
        check("mon-sun", "09:00", "10:00", "Europe/Berlin", "2026-03-28T08:30:00Z", true);
        check("mon-sun", "09:00", "10:00", "Europe/Berlin", "2026-03-29T08:30:00Z", false);
        check("mon-sun", "09:00", "10:00", "Europe/Berlin", "2026-03-29T07:30:00Z", true);
    }

    #[test]
    fn texts() {
        assert_eq!("fri-mon".parse::<Days>().unwrap().to_string(), "mon,fri-sun");
        assert_eq!("mon-fri".parse::<Days>().unwrap().to_string(), "mon-fri");
        assert!("mon-".parse::<Days>().is_err() && "".parse::<Days>().is_err());
        assert!("24:01".parse::<TimeOfDay>().is_err() && "7:00".parse::<TimeOfDay>().is_err());
        assert!(Schedule::new("mon", "00:00", "24:00", "Mars/Olympus").is_err());
        check("mon-sun", "00:00", "24:00", "UTC", "2026-03-07T23:59:59Z", true);
    }
}
