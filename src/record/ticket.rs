//! The ticket of a request: opened when its head is read, closed exactly once when the last byte is sent, whatever
//! happened in between. Closing is its `Drop`, because a request's future may be dropped at any moment.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::{HeaderName, HeaderValue, Method, Version};

use super::access_log::{Ended, LogStyle};
use super::cell::{Sample, WorkerCell, method_number};
use super::redact::without_userinfo;
pub use super::request_id::RequestId;
use super::usage::LastCall;
use crate::model::clock::Now;
use crate::model::country::Country;
use crate::model::id::Name;
use crate::model::key_in_use::KeyInUse;
use crate::model::limit::LIMITS_MAX;
use crate::model::reason::Reason;

/// Status recorded when the client hung up before it was sent one.
pub const HUNG_UP: u16 = 499;

/// A listener as records name it.
#[derive(Debug)]
pub struct ListenerLabel {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u16,
}

/// Whose key it was.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key.
    pub key: Arc<KeyInUse>,
    /// The plan it is under.
    pub plan: Name,
}

/// What happened at the upstream.
#[derive(Debug, Clone)]
pub struct UpstreamCall {
    /// Its name.
    pub name: Name,
    /// Its number.
    pub number: u16,
    /// Since when it was asked.
    pub asked: Instant,
    /// From asking to the head of the answer.
    pub head_us: Option<u64>,
    /// Its status.
    pub status: Option<u16>,
    /// Times it was asked.
    pub attempts: u8,
}

/// Limits a request met, by number, and whether each refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitsMet {
    met: [(u16, bool); LIMITS_MAX],
    len: usize,
}

impl LimitsMet {
    /// Adds a limit; more than [`LIMITS_MAX`] no request meets.
    pub fn push(&mut self, number: u16, refused: bool) {
        if let Some(slot) = self.met.get_mut(self.len) {
            *slot = (number, refused);
            self.len += 1;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(u16, bool)> {
        self.met[..self.len].iter()
    }
}

/// How a request ended, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was sent yet: if the ticket is dropped now, the client hung up.
    Open,
    /// An answer is on its way; if the ticket is dropped now, the client hung up in the middle.
    Answering,
    /// The answer was sent whole.
    Answered,
    /// The upstream broke off in the middle.
    Broken,
}

/// A request's account.
#[derive(Debug)]
pub struct Ticket {
    pub(super) started: Now,
    started_at: Instant,
    cell: Arc<WorkerCell>,
    style: Arc<LogStyle>,
    draw: u32,
    /// Where it came in.
    pub listener: Arc<ListenerLabel>,
    /// Its id.
    pub request_id: RequestId,
    /// Client's address.
    pub client_ip: IpAddr,
    /// Client's country.
    pub country: Option<Country>,
    /// Method.
    pub method: Method,
    uri: http::Uri,
    host: Option<HeaderValue>,
    /// Protocol.
    pub version: Version,
    /// TLS version.
    pub tls: Option<&'static str>,
    /// SHA-256 of the certificate the client showed, hexadecimal.
    pub client_cert: Option<Arc<str>>,
    /// Route and its number.
    pub route: Option<(Name, u16)>,
    /// Whose key, once proven.
    pub caller: Option<Caller>,
    /// Whether the query held the key.
    pub key_in_query: bool,
    /// Who answered for the credential, and how long the decision took in microseconds.
    pub decision: Option<(&'static str, u64)>,
    /// Units taken.
    pub cost: u64,
    /// Limits it met.
    pub limits: LimitsMet,
    /// Why it was refused or failed.
    pub reason: Option<Reason>,
    /// Status sent.
    pub status: u16,
    /// What happened at the upstream.
    pub upstream: Option<UpstreamCall>,
    /// Body bytes received, if there is a body.
    pub bytes_in: Option<Arc<AtomicU64>>,
    /// Body bytes sent.
    pub bytes_out: u64,
    /// Headers that the log holds besides.
    pub logged_headers: Vec<(HeaderName, HeaderValue)>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a ticket is opened with.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The worker's cell.
    pub cell: &'a Arc<WorkerCell>,
    /// How lines are written.
    pub style: &'a Arc<LogStyle>,
    /// Where it came in.
    pub listener: &'a Arc<ListenerLabel>,
    /// When.
    pub now: Now,
    /// Its id.
    pub request_id: RequestId,
    /// A random number, for sampling.
    pub draw: u32,
    /// Client's address.
    pub client_ip: IpAddr,
    /// TLS version.
    pub tls: Option<&'static str>,
    /// SHA-256 of the certificate the client showed, hexadecimal.
    pub client_cert: Option<Arc<str>>,
}

impl Ticket {
    /// Opens the account of a request.
    pub fn open<B>(opening: Opening<'_>, request: &http::Request<B>) -> Box<Self> {
        opening.cell.active.fetch_add(1, Ordering::Relaxed);
        let logged = opening.style.headers();
        let logged_headers = if logged.is_empty() {
            Vec::new()
        } else {
            let value = |n: &HeaderName| request.headers().get(n).map(|v| (n.clone(), v.clone()));
            logged.iter().filter_map(value).collect()
        };
        Box::new(Ticket {
            started: opening.now,
            started_at: Instant::now(),
            cell: Arc::clone(opening.cell),
            style: Arc::clone(opening.style),
            draw: opening.draw,
            listener: Arc::clone(opening.listener),
            request_id: opening.request_id,
            client_ip: opening.client_ip,
            country: None,
            method: request.method().clone(),
            uri: request.uri().clone(),
            host: request.headers().get(http::header::HOST).cloned(),
            version: request.version(),
            tls: opening.tls,
            client_cert: opening.client_cert,
            route: None,
            caller: None,
            key_in_query: false,
            decision: None,
            cost: 0,
            limits: LimitsMet::default(),
            reason: None,
            status: HUNG_UP,
            upstream: None,
            bytes_in: None,
            bytes_out: 0,
            logged_headers,
            outcome: Outcome::Open,
        })
    }

