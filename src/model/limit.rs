//! Limits and quotas: how much, over which window, by which strategy, and whose counter it is.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::id::Name;

/// Most limits one request may meet.
pub const LIMITS_MAX: usize = 16;
/// Largest number of units a limit may grant per window: keeps the arithmetic of microsecond buckets inside `u64`.
pub const UNITS_MAX: u64 = 1_000_000_000_000;
/// Longest window, in seconds: ten years.
pub const WINDOW_SECONDS_MAX: u64 = 10 * 366 * 86_400;

/// What is wrong with a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Not a rate.
    #[error("`{0}` is not a rate: expected `COUNT/WINDOW`, for example `100/min`, `50/s` or `5000/day`")]
    Rate(String),
    /// Zero units, or more than can be counted.
    #[error("a limit grants between 1 and {UNITS_MAX} units, not {0}")]
    Units(u64),
    /// A burst on a strategy that has none.
    #[error("`burst` belongs to the strategy `token_bucket`")]
    Burst,
    /// Not a period.
    #[error("`{0}` is not a period: expected `hour`, `day`, `week`, `month` or a duration such as `12h`")]
    Period(String),
    /// A calendar word that is not known.
    #[error("`resets` is `calendar` or `rolling`, not `{0}`")]
    Resets(String),
    /// `calendar` with a period no calendar knows.
    #[error("`resets = \"calendar\"` goes with `day`, `week` or `month`")]
    CalendarPeriod,
    /// Not a time zone.
    #[error("`{0}` is not a time zone: expected an IANA name such as `Europe/Berlin` or `UTC`")]
    Zone(String),
    /// The limit names nothing to count by.
    #[error("`by` names whose counter it is: `key`, `owner`, `ip`, `route`, or a list of these")]
    By,
    /// More limits than one request may meet.
    #[error("more than {LIMITS_MAX} limits")]
    TooMany,
}

/// How a limit counts. `docs/limits.md` derives each error bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// One count per window, aligned to the Unix epoch or to the calendar.
    FixedWindow,
    /// The current count and the previous one weighted by what is left of it.
    SlidingWindow,
    /// GCRA: one timestamp per counter; a rate and a burst.
    TokenBucket,
}

impl Strategy {
    /// The word in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::FixedWindow => "fixed_window",
            Strategy::SlidingWindow => "sliding_window",
            Strategy::TokenBucket => "token_bucket",
        }
    }
}

/// Whose counter a limit is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LimitBy {
    /// One counter per key.
    Key,
    /// One counter for all keys of an owner.
    Owner,
    /// One counter per client address (IPv6 by network).
    Ip,
    /// One counter per route; alone it is shared by all callers of the route.
    Route,
}

impl LimitBy {
    /// The word in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            LimitBy::Key => "key",
            LimitBy::Owner => "owner",
            LimitBy::Ip => "ip",
            LimitBy::Route => "route",
        }
    }
}

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarPeriod {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
}

/// The stretch of time a limit counts over.
#[derive(Debug, Clone)]
pub enum Window {
    /// So many seconds, at least one.
    Seconds(u64),
    /// A period of the calendar in a time zone.
    Calendar(CalendarPeriod, TimeZone),
}

impl Window {
    /// Nominal length in seconds, as told in `RateLimit-Policy`: a calendar month counts 30 days.
    pub fn nominal_seconds(&self) -> u64 {
        match self {
            Window::Seconds(s) => *s,
            Window::Calendar(CalendarPeriod::Day, _) => 86_400,
            Window::Calendar(CalendarPeriod::Week, _) => 7 * 86_400,
            Window::Calendar(CalendarPeriod::Month, _) => 30 * 86_400,
        }
    }
}

/// `100/min`: so many units per window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    units: u64,
    seconds: u64,
}

impl Rate {
    /// Units per window; never zero.
    pub fn units(self) -> u64 {
        self.units
    }

    /// Length of the window in seconds; never zero.
    pub fn seconds(self) -> u64 {
        self.seconds
    }
}

impl FromStr for Rate {
    type Err = LimitError;

    fn from_str(s: &str) -> Result<Self, LimitError> {
        let wrong = || LimitError::Rate(s.chars().take(60).collect());
        let (count, window) = s.split_once('/').ok_or_else(wrong)?;
        let units: u64 = count.trim().replace('_', "").parse().map_err(|_| wrong())?;
        if !(1..=UNITS_MAX).contains(&units) {
            return Err(LimitError::Units(units));
        }
        let window = window.trim();
        let unit_at = window.bytes().position(|b| !b.is_ascii_digit()).ok_or_else(wrong)?;
        let (n, unit) = window.split_at(unit_at);
        let n: u64 = if n.is_empty() { 1 } else { n.parse().map_err(|_| wrong())? };
        let unit = match unit {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            "d" | "day" => 86_400,
            "w" | "week" => 7 * 86_400,
            "month" => 30 * 86_400,
            _ => return Err(wrong()),
        };
        let seconds = n.checked_mul(unit).filter(|s| (1..=WINDOW_SECONDS_MAX).contains(s)).ok_or_else(wrong)?;
        Ok(Rate { units, seconds })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.units, WindowText(self.seconds))
    }
}

