//! `Max-Forwards` (RFC 9110 section 7.6.2): how far an `OPTIONS` request goes.

use http::header::{ALLOW, MAX_FORWARDS};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::super::body::ResponseBody;
use super::super::deadline::Turn;
use super::super::normalize::Malformed;
use super::super::request::Arrival;
use super::super::response::{self, Told};
use crate::model::reason::Reason;
use crate::model::route::Route;
use crate::record::{Outcome, Ticket};

/// Takes one from the hops that are left to a request. Says whether it goes on; if not, Argus is whom it was meant for.
///
/// # Errors
/// When an `OPTIONS` request tells it twice, or not as a number.
pub fn count(method: &Method, headers: &mut HeaderMap) -> Result<bool, Malformed> {
    if *method != Method::OPTIONS || !headers.contains_key(MAX_FORWARDS) {
        return Ok(true);
    }
    let mut values = headers.get_all(MAX_FORWARDS).iter();
    let value = values.next().filter(|_| values.next().is_none());
    let number = value.filter(|v| !v.is_empty() && v.as_bytes().iter().all(u8::is_ascii_digit));
    let Some(number) = number else {
        return Err(Malformed {
            reason: Reason::MalformedRequest,
            cause: "max_forwards",
            detail: "Max-Forwards is repeated or not a plain number.",
        });
    };
    // More hops than a number holds are as good as that many.
    let left: u64 = number.to_str().ok().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX);
    match left.checked_sub(1) {
        None => Ok(false),
        Some(left) => {
            headers.insert(MAX_FORWARDS, left.into());
            Ok(true)
        }
    }
}

/// Answers a request that goes no further: with the methods of its route.
pub fn answer(arrival: &Arrival, told: &Told, (mut ticket, turn): (Box<Ticket>, Turn)) -> Response<ResponseBody> {
    ticket.status = StatusCode::NO_CONTENT.as_u16();
    ticket.outcome = Outcome::Answering;
    let mut response = Response::new(ResponseBody::own(bytes::Bytes::new(), ticket, turn));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if let Some(allow) = told.route.as_ref().and_then(|active| methods(&active.route)) {
        headers.insert(ALLOW, allow);
    }
    response::tell(headers, arrival, told);
    response::close_if_draining(headers, arrival);
    response
}

/// The methods a route takes, if it names any.
fn methods(route: &Route) -> Option<HeaderValue> {
    let names: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
    HeaderValue::try_from(names.join(", ")).ok().filter(|_| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Method, sent: &[&str], outcome: Result<bool, ()>, becomes: &[&str]) {
        let field = |v: &&str| (MAX_FORWARDS, v.parse().unwrap());
        let mut headers: HeaderMap = sent.iter().map(field).collect();
        assert_eq!(count(&method, &mut headers).map_err(drop), outcome, "{sent:?}");
        assert_eq!(headers.get_all(MAX_FORWARDS).iter().collect::<Vec<_>>(), becomes);
    }

    #[test]
    fn hops_are_counted_for_options_alone() {
        check(Method::OPTIONS, &[], Ok(true), &[]);
        check(Method::OPTIONS, &["2"], Ok(true), &["1"]);
        check(Method::OPTIONS, &["1"], Ok(true), &["0"]);
        check(Method::OPTIONS, &["0"], Ok(false), &["0"]);
        check(Method::OPTIONS, &["99999999999999999999"], Ok(true), &["18446744073709551614"]);
        check(Method::OPTIONS, &["+1"], Err(()), &["+1"]);
        check(Method::OPTIONS, &["1", "1"], Err(()), &["1", "1"]);
        check(Method::OPTIONS, &[""], Err(()), &[""]);
        check(Method::GET, &["0"], Ok(true), &["0"]);
    }
}