    pub(super) fn route_name(&self) -> Option<&str> {
        self.route.as_ref().map(|(name, _)| name.as_str())
    }

    pub(super) fn host(&self) -> &[u8] {
        without_userinfo(match (self.uri.authority(), &self.host) {
            (Some(authority), _) => authority.as_str().as_bytes(),
            (None, Some(host)) => host.as_bytes(),
            (None, None) => b"",
        })
    }

    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// The same address over HTTPS; `None` without a host.
    pub fn https_url(&self) -> Option<String> {
        let host = std::str::from_utf8(self.host()).ok().filter(|h| !h.is_empty())?;
        let name =
            host.rsplit_once(':').filter(|(_, p)| p.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(n, _)| n);
        let target = self.uri.path_and_query().map_or("/", |t| t.as_str());
        Some(format!("https://{name}{target}"))
    }

    /// Notes that the upstream `name` is asked, once more if it was before.
    pub fn asking(&mut self, name: &Name, number: u16) {
        match &mut self.upstream {
            Some(call) => {
                call.attempts = call.attempts.saturating_add(1);
                call.asked = Instant::now();
            }
            None => {
                let (name, asked) = (name.clone(), Instant::now());
                self.upstream = Some(UpstreamCall { name, number, asked, head_us: None, status: None, attempts: 1 });
            }
        }
    }

    /// Notes that the decision was made, by whom it was answered for the credential.
    pub fn decided(&mut self, source: &'static str, begun: Instant) {
        self.decision = Some((source, micros(begun.elapsed())));
    }

    /// Notes the head of the upstream's answer.
    pub fn upstream_answered(&mut self, status: u16) {
        if let Some(call) = &mut self.upstream {
            call.head_us = Some(micros(call.asked.elapsed()));
            call.status = Some(status);
        }
    }

