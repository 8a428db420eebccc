//! What texts, lists, limits and conditions must be, whoever sends them. Problems are gathered, not told one by one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::admin::input::pointer;
use crate::admin::problem::{FieldProblem, Problem, echo};
use crate::config::Geo;
use crate::model::condition::{AllowDeny, Condition, ConditionText, OriginPattern};
use crate::model::limit::{LIMITS_MAX, Limit, LimitError, LimitText, QuotaText};
use crate::model::schedule::{Schedule, ScheduleError};

/// Longest description, in characters.
pub const DESCRIPTION_LEN_MAX: usize = 1_000;
/// Most free facts.
pub const META_MAX: usize = 50;
/// Longest name of a free fact, in characters.
pub const META_NAME_LEN_MAX: usize = 64;
/// Longest free fact, in characters.
pub const META_VALUE_LEN_MAX: usize = 500;
/// Most limits of a key, plan or owner: two of them and a route's must fit into what one request may meet.
pub const OWN_LIMITS_MAX: usize = LIMITS_MAX / 2;
/// Most entries of one list of a condition.
pub const CONDITION_ENTRIES_MAX: usize = 1_000;
/// Most time windows of a condition.
pub const WINDOWS_MAX: usize = 20;
/// Most problems told at once.
pub const PROBLEMS_MAX: usize = 50;

/// What has been found wrong so far.
#[derive(Debug, Default)]
pub struct Check(Vec<FieldProblem>);

impl Check {
    /// Notes a problem.
    pub fn add(&mut self, problem: FieldProblem) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(problem);
        }
    }

    /// The value, or a note of what is wrong.
    pub fn keep<T, E: Display>(&mut self, at: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(FieldProblem::at(at, error.to_string()))).ok()
    }

    /// Text read into a type, or a note of what is wrong.
    pub fn parse<T>(&mut self, at: &str, text: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.keep(at, text.parse::<T>())
    }

    /// Texts read into a type, without repeats; at most `max`.
    pub fn list<T>(&mut self, at: &str, texts: &[String], max: usize) -> Vec<T>
    where
        T: FromStr + PartialEq,
        T::Err: Display,
    {
        let mut out = Vec::new();
        if self.count(at, texts.len(), max) {
            for (i, text) in texts.iter().enumerate() {
                if let Some(value) = self.parse::<T>(&format!("{at}/{i}"), text)
                    && !out.contains(&value)
                {
                    out.push(value);
                }
            }
        }
        out
    }

    /// Whether a list is short enough.
    pub fn count(&mut self, at: &str, len: usize, max: usize) -> bool {
        if len > max {
            self.add(FieldProblem::at(at, format!("at most {max} entries are taken, not {len}")));
        }
        len <= max
    }

    /// Text for people: bounded, without control characters other than line ends and tabs.
    pub fn text(&mut self, at: &str, text: &str, max: usize) {
        if text.chars().count() > max {
            self.add(FieldProblem::at(at, format!("at most {max} characters are taken")));
        } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            self.add(FieldProblem::at(at, "control characters are not taken"));
        }
    }

    /// 422 if anything was noted.
    pub fn done(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}

/// The environment of a new key: a configured word, or the first of them.
pub fn environment(check: &mut Check, given: Option<&str>, known: &[Box<str>]) -> String {
    let first = known.first().map_or("live", |word| &**word);
    match given {
        None => first.to_owned(),
        Some(word) if known.iter().any(|k| **k == *word) => word.to_owned(),
        Some(word) => {
            let words = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
            check.add(
                unknown("/environment", "environment", word, known.iter().map(|k| &**k))
                    .or_hint(&format!("one of {words}")),
            );
            first.to_owned()
        }
    }
}

/// Free facts.
pub fn meta(check: &mut Check, at: &str, meta: &BTreeMap<String, String>) {
    if !check.count(at, meta.len(), META_MAX) {
        return;
    }
    for (name, value) in meta {
        let place = format!("{at}{}", pointer(&[name]));
        if name.is_empty() || name.chars().count() > META_NAME_LEN_MAX || name.chars().any(char::is_control) {
            check.add(FieldProblem::at(
                place,
                format!("a name has between 1 and {META_NAME_LEN_MAX} characters, none of them control characters"),
            ));
        } else {
            check.text(&place, value, META_VALUE_LEN_MAX);
        }
    }
}

