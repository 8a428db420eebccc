//! The settings of a key as options, and as the JSON of the admin API.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::words::{parse_length, parse_moment};
use crate::model::country::Country;
use crate::model::id::Name;
use crate::model::limit::Rate;
use crate::model::network::{Asn, Cidr};
use crate::model::schedule::{Schedule, ScheduleText};
use crate::model::scope::Scope;

/// The settings that `create` and `edit` share.
#[derive(Debug, Default, Args)]
pub struct Settings {
    /// Whose key it is: an owner's id, name or external id
    #[arg(long, value_name = "OWNER", help_heading = "Settings")]
    pub owner: Option<String>,
    /// What it may do, such as `orders:read` or `orders:*`
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', help_heading = "Settings")]
    pub scopes: Vec<Scope>,
    /// A named set of scopes
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',', help_heading = "Settings")]
    pub roles: Vec<Name>,
    /// How much it may use
    #[arg(long, value_name = "PLAN", help_heading = "Settings")]
    pub plan: Option<Name>,
    /// A limit of its own in place of the plan's, such as `100/min`
    #[arg(long = "limit", value_name = "RATE", value_delimiter = ',', help_heading = "Settings")]
    pub limits: Vec<Rate>,
    /// A quota of its own in place of the plan's, such as `10000/month`
    #[arg(long, value_name = "UNITS/PERIOD", value_parser = Quota::parse, help_heading = "Settings")]
    pub quota: Option<Quota>,
    /// When it ends: `90d`, `2026-12-01`, or `never`
    #[arg(long, value_name = "WHEN", value_parser = Expiry::parse, help_heading = "Settings")]
    pub expires: Option<Expiry>,
    /// When it begins, such as `2026-12-01T08:00:00Z`
    #[arg(long, value_name = "WHEN", value_parser = parse_moment, help_heading = "Settings")]
    pub not_before: Option<Timestamp>,
    /// For people
    #[arg(long, value_name = "TEXT", help_heading = "Settings")]
    pub description: Option<String>,
    /// A word to find it by
    #[arg(long = "tag", value_name = "WORD", value_delimiter = ',', help_heading = "Settings")]
    pub tags: Vec<String>,
    /// A fact to keep with it
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Settings")]
    pub meta: Vec<(String, String)>,
    /// Only from these addresses
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = "Conditions")]
    pub ip: Vec<Cidr>,
    /// Never from these addresses
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = "Conditions")]
    pub deny_ip: Vec<Cidr>,
    /// Only from these countries
    #[arg(long, value_name = "CODE", value_delimiter = ',', help_heading = "Conditions")]
    pub country: Vec<Country>,
    /// Never from these countries
    #[arg(long, value_name = "CODE", value_delimiter = ',', help_heading = "Conditions")]
    pub deny_country: Vec<Country>,
    /// Only from these networks, such as `AS64496`
    #[arg(long, value_name = "ASN", value_delimiter = ',', help_heading = "Conditions")]
    pub network: Vec<Asn>,
    /// Never from these networks
    #[arg(long, value_name = "ASN", value_delimiter = ',', help_heading = "Conditions")]
    pub deny_network: Vec<Asn>,
    /// Only then, such as `mon-fri 07:00-19:00 Europe/Berlin`
    #[arg(long, value_name = "WINDOW", value_parser = window, help_heading = "Conditions")]
    pub time: Vec<ScheduleText>,
    /// Only from pages of these origins, such as `https://*.example.com`
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', help_heading = "Conditions")]
    pub referrer: Vec<String>,
    /// A shared condition by name
    #[arg(long = "condition", value_name = "NAME", value_delimiter = ',', help_heading = "Conditions")]
    pub conditions: Vec<Name>,
}

/// A quota as it is written: `10000/month`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    units: u64,
    every: String,
}

impl Quota {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a quota: write for example `10000/month`");
        let (units, every) = text.split_once('/').ok_or_else(wrong)?;
        let units = units.replace('_', "").parse().map_err(|_| wrong())?;
        let calendar = matches!(every, "hour" | "day" | "week" | "month");
        if units == 0 || !(calendar || parse_length(every).is_ok()) {
            return Err(wrong());
        }
        Ok(Quota { units, every: every.to_owned() })
    }
}

/// When a key ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// After so long.
    In(String),
    /// At that moment.
    At(Timestamp),
    /// Not at all.
    Never,
}

impl Expiry {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Expiry::Never);
        }
        if parse_length(text).is_ok() {
            return Ok(Expiry::In(text.to_owned()));
        }
        parse_moment(text).map(Expiry::At).map_err(|_| {
            format!("`{text}` is not an end: write for example `90d`, `2026-12-01`, `2026-12-01T08:00:00Z` or `never`")
        })
    }
}

/// Reads `NAME=VALUE`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not a fact: write NAME=VALUE")),
    }
}

/// `[DAYS] FROM-TO [ZONE]`.
fn window(text: &str) -> Result<ScheduleText, String> {
    let wrong = || format!("`{text}` is not a weekly window: write for example `mon-fri 07:00-19:00 Europe/Berlin`");
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| word.contains(':')).ok_or_else(wrong)?;
    let (from, to) = words[at].split_once(['-', '–']).ok_or_else(wrong)?;
    let zone = match words.get(at + 1..) {
        Some([]) | None => "UTC",
        Some([zone]) => zone,
        Some(_) => return Err(wrong()),
    };
    let days = match &words[..at] {
        [] => "mon-sun".to_owned(),
        days => days.join(" "),
    };
    let text = ScheduleText { days, from: from.into(), to: to.into(), zone: zone.into() };
    Schedule::try_from(&text).map_err(|e| e.to_string())?;
    Ok(text)
}

