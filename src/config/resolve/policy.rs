//! Plans and conditions.

use std::collections::BTreeMap;

use super::Context;
use crate::config::problem::Code;
use crate::config::tree::path;
use crate::config::written::Written;
use crate::config::{FileCondition, FilePlan};
use crate::model::condition::{AllowDeny, Condition, ConditionText, OriginPattern};
use crate::model::id::Name;
use crate::model::limit::{Limit, LimitError, LimitText, QuotaText, Rate};
use crate::model::plan::{PlanText, compile_limits};
use crate::model::route::Origin;
use crate::model::schedule::{Schedule, ScheduleError};

/// Name of the plan that keys have if nothing else is said.
pub(super) const DEFAULT_PLAN: &str = "default";
/// What that plan allows unless the file defines it.
const DEFAULT_RATE: &str = "100/min";

impl Context<'_> {
    pub(super) fn plans(&mut self, written: &Written) -> BTreeMap<Name, FilePlan> {
        let mut out = BTreeMap::new();
        for (name, text) in written.plans.iter().flatten() {
            let field = ["plans", name.as_str()];
            let limits = self.limits(&field, &text.limits, text.quota.as_ref());
            if let Some(name) = self.name("plans", name) {
                out.insert(name, FilePlan { text: text.clone(), limits, origin: self.origin(&field) });
            }
        }
        if let Ok(name) = DEFAULT_PLAN.parse::<Name>() {
            out.entry(name).or_insert_with(default_plan);
        }
        out
    }

    /// The limits of the table at `field`: its `limits`, and its `quota` if it has one.
    pub(super) fn limits(&mut self, field: &[&str], limits: &[LimitText], quota: Option<&QuotaText>) -> Vec<Limit> {
        let mut good = true;
        for (n, text) in limits.iter().enumerate() {
            if let Err(error) = Limit::try_from(text) {
                good = false;
                let wrong = limit_field(text, &error);
                let mut at = self.item(&[field, &["limits"]].concat(), n);
                at.push(wrong.to_owned());
                self.error(Code::Value, &at, error.to_string());
            }
        }
        if let Some(Err(error)) = quota.map(Limit::try_from) {
            good = false;
            self.error(Code::Value, &[field, &["quota", quota_field(&error)]].concat(), error.to_string());
        }
        match compile_limits(limits, quota) {
            Ok(limits) => limits,
            Err(error) => {
                if good {
                    self.error(Code::Value, &[field, &["limits"]].concat(), error.to_string());
                }
                Vec::new()
            }
        }
    }

    pub(super) fn conditions(&mut self, written: &Written) -> BTreeMap<Name, FileCondition> {
        let mut out = BTreeMap::new();
        for (name, text) in written.conditions.iter().flatten() {
            let condition = self.condition(name, text);
            self.needs_geo(name, text, written);
            if let (Some(named), Some(condition)) = (self.name("conditions", name), condition) {
                let origin = self.origin(&["conditions", name]);
                out.insert(named, FileCondition { text: text.clone(), condition, origin });
            }
        }
        out
    }

    fn condition(&mut self, name: &str, text: &ConditionText) -> Option<Condition> {
        let field = ["conditions", name];
        for (n, window) in text.time.iter().enumerate() {
            if let Err(error) = Schedule::try_from(window) {
                let mut at = self.item(&["conditions", name, "time"], n);
                at.push(schedule_field(&error, &window.from).to_owned());
                self.error(Code::Value, &at, error.to_string());
            }
        }
        let lists = [
            ("ip", text.ip.as_ref().map(empty_allow)),
            ("country", text.country.as_ref().map(empty_allow)),
            ("network", text.network.as_ref().map(empty_allow)),
            ("referrer", text.referrer.as_ref().map(empty_allow)),
        ];
        if let Some(referrer) = &text.referrer {
            self.origins(name, "allow", referrer.allow.as_deref().unwrap_or_default());
            self.origins(name, "deny", &referrer.deny);
        }
        if self.problems.any_below(&path(&field)) {
            return None;
        }
        match Condition::try_from(text) {
            Ok(condition) => Some(condition),
            Err(error) => {
                let list = lists.iter().find(|(_, empty)| *empty == Some(true)).map(|(list, _)| *list);
                let at = list.map_or_else(|| path(&field), |list| path(&["conditions", name, list, "allow"]));
                self.error(Code::Value, &at, error.to_string());
                None
            }
        }
    }

    fn origins(&mut self, name: &str, list: &str, origins: &[String]) {
        for (n, origin) in origins.iter().enumerate() {
            let at = self.item(&["conditions", name, "referrer", list], n);
            self.parse::<OriginPattern>(&at, origin);
        }
    }

    fn needs_geo(&mut self, name: &str, text: &ConditionText, written: &Written) {
        let geo = written.geo.as_ref();
        let needs = [
            (text.needs_country(), "country", "country_db", geo.is_some_and(|g| g.country_db.is_some())),
            (text.needs_asn(), "network", "asn_db", geo.is_some_and(|g| g.asn_db.is_some())),
        ];
        for (needed, list, database, have) in needs {
            if !needed || have || self.problems.any_below(&path(&["conditions", name, list])) {
                continue;
            }
            let cause = self.problems.cause_of(&path(&["geo", database]));
            let message = format!("condition \"{name}\" asks for a `{list}`, but `[geo]` names no `{database}`");
            let problem = self.error(Code::NeedsGeo, &["conditions", name, list], message);
            match cause {
                Some(cause) => problem.follows(cause),
                None => problem.help(format!("[geo]\n{database} = \"/var/lib/argus/{list}.mmdb\"")),
            };
        }
    }
}

fn default_plan() -> FilePlan {
    let limit = LimitText {
        name: None,
        rate: DEFAULT_RATE.to_owned(),
        burst: None,
        strategy: None,
        by: vec![crate::model::limit::LimitBy::Key],
    };
    let text = PlanText { limits: vec![limit], quota: None };
    let limits = compile_limits(&text.limits, None).expect("the rate is one, as a test shows");
    FilePlan { text, limits, origin: Origin::none() }
}

fn empty_allow<T>(list: &AllowDeny<T>) -> bool {
    list.allow.as_ref().is_some_and(Vec::is_empty)
}

/// Which field of a limit an error is about.
fn limit_field(text: &LimitText, error: &LimitError) -> &'static str {
    match error {
        LimitError::Units(_) if text.rate.parse::<Rate>().is_ok() => "burst",
        LimitError::Burst => "burst",
        LimitError::By => "by",
        LimitError::Rate(_)
        | LimitError::Units(_)
        | LimitError::Period(_)
        | LimitError::Resets(_)
        | LimitError::CalendarPeriod
        | LimitError::Zone(_)
        | LimitError::TooMany => "rate",
    }
}

/// Which field of a quota an error is about.
fn quota_field(error: &LimitError) -> &'static str {
    match error {
        LimitError::Period(_) => "every",
        LimitError::Resets(_) | LimitError::CalendarPeriod => "resets",
        LimitError::Zone(_) => "zone",
        LimitError::Units(_) | LimitError::Rate(_) | LimitError::Burst | LimitError::By | LimitError::TooMany => {
            "units"
        }
    }
}

/// Which field of a window an error is about.
fn schedule_field(error: &ScheduleError, from: &str) -> &'static str {
    match error {
        ScheduleError::Days(_) => "days",
        ScheduleError::Zone(_) => "zone",
        ScheduleError::Time(text) if *text == from.chars().take(40).collect::<String>() => "from",
        ScheduleError::Time(_) => "to",
    }
}
