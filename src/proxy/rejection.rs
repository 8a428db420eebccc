//! Refusals: the one place where Argus answers for itself on the data side.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::body::ResponseBody;
use super::deadline::Turn;
use super::grpc;
use super::normalize::Malformed;
use super::request::Arrival;
use super::response::{self, PROXY_STATUS, Told};
use crate::admission::Refusal;
use crate::config::Errors;
use crate::model::reason::Reason;
use crate::model::route::ErrorStyle;
use crate::record::{Outcome, Ticket};

/// Seconds after which an overloaded or failing part may be asked again.
const RETRY_AFTER_FAILURE_S: u64 = 1;

/// Why a request gets an answer of our own.
#[derive(Debug)]
pub enum Refused {
    /// It cannot be read in one way.
    Malformed(Malformed),
    /// It was decided so.
    Decision(Box<Refusal>),
    /// Its body turned out larger than is taken.
    BodyTooLarge,
    /// It asks for a protocol that is not served: why.
    Upgrade(StatusCode, &'static str),
    /// The client went away in the middle of its body.
    ClientGone,
    /// The client's body is none.
    ClientBrokeOff,
    /// The client took too long over its body.
    ClientTooSlow,
    /// No connection.
    UpstreamUnreachable,
    /// The upstream's answer was not HTTP, or broke off.
    UpstreamInvalid,
    /// HTTP/2, which alone is spoken to the upstream, has no such request.
    NotOverHttp2,
    /// The upstream's answer is larger than the route lets through.
    ResponseTooLarge,
    /// The upstream took too long.
    UpstreamTimeout,
    /// No server of the upstream is in service.
    NoHealthyUpstream,
    /// Too much to do.
    Overloaded,
    /// Our own fault.
    Internal,
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Refused::Malformed(malformed)
    }
}

/// A refusal as it is told.
struct Problem {
    reason: Reason,
    status: StatusCode,
    detail: String,
    retry_after_s: Option<u64>,
    close: bool,
    members: Map<String, Value>,
    headers: HeaderMap,
}

/// Answers a request that is not forwarded, or whose upstream failed.
pub fn refuse(
    arrival: &Arrival,
    refused: Refused,
    told: &Told,
    (mut ticket, turn): (Box<Ticket>, Turn),
) -> Response<ResponseBody> {
    match &refused {
        Refused::Malformed(m) => arrival.connection.worker.cell.malformed(m.cause),
        // Bytes that frame no body are counted where they were found, when the connection ends.
        Refused::ClientBrokeOff if arrival.connection.clock.malformed().is_none() => {
            arrival.connection.worker.cell.malformed("body")
        }
        _ => {}
    }
    let is_gone = matches!(refused, Refused::ClientGone);
    let redirect = redirect(&refused, &ticket);
    let mut problem = problem(refused);
    let config = &arrival.view.snapshot.config;
    let (content_type, body) = match (&redirect, told.style()) {
        (None, _) if let Some(grpc) = told.grpc => (grpc, tell_grpc(&mut problem)),
        (Some(_), _) => ("text/plain; charset=utf-8", Vec::new()),
        (None, ErrorStyle::Problem) => ("application/problem+json", problem_json(&problem, &config.errors, arrival)),
        (None, ErrorStyle::Argus) => ("application/json", argus_json(&problem)),
    };
    if let Some(location) = redirect {
        problem.status = StatusCode::PERMANENT_REDIRECT;
        problem.headers.insert(LOCATION, location);
    }
    let body = if is_gone {
        // Nobody is there to read it: the account closes as one of a client that hung up.
        ResponseBody::bare(Bytes::from(body))
    } else {
        ticket.status = problem.status.as_u16();
        ticket.reason = Some(problem.reason);
        ticket.outcome = Outcome::Answering;
        ResponseBody::own(Bytes::from(body), ticket, turn)
    };
    let mut response = Response::new(body);
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    *headers = problem.headers;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PROXY_STATUS, proxy_status(problem.reason));
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response::tell(headers, arrival, told);
    if problem.close && arrival.connection.sequential {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response::close_if_draining(headers, arrival);
    response
}

/// Makes a refusal one that gRPC clients understand. It has no body.
fn tell_grpc(problem: &mut Problem) -> Vec<u8> {
    let status = grpc::status(problem.reason, problem.status);
    problem.headers.insert(grpc::GRPC_STATUS, u16::from(status).into());
    problem.headers.insert(grpc::GRPC_MESSAGE, grpc::message(problem.reason, &problem.detail));
    problem.status = StatusCode::OK;
    Vec::new()
}

/// Where a plain request is sent on a listener that redirects.
fn redirect(refused: &Refused, ticket: &Ticket) -> Option<HeaderValue> {
    let Refused::Decision(refusal) = refused else { return None };
    if !refusal.redirect_to_https {
        return None;
    }
    HeaderValue::try_from(ticket.https_url()?).ok()
}

