//! Pages of other origins (the CORS protocol of the Fetch standard): preflights answered, and answers marked.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::super::body::ResponseBody;
use super::super::deadline::Turn;
use super::super::request::Arrival;
use super::super::response::{self, Told};
use crate::admission::{find_route, settle};
use crate::model::cors::Cors;
use crate::record::{Outcome, Ticket};
use crate::snapshot::ActiveRoute;

/// What an upstream may say about the matter, where Argus does.
const OF_THE_UPSTREAM: [http::HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// The route a preflight asks about, if the request is one and the route has rules for pages of other origins. Browsers
/// send no credential with a preflight, and it takes nothing from any limit.
pub fn asked_about<'a, B>(arrival: &'a Arrival, request: &Request<B>, host: &str) -> Option<&'a Arc<ActiveRoute>> {
    if *request.method() != Method::OPTIONS || !request.headers().contains_key(ORIGIN) {
        return None;
    }
    let mut methods = request.headers().get_all(ACCESS_CONTROL_REQUEST_METHOD).iter();
    let method = Method::from_bytes(methods.next()?.as_bytes()).ok().filter(|_| methods.next().is_none())?;
    let asked = (&method, host, request.headers());
    let snapshot = &arrival.view.snapshot;
    let path = settle(snapshot, asked, request.uri().path()).ok()?;
    let route = find_route(snapshot, asked, &path)?;
    route.route.rules.cors.is_some().then_some(route)
}

/// Answers a preflight. A page of an origin that may not call is told nothing, and its browser goes no further.
pub fn answer(arrival: &Arrival, told: &Told, (mut ticket, turn): (Box<Ticket>, Turn)) -> Response<ResponseBody> {
    ticket.status = StatusCode::NO_CONTENT.as_u16();
    ticket.outcome = Outcome::Answering;
    let mut response = Response::new(ResponseBody::own(bytes::Bytes::new(), ticket, turn));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    response::tell(headers, arrival, told);
    if let Some(cors) = told.route.as_ref().and_then(|r| r.route.rules.cors.as_ref())
        && headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, cors.methods.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, cors.headers.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, cors.max_age.clone());
    }
    response::close_if_draining(headers, arrival);
    response
}

/// Marks an answer, whoever gives it, for a page of `origin`.
pub fn mark(headers: &mut HeaderMap, cors: &Cors, origin: Option<&HeaderValue>) {
    for name in OF_THE_UPSTREAM {
        headers.remove(name);
    }
    if cors.varies() && !varies_by_origin(headers) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(allowed) = origin.and_then(|origin| cors.allowed_origin(origin)) else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if let Some(expose) = &cors.expose {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
    }
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let values = headers.get_all(VARY).iter().filter_map(|v| v.to_str().ok());
    values
        .flat_map(|v| v.split(','))
        .any(|name| matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("origin"))
}