/// A window's length in the words `s`, `min`, `h`, `d`.
struct WindowText(u64);

impl fmt::Display for WindowText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, unit) = match self.0 {
            s if s % 86_400 == 0 => (s / 86_400, "d"),
            s if s % 3_600 == 0 => (s / 3_600, "h"),
            s if s % 60 == 0 => (s / 60, "min"),
            s => (s, "s"),
        };
        if n == 1 { f.write_str(unit) } else { write!(f, "{n}{unit}") }
    }
}

/// Which refusal a full limit gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// A rate: `rate_limited`.
    Rate,
    /// A quota: `quota_exceeded`.
    Quota,
}

/// One limit, ready to be counted.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Its name in headers, bodies and metrics. Unique among the limits a request meets.
    pub name: Name,
    /// Rate or quota.
    pub kind: LimitKind,
    /// Units per window.
    pub units: u64,
    /// The window.
    pub window: Window,
    /// Units at once, for the token bucket; equal to `units` elsewhere.
    pub burst: u64,
    /// How it counts.
    pub strategy: Strategy,
    /// Whose counter it is; several words make one compound counter. Sorted, without repeats, never empty.
    pub by: Vec<LimitBy>,
}

impl fmt::Display for Limit {
    /// As people say it: `3000/min`, `2000000/month`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.window {
            Window::Seconds(s) => write!(f, "{}/{}", self.units, WindowText(*s)),
            Window::Calendar(CalendarPeriod::Day, _) => write!(f, "{}/day", self.units),
            Window::Calendar(CalendarPeriod::Week, _) => write!(f, "{}/week", self.units),
            Window::Calendar(CalendarPeriod::Month, _) => write!(f, "{}/month", self.units),
        }
    }
}

/// How a limit is written: `{ name = "steady", rate = "3000/min", strategy = "sliding_window", by = "key" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitText {
    /// Name in headers and refusals; made from the window if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Name>,
    /// `COUNT/WINDOW`, for example `100/min`.
    pub rate: String,
    /// Units that may be taken at once (token bucket only); the rate's count if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// How it counts; `token_bucket` if a burst is given, else `sliding_window`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Whose counter it is; `key` if absent.
    #[serde(default = "by_key", deserialize_with = "super::condition::one_or_many", skip_serializing_if = "is_by_key")]
    #[schemars(with = "crate::model::condition::OneOrManySchema<LimitBy>")]
    pub by: Vec<LimitBy>,
}

fn by_key() -> Vec<LimitBy> {
    vec![LimitBy::Key]
}

fn is_by_key(by: &[LimitBy]) -> bool {
    by == [LimitBy::Key]
}

impl TryFrom<&LimitText> for Limit {
    type Error = LimitError;

    fn try_from(t: &LimitText) -> Result<Self, LimitError> {
        let rate: Rate = t.rate.parse()?;
        let strategy =
            t.strategy.unwrap_or(if t.burst.is_some() { Strategy::TokenBucket } else { Strategy::SlidingWindow });
        let burst = match (t.burst, strategy) {
            (None, _) => rate.units,
            (Some(b @ 1..=UNITS_MAX), Strategy::TokenBucket) => b,
            (Some(b), Strategy::TokenBucket) => return Err(LimitError::Units(b)),
            (Some(_), _) => return Err(LimitError::Burst),
        };
        let mut by = t.by.clone();
        by.sort_unstable();
        by.dedup();
        if by.is_empty() {
            return Err(LimitError::By);
        }
        let name = match &t.name {
            Some(name) => name.clone(),
            None => default_name(rate.seconds),
        };
        Ok(Limit {
            name,
            kind: LimitKind::Rate,
            units: rate.units,
            window: Window::Seconds(rate.seconds),
            burst,
            strategy,
            by,
        })
    }
}

fn default_name(seconds: u64) -> Name {
    let text = match seconds {
        1 => "second".to_owned(),
        60 => "minute".to_owned(),
        3_600 => "hour".to_owned(),
        86_400 => "day".to_owned(),
        604_800 => "week".to_owned(),
        s => format!("{s}s"),
    };
    text.parse().expect("made of letters and digits")
}