impl Settings {
    /// The members of the JSON object, only those that were given.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(name.to_owned(), value);
            }
        };
        put("owner", self.owner.as_ref().map(|owner| json!(owner)));
        put("scopes", some(&self.scopes));
        put("roles", some(&self.roles));
        put("plan", self.plan.as_ref().map(|plan| json!(plan)));
        put("limits", limits(&self.limits));
        put("quota", self.quota.as_ref().map(|q| json!({"units": q.units, "every": q.every})));
        match &self.expires {
            None => {}
            Some(Expiry::In(length)) => put("expires_in", Some(json!(length))),
            Some(Expiry::At(at)) => put("expires_at", Some(json!(at))),
            Some(Expiry::Never) => put("expires_in", Some(json!("never"))),
        }
        put("not_before", self.not_before.map(|at| json!(at)));
        put("description", self.description.as_ref().map(|text| json!(text)));
        put("tags", some(&self.tags));
        let meta: Map<String, Value> = self.meta.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        put("meta", (!meta.is_empty()).then_some(Value::Object(meta)));
        put("conditions", self.conditions_json());
        put("condition_names", some(&self.conditions));
        map
    }

    fn conditions_json(&self) -> Option<Value> {
        let mut map = Map::new();
        let pairs = [
            ("ip", some(&self.ip), some(&self.deny_ip)),
            ("country", some(&self.country), some(&self.deny_country)),
            ("network", some(&self.network), some(&self.deny_network)),
            ("referrer", some(&self.referrer), None),
        ];
        for (name, allow, deny) in pairs {
            let mut rule = Map::new();
            rule.extend(allow.map(|list| ("allow".to_owned(), list)));
            rule.extend(deny.map(|list| ("deny".to_owned(), list)));
            if !rule.is_empty() {
                map.insert(name.to_owned(), Value::Object(rule));
            }
        }
        map.extend(some(&self.time).map(|list| ("time".to_owned(), list)));
        (!map.is_empty()).then_some(Value::Object(map))
    }
}

fn some<T: serde::Serialize>(list: &[T]) -> Option<Value> {
    (!list.is_empty()).then(|| json!(list))
}

fn limits(rates: &[Rate]) -> Option<Value> {
    (!rates.is_empty()).then(|| rates.iter().map(|rate| json!({"rate": rate.to_string()})).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    #[track_caller]
    fn check(line: &[&str], want: Value) {
        let line = Line::try_parse_from([&["x"], line].concat()).unwrap();
        assert_eq!(Value::Object(line.settings.to_json()), want);
    }

    #[test]
    fn options_become_the_object_of_the_api() {
        check(&[], json!({}));
        check(
            &["--owner", "acme", "--scope", "orders:read,orders:write", "--scope", "a:b", "--plan", "pro"],
            json!({"owner": "acme", "scopes": ["orders:read", "orders:write", "a:b"], "plan": "pro"}),
        );
        check(
            &["--limit", "100/min", "--quota", "10_000/month", "--expires", "90d"],
            json!({"limits": [{"rate": "100/min"}], "quota": {"units": 10000, "every": "month"}, "expires_in": "90d"}),
        );
        check(&["--expires", "2026-12-01"], json!({"expires_at": "2026-12-01T00:00:00Z"}));
        check(
            &["--expires", "never", "--meta", "tenant=a=b"],
            json!({"expires_in": "never", "meta": {"tenant": "a=b"}}),
        );
        check(
            &["--ip", "203.0.113.0/24", "--deny-ip", "203.0.113.7", "--country", "DE,FR", "--network", "AS64496"],
            json!({"conditions": {
                "ip": {"allow": ["203.0.113.0/24"], "deny": ["203.0.113.7/32"]},
                "country": {"allow": ["DE", "FR"]},
                "network": {"allow": ["AS64496"]},
            }}),
        );
        check(
            &["--time", "mon-fri 07:00-19:00 Europe/Berlin", "--condition", "office"],
            json!({
                "conditions": {"time": [{"days": "mon-fri", "from": "07:00", "to": "19:00", "zone": "Europe/Berlin"}]},
                "condition_names": ["office"],
            }),
        );
    }

    #[test]
    fn nonsense_is_refused_before_anybody_is_asked() {
        for bad in [
            ["--scope", "orders"],
            ["--limit", "100"],
            ["--limit", "0/min"],
            ["--quota", "0/month"],
            ["--quota", "5/year"],
            ["--expires", "soon"],
            ["--ip", "203.0.113.0/33"],
            ["--country", "Germany"],
            ["--network", "x"],
            ["--time", "always"],
            ["--time", "mon-fri 07:00-19:00 Mars/Base"],
            ["--meta", "x"],
            ["--plan", "a b"],
        ] {
            assert!(Line::try_parse_from(["x", bad[0], bad[1]]).is_err(), "{bad:?}");
        }
    }
}
