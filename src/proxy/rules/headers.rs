//! Header fields that a route sets, adds and removes.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::headers::keep_trailers;
use super::super::request::Arrival;
use super::super::response::Told;
use crate::admission::Admitted;
use crate::model::header_rules::{Facts, HeaderRules, Template};
use crate::record::Ticket;

/// Does to a request's fields what its route says.
pub fn of_request(headers: &mut HeaderMap, arrival: &Arrival, admitted: &Admitted, request_id: &HeaderValue) {
    let Some(rules) = &admitted.route().route.rules.request_headers else { return };
    let caller = admitted.access().map(|access| (&*access.key, &access.grant.plan.name));
    apply(rules, headers, &Facts { caller, client_ip: arrival.client.ip(), request_id });
    // A trailer might be taken for the field.
    if headers.contains_key(http::header::TRAILER) {
        keep_trailers(headers, |name| !rules.cleared().any(|cleared| cleared == name));
    }
}

/// Does to the fields of the upstream's answer what the route says.
pub fn of_response(headers: &mut HeaderMap, arrival: &Arrival, told: &Told, ticket: &Ticket) {
    let Some(rules) = told.route.as_ref().and_then(|r| r.route.rules.response_headers.as_ref()) else { return };
    let caller = ticket.caller.as_ref().map(|caller| (&*caller.key, &caller.plan));
    apply(rules, headers, &Facts { caller, client_ip: arrival.client.ip(), request_id: &arrival.id.header() });
}

fn apply(rules: &HeaderRules, headers: &mut HeaderMap, facts: &Facts<'_>) {
    for name in rules.cleared() {
        remove(headers, name);
    }
    let value = |(name, template): &(HeaderName, Template)| Some((name.clone(), template.value(facts)?));
    for (name, value) in rules.set.iter().chain(&rules.add).filter_map(value) {
        headers.append(name, value);
    }
}

/// Removes `name`, and what some servers take for it: the same with `_` for `-`.
fn remove(headers: &mut HeaderMap, name: &HeaderName) {
    headers.remove(name);
    let is_same = |other: &&HeaderName| {
        let (other, name) = (other.as_str(), name.as_str());
        other.len() == name.len() && other.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b'-'))
    };
    while let Some(folded) = headers.keys().find(is_same).cloned() {
        headers.remove(folded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: HeaderRules, sent: &[(&'static str, &'static str)], becomes: &[(&str, &str)]) {
        let mut headers: HeaderMap =
            sent.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let id = HeaderValue::from_static("r-1");
        apply(&rules, &mut headers, &Facts { caller: None, client_ip: [192, 0, 2, 1].into(), request_id: &id });
        let mut have: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        have.sort_unstable();
        assert_eq!(have, becomes);
    }

    fn fields(list: &[(&'static str, &str)]) -> Vec<(HeaderName, Template)> {
        list.iter().map(|(n, t)| (HeaderName::from_static(n), t.parse().unwrap())).collect()
    }

    #[test]
    fn nothing_that_was_sent_is_left_of_what_is_set() {
        let sent = [("x-tenant", "evil"), ("x_tenant", "evil"), ("x-other", "1")];
        let set = fields(&[("x-tenant", "acme")]);
        check(HeaderRules { set, ..HeaderRules::default() }, &sent, &[("x-other", "1"), ("x-tenant", "acme")]);
        let set = fields(&[("x-tenant", "{key.meta.tenant}")]);
        check(HeaderRules { set, ..HeaderRules::default() }, &sent, &[("x-other", "1")]);
    }

    #[test]
    fn adding_leaves_and_removing_takes() {
        let sent = [("x-a", "1"), ("x-b", "2"), ("x-b", "3")];
        let rules = HeaderRules {
            add: fields(&[("x-a", "{client_ip}"), ("x-a", "{owner}")]),
            remove: vec![HeaderName::from_static("x-b")],
            set: Vec::new(),
        };
        check(rules, &sent, &[("x-a", "1"), ("x-a", "192.0.2.1")]);
    }
}
