//! The head of a request as its upstream gets it: without what stays on this hop, what nobody but Argus may say and the
//! credential; with who calls, and the way the request came.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, HOST, VIA};
use http::{HeaderMap, HeaderName, Uri};

use crate::admission::Admitted;
use crate::config::{AddressFrom, ApiKeyAuth, CredentialPlace};
use crate::model::fields::Fields;
use crate::model::key_format;
use crate::model::route::{ByMethod, Route, RouteAuth};
use crate::model::route_rules::UpstreamHost;
use crate::proxy::client_addr::is_forwarded_over_tls;
use crate::proxy::client_cert;
use crate::proxy::forwarded::Forwarding;
use crate::proxy::headers::{self, Concerns, Origin, X_FORWARDED_HOST, X_REQUEST_ID};
use crate::proxy::normalize;
use crate::proxy::rejection::Refused;
use crate::proxy::request::Arrival;
use crate::proxy::rules;
use crate::record::redact::without_parameter;

/// Room for the fields that Argus usually adds to a request, in bytes; more cost another allocation.
const ADDED_BYTES: usize = 640;
/// Fields in which the way of a request is told.
const WAY_FIELDS: usize = 8;

/// Takes out of the client's fields what does not pass, and answers with those that Argus adds.
pub(super) fn edit_headers(
    headers: &mut HeaderMap,
    arrival: &Arrival,
    admitted: &Admitted,
    (authority, version): (Option<&http::uri::Authority>, http::Version),
) -> Fields {
    let config = &arrival.view.snapshot.config;
    let route = &admitted.route().route;
    let names = &arrival.view.snapshot.identity;
    let concerns = Concerns::of_request(headers, &config.identity_prefix);
    let over_tls = arrival.trusted
        && config.clients.address_from == AddressFrom::Forwarded
        && is_forwarded_over_tls(&config.clients, headers);
    if concerns.has(Concerns::HOP) {
        headers::remove_hop_by_hop(headers);
        headers::keep_honest_trailers(headers, &config.identity_prefix, &config.api_key.from);
    }
    if concerns.has(Concerns::EXPECTATION) {
        headers::rebuild_for_upstream(headers);
    }
    if version == http::Version::HTTP_2 {
        headers::join_cookies(headers);
    }
    let kept = edit_credentials(headers, &config.api_key, route.auth);
    if concerns.has(Concerns::FORGEABLE) {
        let underscores = arrival.connection.listener.settings.underscores;
        headers::remove_forgeable(headers, &config.identity_prefix, underscores, &kept);
        // A credential that is kept stays under any name but one of those that Argus itself sends.
        names.all().for_each(|name| drop(headers.remove(name)));
    }
    if concerns.has(Concerns::METHOD) && matches!(route.scopes, Some(ByMethod::Each(_))) {
        headers::remove_method_overrides(headers);
    }
    if let Some(authority) = authority
        && let Ok(host) = authority.as_str().parse()
    {
        // HTTP/2 and absolute-form name the host in the target, and that name is the one that was decided about.
        headers.insert(http::header::HOST, host);
    }
    let mut added = Fields::with_capacity(ADDED_BYTES);
    tell_way(headers, &mut added, arrival, (concerns, over_tls, version));
    if let Some(access) = admitted.access() {
        access.identify(names, &mut added);
    }
    let id = arrival.id.header();
    added.push(&X_REQUEST_ID, &id);
    if names.request_id != X_REQUEST_ID {
        added.push(&names.request_id, &id);
    }
    match &route.rules.host {
        UpstreamHost::Client => {}
        // Whoever asks the server puts its own in the place of one that is missing.
        UpstreamHost::Upstream => drop(headers.remove(HOST)),
        UpstreamHost::Name(host) => drop(headers.insert(HOST, host.clone())),
    }
    if route.rules.request_headers.is_some() {
        added.move_into(headers);
        rules::headers::of_request(headers, arrival, admitted, &id);
    }
    added
}