/// Free words.
pub fn words(check: &mut Check, at: &str, words: &[String], max: usize, len_max: usize) {
    if !check.count(at, words.len(), max) {
        return;
    }
    for (i, word) in words.iter().enumerate() {
        let good = (1..=len_max).contains(&word.chars().count()) && !word.chars().any(|c| c.is_control() || c == ',');
        if !good {
            let what = format!("expected between 1 and {len_max} characters, without commas and control characters");
            check.add(FieldProblem::at(format!("{at}/{i}"), what));
        }
    }
}

/// Limits and a quota, under `at`.
pub fn limits(check: &mut Check, at: &str, limits: &[LimitText], quota: Option<&QuotaText>) {
    if check.count(&format!("{at}/limits"), limits.len(), OWN_LIMITS_MAX) {
        for (i, limit) in limits.iter().enumerate() {
            if let Err(error) = Limit::try_from(limit) {
                let field = match error {
                    LimitError::Burst => "/burst",
                    LimitError::Units(_)
                        if limit.burst.is_some_and(|b| b == 0 || b > crate::model::limit::UNITS_MAX) =>
                    {
                        "/burst"
                    }
                    LimitError::By => "/by",
                    _ => "/rate",
                };
                check.add(FieldProblem::at(format!("{at}/limits/{i}{field}"), error.to_string()));
            }
        }
    }
    if let Some(Err(error)) = quota.map(Limit::try_from) {
        let field = match error {
            LimitError::Units(_) => "/units",
            LimitError::Resets(_) | LimitError::CalendarPeriod => "/resets",
            LimitError::Zone(_) => "/zone",
            _ => "/every",
        };
        check.add(FieldProblem::at(format!("{at}/quota{field}"), error.to_string()));
    }
}

/// A condition, under `at`.
pub fn condition(check: &mut Check, at: &str, text: &ConditionText, geo: &Geo) {
    let told = check.0.len();
    entries(check, &format!("{at}/ip"), text.ip.as_ref());
    entries(check, &format!("{at}/country"), text.country.as_ref());
    entries(check, &format!("{at}/network"), text.network.as_ref());
    if let Some(referrer) = &text.referrer {
        entries(check, &format!("{at}/referrer"), Some(referrer));
        let sides = [("allow", referrer.allow.as_deref().unwrap_or_default()), ("deny", &referrer.deny)];
        for (side, list) in sides {
            for (i, origin) in list.iter().enumerate().take(CONDITION_ENTRIES_MAX) {
                check.parse::<OriginPattern>(&format!("{at}/referrer/{side}/{i}"), origin);
            }
        }
    }
    if check.count(&format!("{at}/time"), text.time.len(), WINDOWS_MAX) {
        for (i, window) in text.time.iter().enumerate() {
            if let Err(error) = Schedule::try_from(window) {
                let field = match error {
                    ScheduleError::Days(_) => "/days",
                    ScheduleError::Time(_) => "",
                    ScheduleError::Zone(_) => "/zone",
                };
                check.add(FieldProblem::at(format!("{at}/time/{i}{field}"), error.to_string()));
            }
        }
    }
    for (field, needed, file, option) in [
        ("country", text.needs_country(), &geo.country_db, "country_db"),
        ("network", text.needs_asn(), &geo.asn_db, "asn_db"),
    ] {
        if needed && file.is_none() && !geo.allow_unknown {
            check.add(
                FieldProblem::at(format!("{at}/{field}"), "no database is configured that could tell it of an address")
                    .hint(format!("name one as `{option}` in `[geo]`")),
            );
        }
    }
    if check.0.len() == told {
        check.keep(at, Condition::try_from(text).map(|_| ()));
    }
}

fn entries<T>(check: &mut Check, at: &str, rule: Option<&AllowDeny<T>>) {
    let Some(rule) = rule else { return };
    if let Some(allow) = &rule.allow {
        check.count(&format!("{at}/allow"), allow.len(), CONDITION_ENTRIES_MAX);
        if allow.is_empty() {
            let what = "an empty `allow` list lets nobody in: name what is allowed, or leave `allow` out";
            check.add(FieldProblem::at(format!("{at}/allow"), what));
        }
    }
    check.count(&format!("{at}/deny"), rule.deny.len(), CONDITION_ENTRIES_MAX);
}

/// A note that something named does not exist, with the nearest that does.
pub fn unknown<'a>(at: &str, kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> FieldProblem {
    let problem = FieldProblem::at(at, format!("there is no {kind} `{}`", echo(name)));
    match crate::admin::suggest::closest(name, known) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}
