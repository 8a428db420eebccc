//! One condition, rule by rule.

use http::HeaderMap;
use http::header::{ORIGIN, REFERER};

use super::super::head::Head;
use super::super::verdict::{Observed, echo};
use crate::geo::{GeoDbs, Place};
use crate::model::condition::{Condition, ListRule, OriginRule};
use crate::model::reason::Reason;
use crate::model::schedule::Schedule;

/// What conditions go by.
pub(super) struct Facts<'a> {
    pub(super) head: &'a Head<'a>,
    pub(super) geo: &'a GeoDbs,
    /// Whether a client that cannot be placed passes.
    pub(super) allow_unknown: bool,
}

/// A rule that does not hold.
pub(super) struct Broken {
    pub(super) rule: &'static str,
    pub(super) reason: Reason,
    /// For the caller.
    pub(super) detail: String,
    /// For operators.
    pub(super) told: String,
    pub(super) observed: Observed,
    /// The option of `argus key edit` that would let it pass.
    pub(super) option: Option<String>,
}

/// What a rule that holds tells of itself.
type Told<'a> = &'a dyn Fn() -> String;

impl Facts<'_> {
    /// Asks every rule of `condition`; tells `held` of each that holds.
    pub(super) fn check(
        &self,
        condition: &Condition,
        mut held: impl FnMut(&'static str, Told<'_>),
    ) -> Result<(), Box<Broken>> {
        let ip = self.head.client.ip();
        if let Some(rule) = &condition.ip {
            if !rule.allows(ip) {
                return Err(self.broken_ip());
            }
            held("ip", &|| format!("{ip} is allowed"));
        }
        if let Some(rule) = &condition.country {
            let place = self.place();
            if !self.placed(rule, place.country.as_ref()) {
                return Err(self.broken_country(place));
            }
            held("country", &|| shown(place.country.as_ref()));
        }
        if let Some(rule) = &condition.network {
            let place = self.place();
            if !self.placed(rule, place.asn.as_ref()) {
                return Err(self.broken_network(place));
            }
            held("network", &|| shown(place.asn.as_ref()));
        }
        if !condition.time.is_empty() {
            let now = self.head.now.wall;
            match condition.time.iter().find(|window| window.contains(now)) {
                Some(window) => {
                    held("time", &|| format!("{} {}, inside {window}", window.local(now), window.zone_name()));
                }
                None => return Err(self.broken_time(&condition.time)),
            }
        }
        if let Some(rule) = &condition.referrer {
            if !origins_allowed(rule, self.head.headers) {
                return Err(self.broken_referrer());
            }
            held("referrer", &|| origin_shown(self.head.headers).unwrap_or_else(|| "none named".to_owned()));
        }
        Ok(())
    }

    fn place(&self) -> Place {
        self.head.client.place(self.geo)
    }

    /// A client that cannot be placed passes by `geo.unknown`.
    fn placed<T: Ord>(&self, rule: &ListRule<T>, value: Option<&T>) -> bool {
        value.map_or(self.allow_unknown, |value| rule.allows(value))
    }

    fn broken_ip(&self) -> Box<Broken> {
        let ip = self.head.client.ip();
        Box::new(Broken {
            rule: "ip",
            reason: Reason::IpNotAllowed,
            detail: format!("The address {ip} is not allowed. Call from an allowed network, or have yours added."),
            told: format!("{ip} is not in an allowed network, or in a denied one"),
            observed: Observed { ip: Some(ip), ..Observed::default() },
            option: Some(format!("--ip {ip}")),
        })
    }

    fn broken_country(&self, place: Place) -> Box<Broken> {
        let ip = self.head.client.ip();
        let shown = shown(place.country.as_ref());
        Box::new(Broken {
            rule: "country",
            reason: Reason::CountryNotAllowed,
            detail: format!(
                "Calls from {ip} ({shown}) are not allowed. Call from an allowed country, or have yours added."
            ),
            told: match place.country {
                Some(country) => format!("{country} is not allowed"),
                None => format!("the country of {ip} is unknown, and `geo.unknown` denies"),
            },
            observed: Observed { ip: Some(ip), country: place.country, ..Observed::default() },
            option: place.country.map(|country| format!("--country {country}")),
        })
    }

    fn broken_network(&self, place: Place) -> Box<Broken> {
        let ip = self.head.client.ip();
        let shown = shown(place.asn.as_ref());
        Box::new(Broken {
            rule: "network",
            reason: Reason::NetworkNotAllowed,
            detail: format!(
                "Calls from {ip} ({shown}) are not allowed. Call from an allowed network, or have yours added."
            ),
            told: match place.asn {
                Some(asn) => format!("{asn} is not allowed"),
                None => format!("the network of {ip} is unknown, and `geo.unknown` denies"),
            },
            observed: Observed { ip: Some(ip), network: place.asn, ..Observed::default() },
            option: None,
        })
    }

    fn broken_time(&self, windows: &[Schedule]) -> Box<Broken> {
        let now = self.head.now.wall;
        let local = windows.first().map(|w| format!("{} {}", w.local(now), w.zone_name()));
        let open = windows.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let local = local.unwrap_or_default();
        Box::new(Broken {
            rule: "time",
            reason: Reason::OutsideTimeWindow,
            detail: format!("It is {local}, outside the time this is open. Call within {open}."),
            told: format!("{local}, outside {open}"),
            observed: Observed { time: Some(local), ..Observed::default() },
            option: None,
        })
    }

    fn broken_referrer(&self) -> Box<Broken> {
        let origin = origin_shown(self.head.headers);
        Box::new(Broken {
            rule: "referrer",
            reason: Reason::ReferrerNotAllowed,
            detail: "The page that calls is not allowed. Call from an allowed page, or have its origin added."
                .to_owned(),
            told: match &origin {
                Some(origin) => format!("{origin} is not allowed"),
                None => "neither Origin nor Referer was sent".to_owned(),
            },
            observed: Observed { origin, ..Observed::default() },
            option: None,
        })
    }
}

fn shown<T: std::fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

/// `Origin`, or else `Referer`. Where a field stands several times, every value must be allowed: one that is hidden
/// behind another must not slip through.
fn origins_allowed(rule: &OriginRule, headers: &HeaderMap) -> bool {
    let name = if headers.contains_key(ORIGIN) { ORIGIN } else { REFERER };
    let mut values = headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        return rule.allows(None);
    }
    values.all(|value| rule.allows(value.to_str().ok()))
}

fn origin_shown(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(ORIGIN).or_else(|| headers.get(REFERER))?;
    Some(echo(&String::from_utf8_lossy(value.as_bytes())))
}
