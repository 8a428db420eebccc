//! The upstream's answer on its way to the client.

use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_TYPE, STRICT_TRANSPORT_SECURITY, VIA};
use http::{HeaderName, HeaderValue, Response};
use jiff::{SignedDuration, Timestamp};

use super::body::ResponseBody;
use super::deadline::Turn;
use super::forward::UpstreamAnswer;
use super::headers::{self, Concerns, X_REQUEST_ID};
use super::request::Arrival;
use super::rules;
use crate::admission::LimitReport;
use crate::config::RateLimitHeaders;
use crate::model::clock::Now;
use crate::model::route::ErrorStyle;
use crate::record::{Outcome, Ticket};
use crate::snapshot::ActiveRoute;

/// `Proxy-Status` (RFC 9209).
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
const ARGUS_KEY_EXPIRES: HeaderName = HeaderName::from_static("argus-key-expires");
const ARGUS_WARNING: HeaderName = HeaderName::from_static("argus-warning");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// From when on a key's end is announced.
const EXPIRY_NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the decision wants told with the answer, whoever gives it.
#[derive(Debug)]
pub struct Told {
    /// The route that takes the request, once it was found.
    pub route: Option<Arc<ActiveRoute>>,
    /// The page that calls, as its browser names it, where the route has rules for such.
    pub origin: Option<HeaderValue>,
    /// The content type of refusals, if the request is a gRPC call.
    pub grpc: Option<&'static str>,
    /// What became of limits.
    pub limits: LimitReport,
    /// In which fields limits are told.
    pub families: RateLimitHeaders,
    /// When the key ends, if soon.
    pub expires: Option<HeaderValue>,
    /// Whether the key stood in the query.
    pub key_in_query: bool,
}

impl Told {
    /// How refusals look.
    pub fn style(&self) -> ErrorStyle {
        self.route.as_ref().map_or(ErrorStyle::default(), |route| route.route.error_style)
    }
}

impl Default for Told {
    fn default() -> Self {
        Told {
            route: None,
            origin: None,
            grpc: None,
            limits: LimitReport::empty(),
            families: RateLimitHeaders { ietf: false, legacy: false },
            expires: None,
            key_in_query: false,
        }
    }
}

/// `Argus-Key-Expires` for a key that ends within thirty days.
pub fn expiry_notice(expires_at: Option<Timestamp>, now: Now) -> Option<HeaderValue> {
    let end = expires_at.filter(|end| end.duration_since(now.wall) <= EXPIRY_NOTICE)?;
    let date = httpdate::HttpDate::from(std::time::SystemTime::from(end));
    HeaderValue::try_from(date.to_string()).ok()
}

/// Adds what the decision wants told.
pub fn tell(headers: &mut http::HeaderMap, arrival: &Arrival, told: &Told) {
    headers.insert(X_REQUEST_ID, arrival.id.header());
    if arrival.connection.tls.is_some() {
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static("max-age=31536000"));
    }
    told.limits.headers(told.families, arrival.now, headers);
    if let Some(expires) = &told.expires {
        headers.insert(ARGUS_KEY_EXPIRES, expires.clone());
    }
    if let Some(cors) = told.route.as_ref().and_then(|route| route.route.rules.cors.as_ref()) {
        rules::cors::mark(headers, cors, told.origin.as_ref());
    }
    if told.key_in_query {
        headers.insert(ARGUS_WARNING, HeaderValue::from_static("key-in-query"));
    }
}

/// The upstream's answer, with what concerns its hop removed and what is to be told added.
pub fn pass_on(
    arrival: &Arrival,
    mut answer: UpstreamAnswer,
    told: &Told,
    (mut ticket, mut turn): (Box<Ticket>, Turn),
) -> Response<ResponseBody> {
    ticket.status = answer.answer.head.status.as_u16();
    ticket.outcome = Outcome::Answering;
    if Concerns::of_answer(&answer.answer.head.headers).has(Concerns::HOP) {
        headers::remove_hop_by_hop(&mut answer.answer.head.headers);
    }
    rules::headers::of_response(&mut answer.answer.head.headers, arrival, told, &ticket);
    let rate_min = arrival.connection.listener.settings.limits.min_answer_rate;
    if rate_min > 0 && told.grpc.is_none() && !is_event_stream(&answer.answer.head.headers) {
        turn.is_measured(rate_min);
    }
    let (mut head, body) = ResponseBody::upstream(answer, ticket, turn);
    let received = head.version;
    head.headers.append(VIA, headers::via(received));
    if head.status.is_client_error() || head.status.is_server_error() {
        head.headers.append(PROXY_STATUS, received_status(head.status));
    }
    tell(&mut head.headers, arrival, told);
    close_if_draining(&mut head.headers, arrival);
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// Whether the answer is a stream of events, which comes as slowly as things happen.
fn is_event_stream(headers: &http::HeaderMap) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.get(..EVENTS.len())).is_some_and(|kind| kind.eq_ignore_ascii_case(EVENTS))
}

/// Tells an HTTP/1 client that the connection ends with this answer, when Argus is about to stop.
pub fn close_if_draining(headers: &mut http::HeaderMap, arrival: &Arrival) {
    if arrival.connection.sequential && arrival.connection.clock.is_draining() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.remove(KEEP_ALIVE);
    }
}

/// `argus; received-status=503`: the status is the upstream's own (RFC 9209 section 2.1.4).
fn received_status(status: http::StatusCode) -> HeaderValue {
    let mut text = *b"argus; received-status=000";
    text[23..].copy_from_slice(status.as_str().as_bytes());
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("argus"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_announced_thirty_days_before() {
        let now = Now::at("2026-09-01T00:00:00Z".parse().unwrap());
        let at = |t: &str| expiry_notice(Some(t.parse().unwrap()), now);
        assert_eq!(at("2026-09-30T09:00:00Z").unwrap(), "Wed, 30 Sep 2026 09:00:00 GMT");
        assert_eq!((at("2026-10-02T00:00:00Z"), expiry_notice(None, now)), (None, None));
        assert_eq!(received_status(http::StatusCode::BAD_GATEWAY), "argus; received-status=502");
    }
}