fn problem(refused: Refused) -> Problem {
    let plain = |reason: Reason, detail: &str| Problem {
        reason,
        status: reason.status(),
        detail: detail.to_owned(),
        retry_after_s: (reason.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_FAILURE_S),
        close: false,
        members: Map::new(),
        headers: HeaderMap::new(),
    };
    match refused {
        Refused::Malformed(m) => Problem { close: true, ..plain(m.reason, m.detail) },
        Refused::Decision(refusal) => decided(*refusal),
        Refused::BodyTooLarge => {
            let detail = "The body is larger than is taken here. Send less at a time.";
            Problem { close: true, ..plain(Reason::BodyTooLarge, detail) }
        }
        Refused::Upgrade(status, detail) => {
            let mut problem = Problem { status, close: true, ..plain(Reason::UpgradeRefused, detail) };
            if status == StatusCode::UPGRADE_REQUIRED {
                let version = HeaderValue::from_static("13");
                problem.headers.insert(http::header::SEC_WEBSOCKET_VERSION, version);
            }
            problem
        }
        Refused::ClientGone | Refused::ClientBrokeOff => {
            Problem { close: true, ..plain(Reason::MalformedRequest, "The request's body cannot be read to its end.") }
        }
        Refused::ClientTooSlow => {
            let detail = "The request's body did not come in time. Send it without long pauses.";
            Problem { close: true, ..plain(Reason::RequestTimeout, detail) }
        }
        Refused::UpstreamUnreachable => {
            plain(Reason::UpstreamUnreachable, "The API behind this gateway cannot be reached. Try again later.")
        }
        Refused::UpstreamInvalid => plain(
            Reason::UpstreamInvalid,
            "The API behind this gateway broke off or sent something that is not HTTP. Try again later.",
        ),
        Refused::NotOverHttp2 => plain(
            Reason::UpstreamInvalid,
            "The API behind this gateway is asked over HTTP/2, where there is no such request.",
        ),
        Refused::ResponseTooLarge => plain(
            Reason::ResponseTooLarge,
            "The answer of the API behind this gateway is larger than is let through. Ask for less at a time.",
        ),
        Refused::UpstreamTimeout => {
            plain(Reason::UpstreamTimeout, "The API behind this gateway took too long. Try again later.")
        }
        Refused::NoHealthyUpstream => {
            plain(Reason::NoHealthyUpstream, "The API behind this gateway is out of service. Try again later.")
        }
        Refused::Overloaded => {
            plain(Reason::GatewayOverloaded, "This gateway has more to do than it may. Try again in a moment.")
        }
        Refused::Internal => plain(Reason::InternalError, "This gateway failed. The operator has been told."),
    }
}

fn decided(refusal: Refusal) -> Problem {
    let mut members = Map::new();
    let mut headers = HeaderMap::new();
    if let Some(key) = refusal.key_id {
        members.insert("key_id".into(), key.public().into());
    }
    if !refusal.required_scopes.is_empty() {
        members.insert("required_scopes".into(), refusal.required_scopes.clone().into());
    }
    if let Some(observed) = &refusal.observed {
        members.insert("observed".into(), json!(observed));
    }
    if !refusal.violated.is_empty() {
        let names: Vec<&str> = refusal.violated.iter().map(|n| n.as_str()).collect();
        members.insert("violated-policies".into(), json!(names));
    }
    if !refusal.allow.is_empty() {
        let methods: Vec<&str> = refusal.allow.iter().map(http::Method::as_str).collect();
        if let Ok(value) = HeaderValue::try_from(methods.join(", ")) {
            headers.insert(ALLOW, value);
        }
    }
    if let Some(challenge) = refusal.challenge() {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    let failing = refusal.reason.status() == StatusCode::SERVICE_UNAVAILABLE;
    Problem {
        reason: refusal.reason,
        status: refusal.reason.status(),
        detail: refusal.detail.into_owned(),
        retry_after_s: refusal.retry_after_s.or(failing.then_some(RETRY_AFTER_FAILURE_S)),
        // The body was not read, and is too large to be read to its end.
        close: refusal.reason == Reason::BodyTooLarge,
        members,
        headers,
    }
}

/// `argus; error=…; details="…"` (RFC 9209 section 2.1).
fn proxy_status(reason: Reason) -> HeaderValue {
    let text = format!("argus; error={}; details=\"{}\"", reason.proxy_error(), reason.code());
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("argus"))
}

/// RFC 9457. `about:blank` goes with the status phrase as title; limits use their registered types.
fn problem_json(problem: &Problem, errors: &Errors, arrival: &Arrival) -> Vec<u8> {
    let phrase = problem.status.canonical_reason().unwrap_or("Error");
    let (kind, title) = match (&errors.type_base, problem.reason) {
        (_, Reason::RateLimited | Reason::QuotaExceeded) => (
            "https://iana.org/assignments/http-problem-types#quota-exceeded".to_owned(),
            "Request cannot be satisfied as assigned quota has been exceeded",
        ),
        (_, Reason::GatewayOverloaded) => (
            "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity".to_owned(),
            "Request cannot be satisfied due to temporary server capacity constraints",
        ),
        (Some(base), reason) => (format!("{base}{}", reason.code()), reason.meaning()),
        (None, _) => ("about:blank".to_owned(), phrase),
    };
    let mut out = String::with_capacity(384);
    let mut member = |name: &str, value: &Value| {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&format!("\"{name}\":{value}"));
    };
    member("type", &kind.into());
    member("title", &title.into());
    member("status", &problem.status.as_u16().into());
    member("code", &problem.reason.code().into());
    member("detail", &problem.detail.as_str().into());
    member("request_id", &arrival.id.as_str().into());
    for (name, value) in &problem.members {
        member(name, value);
    }
    out.push_str("}\n");
    out.into_bytes()
}

/// The short form some clients expect.
fn argus_json(problem: &Problem) -> Vec<u8> {
    let error = match problem.reason {
        Reason::RateLimited | Reason::QuotaExceeded => "Rate limit exceeded",
        _ => &problem.detail,
    };
    let error = Value::from(error);
    match problem.retry_after_s {
        Some(seconds) => format!("{{\"success\":false,\"error\":{error},\"retryAfter\":{seconds}}}\n"),
        None => format!("{{\"success\":false,\"error\":{error}}}\n"),
    }
    .into_bytes()
}