/// How a quota is written: `{ units = 10_000, every = "month", resets = "calendar" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaText {
    /// Units per period.
    pub units: u64,
    /// `hour`, `day`, `week`, `month`, or a duration such as `12h`.
    pub every: String,
    /// `calendar` (midnight, Monday, the first) or `rolling` (windows counted from the Unix epoch); `calendar` if
    /// absent and the period is of the calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets: Option<String>,
    /// IANA time zone of the calendar; `UTC` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl TryFrom<&QuotaText> for Limit {
    type Error = LimitError;

    fn try_from(t: &QuotaText) -> Result<Self, LimitError> {
        if !(1..=UNITS_MAX).contains(&t.units) {
            return Err(LimitError::Units(t.units));
        }
        let calendar = match t.every.as_str() {
            "day" => Some(CalendarPeriod::Day),
            "week" => Some(CalendarPeriod::Week),
            "month" => Some(CalendarPeriod::Month),
            _ => None,
        };
        let window = match (t.resets.as_deref(), calendar) {
            (None | Some("calendar"), Some(period)) => {
                let zone = t.zone.as_deref().unwrap_or("UTC");
                let tz = TimeZone::get(zone).map_err(|_| LimitError::Zone(zone.chars().take(80).collect()))?;
                Window::Calendar(period, tz)
            }
            (Some("calendar"), None) => return Err(LimitError::CalendarPeriod),
            (None | Some("rolling"), _) => {
                let rate = format!("1/{}", t.every).parse::<Rate>();
                Window::Seconds(rate.map_err(|_| LimitError::Period(t.every.chars().take(40).collect()))?.seconds)
            }
            (Some(other), _) => return Err(LimitError::Resets(other.chars().take(40).collect())),
        };
        let name = match &window {
            Window::Calendar(CalendarPeriod::Day, _) => "day".parse().expect("a name"),
            Window::Calendar(CalendarPeriod::Week, _) => "week".parse().expect("a name"),
            Window::Calendar(CalendarPeriod::Month, _) => "month".parse().expect("a name"),
            Window::Seconds(s) => default_name(*s),
        };
        Ok(Limit {
            name,
            kind: LimitKind::Quota,
            units: t.units,
            window,
            burst: t.units,
            strategy: Strategy::FixedWindow,
            by: vec![LimitBy::Key],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_and_print() {
        for (text, units, seconds, shown) in [
            ("100/min", 100, 60, "100/min"),
            ("50/s", 50, 1, "50/s"),
            ("5000/day", 5000, 86_400, "5000/d"),
            ("10_000/h", 10_000, 3_600, "10000/h"),
            ("5/10s", 5, 10, "5/10s"),
            ("7/month", 7, 2_592_000, "7/30d"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.units(), rate.seconds(), rate.to_string().as_str()), (units, seconds, shown));
        }
        for bad in
            ["", "100", "0/min", "-1/s", "1/0s", "1/fortnight", "1/", "1/5", "99999999999999999999/s", "1/99999999999h"]
        {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_burst_makes_a_bucket() {
        let limit = |json: &str| Limit::try_from(&serde_json::from_str::<LimitText>(json).unwrap());
        let plain = limit(r#"{"rate":"60/min"}"#).unwrap();
        assert_eq!((plain.strategy, plain.burst, plain.name.as_str()), (Strategy::SlidingWindow, 60, "minute"));
        assert_eq!(limit(r#"{"rate":"60/min","burst":20}"#).unwrap().strategy, Strategy::TokenBucket);
        assert_eq!(limit(r#"{"rate":"60/min","burst":20,"strategy":"fixed_window"}"#).unwrap_err(), LimitError::Burst);
        assert_eq!(
            limit(r#"{"rate":"60/min","by":["route","key","key"]}"#).unwrap().by,
            [LimitBy::Key, LimitBy::Route]
        );
        assert_eq!(limit(r#"{"rate":"60/min","by":[]}"#).unwrap_err(), LimitError::By);
    }

    #[test]
    fn quotas() {
        let quota = |json: &str| Limit::try_from(&serde_json::from_str::<QuotaText>(json).unwrap());
        assert!(matches!(
            quota(r#"{"units":5,"every":"month"}"#).unwrap().window,
            Window::Calendar(CalendarPeriod::Month, _)
        ));
        assert!(matches!(
            quota(r#"{"units":5,"every":"month","resets":"rolling"}"#).unwrap().window,
            Window::Seconds(2_592_000)
        ));
        assert!(matches!(quota(r#"{"units":5,"every":"12h"}"#).unwrap().window, Window::Seconds(43_200)));
        assert_eq!(quota(r#"{"units":5,"every":"12h","resets":"calendar"}"#).unwrap_err(), LimitError::CalendarPeriod);
        assert!(quota(r#"{"units":5,"every":"moon"}"#).is_err() && quota(r#"{"units":0,"every":"day"}"#).is_err());
    }
}