/// The way the request came. Where no peer is believed it is nearly the same for all requests of a connection.
fn tell_way(
    headers: &mut HeaderMap,
    added: &mut Fields,
    arrival: &Arrival,
    (concerns, over_tls, version): (Concerns, bool, http::Version),
) {
    let clients = &arrival.view.snapshot.config.clients;
    let connection = &arrival.connection;
    let shown = connection.client_cert.as_ref().and_then(|c| c.forwarded.as_ref());
    if concerns.has(Concerns::CERTIFICATE) || shown.is_some() {
        client_cert::announce(headers, arrival.trusted, shown);
    }
    if !arrival.trusted && !clients.sends_forwarded {
        if concerns.has(Concerns::WAY) {
            headers::remove_way(headers);
        }
        added.extend(&connection.way);
        if let Some(host) = headers.get(HOST) {
            added.push(&X_FORWARDED_HOST, host);
        }
        added.push(&VIA, &headers::via(version));
        return;
    }
    let is_told_in_forwarded = arrival.trusted && clients.address_from == AddressFrom::Forwarded;
    let host = headers.get(HOST).cloned();
    let origin = Origin {
        peer: connection.peer,
        trusted: arrival.trusted && !is_told_in_forwarded,
        forwarded: match (clients.sends_forwarded, is_told_in_forwarded) {
            (false, _) => Forwarding::Off,
            (true, false) => Forwarding::Anew,
            (true, true) => Forwarding::Continued,
        },
        client: arrival.client.ip(),
        tls: connection.tls.is_some() || over_tls,
        host: host.as_ref(),
        port: connection.listener.address.port(),
        version,
    };
    headers.reserve(WAY_FIELDS);
    headers::set_forwarding(headers, &origin);
    headers.remove(X_REQUEST_ID);
}

/// Takes the credential out, unless the upstream is to see it. Answers with the fields that may stay although their
/// names are Argus's own.
fn edit_credentials(headers: &mut HeaderMap, auth: &ApiKeyAuth, route: RouteAuth) -> Vec<HeaderName> {
    if auth.forward_credential {
        let name = |p: &CredentialPlace| match p {
            CredentialPlace::Header(name) => Some(name.clone()),
            _ => None,
        };
        return auth.from.iter().filter_map(name).collect();
    }
    for place in &auth.from {
        match place {
            CredentialPlace::Header(name) => {
                headers.remove(name);
            }
            CredentialPlace::Bearer => remove_authorization(headers, "bearer", route),
            CredentialPlace::ApiKeyScheme => remove_authorization(headers, "apikey", route),
            CredentialPlace::Cookie(name) => headers::remove_cookie(headers, name),
            CredentialPlace::Query(_) => {}
        }
    }
    Vec::new()
}

/// On a public route `Authorization` is the upstream's own affair, unless it holds one of our keys.
fn remove_authorization(headers: &mut HeaderMap, scheme: &str, route: RouteAuth) {
    let is_ours = headers.get_all(AUTHORIZATION).iter().any(|value| {
        let bytes = value.as_bytes();
        let Some((sent, rest)) = bytes.split_at_checked(scheme.len()) else { return false };
        let credential = rest.trim_ascii();
        sent.eq_ignore_ascii_case(scheme.as_bytes())
            && rest.starts_with(b" ")
            && (route == RouteAuth::ApiKey || key_format::parse(credential).is_some())
    });
    if is_ours {
        headers.remove(AUTHORIZATION);
    }
}

/// The target as the upstream gets it: with the path that the route makes of it, and without a key in the query.
pub(super) fn edit_target(uri: Uri, route: &Route, auth: &ApiKeyAuth) -> Result<Uri, Refused> {
    let in_query = |query: &str| {
        let mut query = Some(query.to_owned());
        for place in &auth.from {
            if let (CredentialPlace::Query(name), Some(text)) = (place, &query) {
                query = without_parameter(text, name);
            }
        }
        query
    };
    let cuts_query = !auth.forward_credential
        && uri.query().is_some()
        && auth.from.iter().any(|p| matches!(p, CredentialPlace::Query(_)));
    let rewrite = route.rules.rewrite.as_ref();
    if !cuts_query && rewrite.is_none() {
        return Ok(uri);
    }
    let path = rewrite.map_or(Cow::Borrowed(uri.path()), |rewrite| rewrite.apply(uri.path()));
    let query = if cuts_query { uri.query().and_then(in_query) } else { uri.query().map(str::to_owned) };
    let target = match query {
        Some(query) => [&path, "?", &query].concat(),
        None => path.into_owned(),
    };
    // Parts of a target that was valid make a valid target, but for its length.
    target.parse().map_err(|_| Refused::Malformed(normalize::TARGET_TOO_LONG))
}