    fn ended(&self) -> Ended {
        let total_us = micros(self.started_at.elapsed());
        let gateway_us = match &self.upstream {
            Some(call) => micros(call.asked.duration_since(self.started_at)),
            None => total_us,
        };
        let outcome = match (self.outcome, self.reason) {
            (Outcome::Open | Outcome::Answering, _) => "hung_up",
            (Outcome::Broken, _) => "failed",
            (Outcome::Answered, None) => "allowed",
            (Outcome::Answered, Some(r)) if r.status().is_server_error() => "failed",
            (Outcome::Answered, Some(_)) => "refused",
        };
        let bytes_in = self.bytes_in.as_ref().map_or(0, |n| n.load(Ordering::Relaxed));
        Ended { outcome, status: self.status, total_us, gateway_us, bytes_in, bytes_out: self.bytes_out }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let ended = self.ended();
        self.cell.active.fetch_sub(1, Ordering::Relaxed);
        let route = self.route.as_ref().map_or(0, |(_, number)| *number);
        let sample = Sample {
            listener: self.listener.number,
            route,
            upstream: self.upstream.as_ref().map_or(0, |u| u.number),
            method: method_number(&self.method),
            status: ended.status,
            reason: self.reason,
            total_us: ended.total_us,
            gateway_us: ended.gateway_us,
            upstream_us: self.upstream.as_ref().and_then(|u| u.head_us),
            decision: self.decision,
            bytes_in: ended.bytes_in,
            bytes_out: ended.bytes_out,
        };
        let call =
            LastCall { at: self.started.wall, ip: self.client_ip, country: self.country, route, status: ended.status };
        let to_log = self.style.is_on() && (ended.outcome != "allowed" || self.style.sampled(self.draw));
        let key = self.caller.as_ref().map(|c| c.key.id);
        let cell = Arc::clone(&self.cell);
        cell.take_in(&sample, |gathered| {
            let bytes = (ended.bytes_in, ended.bytes_out);
            for met in self.limits.iter() {
                *gathered.totals.limits.entry(*met).or_default() += 1;
            }
            gathered.usage.count(key, self.reason, call, self.cost, bytes);
            gathered.log.push(&self.style, self, &ended, to_log);
        });
    }
}

fn micros(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(cell: &Arc<WorkerCell>) -> Box<Ticket> {
        let request = http::Request::get("/v1/orders?api_key=x").header("host", "api.example.com").body(()).unwrap();
        let now = Now::at("2026-09-21T13:33:20.123Z".parse().unwrap());
        let access = crate::config::AccessLog {
            sample: 1.0,
            headers: Vec::new(),
            query: crate::config::QueryLog::Redact,
            ip: crate::config::AddressLog::Full,
        };
        let opening = Opening {
            cell,
            style: &Arc::new(LogStyle::new(Some(access), [0; 16], Vec::new())),
            listener: &Arc::new(ListenerLabel { name: "public".into(), number: 0 }),
            now,
            request_id: RequestId::new(now, [7; 10]),
            draw: 0,
            client_ip: "203.0.113.9".parse().unwrap(),
            tls: None,
            client_cert: None,
        };
        Ticket::open(opening, &request)
    }

    fn line(cell: &WorkerCell) -> serde_json::Value {
        let log = cell.take_log();
        assert_eq!(log.bytes[0], b'+');
        serde_json::from_slice(&log.bytes[1..]).unwrap()
    }

    #[test]
    fn a_dropped_ticket_is_a_client_that_hung_up() {
        let cell = Arc::<WorkerCell>::default();
        drop(ticket(&cell));
        let line = line(&cell);
        assert_eq!((line["outcome"].as_str(), line["status"].as_u64()), (Some("hung_up"), Some(499)));
        assert_eq!(cell.active.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_line_says_what_happened_and_hides_the_query() {
        let cell = Arc::<WorkerCell>::default();
        let mut t = ticket(&cell);
        t.outcome = Outcome::Answered;
        t.status = 403;
        t.reason = Some(Reason::InsufficientScope);
        drop(t);
        let line = line(&cell);
        assert_eq!(line["ts"], "2026-09-21T13:33:20.123Z");
        assert_eq!((line["outcome"].as_str(), line["code"].as_str()), (Some("refused"), Some("insufficient_scope")));
        assert_eq!((line["path"].as_str(), line["query"].as_str()), (Some("/v1/orders"), Some("[redacted]")));
        assert_eq!(line["host"], "api.example.com");
    }
}
