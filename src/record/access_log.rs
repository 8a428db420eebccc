//! One JSON line a request, written straight into the worker's own buffer.
//!
//! A line begins with a mark: `+` goes to the log, `-` was left out by sampling and is seen by `argus tail` alone.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::redact::without_parameter;
use super::ticket::Ticket;
use crate::config::{AccessLog, AddressLog, QueryLog};

/// Bytes of lines a worker holds until they are taken; lines beyond are dropped and counted. At 500 bytes a line this
/// is 8,000 requests, and they are taken ten times a second.
pub const LOG_BYTES_MAX: usize = 4 << 20;
/// Longest path, query, host or header value in a line; what is longer is cut.
const TEXT_MAX: usize = 2_048;

/// Lines waiting to be taken.
#[derive(Debug, Default)]
pub struct LogBuffer {
    /// Whole lines, each with its mark and a line feed.
    pub bytes: Vec<u8>,
    /// Lines for which there was no room.
    pub dropped: u64,
}

/// How lines are written; made once per configuration.
#[derive(Debug)]
pub struct LogStyle {
    access: Option<AccessLog>,
    salt: [u8; 16],
    /// Query parameters in which keys may stand.
    secrets: Vec<Box<str>>,
}

impl LogStyle {
    /// A style with a salt of its own for hashed addresses, that shows no query parameter of `secrets`.
    pub fn new(access: Option<AccessLog>, salt: [u8; 16], secrets: Vec<Box<str>>) -> Self {
        LogStyle { access, salt, secrets }
    }

    /// Names of the request headers a line holds besides.
    pub fn headers(&self) -> &[http::HeaderName] {
        self.access.as_ref().map_or(&[], |a| &a.headers)
    }

    /// Whether an admitted request's line goes to the log, `draw` being a random number.
    pub(super) fn sampled(&self, draw: u32) -> bool {
        self.access.as_ref().is_some_and(|a| a.sample >= 1.0 || f64::from(draw) < a.sample * f64::from(u32::MAX))
    }

    /// Whether there is an access log.
    pub(super) fn is_on(&self) -> bool {
        self.access.is_some()
    }
}

impl LogBuffer {
    /// Appends the line of a finished request.
    pub fn push(&mut self, style: &LogStyle, ticket: &Ticket, ended: &Ended, to_log: bool) {
        if self.bytes.len() >= LOG_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.bytes.push(if to_log { b'+' } else { b'-' });
        Line(&mut self.bytes).write(style, ticket, ended);
        self.bytes.push(b'\n');
    }
}

/// What is known only at the end.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// `allowed`, `refused`, `failed` or `hung_up`.
    pub outcome: &'static str,
    /// Status sent.
    pub status: u16,
    /// Whole duration.
    pub total_us: u64,
    /// Argus's own part.
    pub gateway_us: u64,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes sent.
    pub bytes_out: u64,
}

struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn write(&mut self, style: &LogStyle, t: &Ticket, e: &Ended) {
        self.raw("{\"ts\":\"");
        timestamp(self.0, t.started.wall);
        self.raw("\",\"level\":\"info\",\"kind\":\"access\",\"request_id\":\"");
        self.raw(t.request_id.as_str());
        self.raw("\",\"listener\":");
        self.text(t.listener.name.as_bytes());
        self.raw(",\"route\":");
        self.optional(t.route_name().map(str::as_bytes));
        self.raw(",\"client_ip\":\"");
        self.address(style, t.client_ip);
        self.raw("\",\"country\":");
        self.optional(t.country.as_ref().map(|c| c.as_str().as_bytes()));
        self.raw(",\"method\":");
        self.text(t.method.as_str().as_bytes());
        self.raw(",\"host\":");
        self.text(t.host());
        self.raw(",\"path\":");
        self.text(t.path().as_bytes());
        self.query(style, t);
        self.raw(",\"protocol\":\"");
        self.raw(protocol(t.version));
        self.raw("\",\"tls\":");
        self.optional(t.tls.map(str::as_bytes));
        if let Some(fingerprint) = &t.client_cert {
            self.raw(",\"client_cert\":");
            self.text(fingerprint.as_bytes());
        }
        self.raw(",\"status\":");
        self.number(u64::from(e.status));
        self.raw(",\"outcome\":\"");
        self.raw(e.outcome);
        self.raw("\",\"code\":");
        self.optional(t.reason.map(|r| r.code().as_bytes()));
        self.raw(",\"auth\":");
        self.optional(t.caller.as_ref().map(|_| "api_key".as_bytes()));
        self.raw(",\"key_id\":");
        self.optional(t.caller.as_ref().map(|c| c.key.id.public().as_bytes()));
        self.raw(",\"key\":");
        self.optional(t.caller.as_ref().map(|c| c.key.name.as_str().as_bytes()));
        self.raw(",\"owner\":");
        let owner = t.caller.as_ref().and_then(|c| c.key.owner_record());
        self.optional(owner.map(|o| o.external_id.as_ref().unwrap_or(&o.name).as_bytes()));
        self.raw(",\"plan\":");
        self.optional(t.caller.as_ref().map(|c| c.plan.as_str().as_bytes()));
        self.raw(",\"cost\":");
        self.number(t.cost);
        self.raw(",\"bytes_in\":");
        self.number(e.bytes_in);
        self.raw(",\"bytes_out\":");
        self.number(e.bytes_out);
        self.raw(",\"duration_ms\":");
        self.millis(e.total_us);
        self.raw(",\"gateway_ms\":");
        self.millis(e.gateway_us);
        if let Some(up) = &t.upstream {
            self.raw(",\"upstream\":");
            self.text(up.name.as_str().as_bytes());
            self.raw(",\"upstream_status\":");
            match up.status {
                Some(status) => self.number(u64::from(status)),
                None => self.raw("null"),
            }
            self.raw(",\"upstream_ms\":");
            self.millis(up.head_us.unwrap_or(0));
            self.raw(",\"attempts\":");
            self.number(u64::from(up.attempts));
        }
        if !t.logged_headers.is_empty() {
            self.raw(",\"headers\":{");
            for (i, (name, value)) in t.logged_headers.iter().enumerate() {
                if i > 0 {
                    self.raw(",");
                }
                self.text(name.as_str().as_bytes());
                self.raw(":");
                self.text(value.as_bytes());
            }
            self.raw("}");
        }
        self.raw("}");
    }

    fn query(&mut self, style: &LogStyle, t: &Ticket) {
        let Some(query) = t.query() else { return };
        match style.access.as_ref().map_or(QueryLog::Redact, |a| a.query) {
            QueryLog::Drop => {}
            QueryLog::Redact => self.raw(",\"query\":\"[redacted]\""),
            QueryLog::Keep => {
                // Whatever became of the request: one that was refused early may hold a key all the same.
                let names = style.secrets.iter();
                let shown = names.fold(query.to_owned(), |q, name| without_parameter(&q, name).unwrap_or_default());
                self.raw(",\"query\":");
                self.text(shown.as_bytes());
            }
        }
    }

    fn address(&mut self, style: &LogStyle, ip: IpAddr) {
        match style.access.as_ref().map_or(AddressLog::Full, |a| a.ip) {
            AddressLog::Full => self.ip(ip),
            AddressLog::Truncated => self.ip(truncated(ip)),
            AddressLog::Hashed => {
                let mut hash = Sha256::new();
                hash.update(style.salt);
                match ip {
                    IpAddr::V4(a) => hash.update(a.octets()),
                    IpAddr::V6(a) => hash.update(a.octets()),
                }
                let hash = hash.finalize();
                self.raw(&hex::encode(&hash[..8]));
            }
        }
    }

    fn ip(&mut self, ip: IpAddr) {
        let IpAddr::V4(ip) = ip else { return self.display(ip) };
        // By far the most common address, and quicker than what serves any format.
        for (i, octet) in ip.octets().into_iter().enumerate() {
            if i > 0 {
                self.0.push(b'.');
            }
            self.number(u64::from(octet));
        }
    }

    fn display(&mut self, what: impl std::fmt::Display) {
        // Writing to a Vec cannot fail.
        let _ = write!(self.0, "{what}");
    }

    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, n: u64) {
        self.raw(itoa::Buffer::new().format(n));
    }

    /// Milliseconds with three places at most.
    fn millis(&mut self, us: u64) {
        self.number(us / 1_000);
        let rest = us % 1_000;
        if rest != 0 {
            let digits = [b'.', b'0' + digit(rest / 100), b'0' + digit(rest / 10 % 10), b'0' + digit(rest % 10)];
            let len = digits.iter().rposition(|d| *d != b'0').map_or(0, |at| at + 1);
            self.0.extend_from_slice(&digits[..len]);
        }
    }

    fn optional(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    /// A JSON string. Bytes that are not UTF-8 become U+FFFD; control characters are escaped, DEL and the C1 controls
    /// too, as terminals act on them.
    fn text(&mut self, text: &[u8]) {
        let text = &text[..text.len().min(TEXT_MAX)];
        self.0.push(b'"');
        // Without an early end, so that many bytes are looked at at once.
        let is_plain = |b: &u8| matches!(b, 0x20..=0x7e) & !matches!(b, b'"' | b'\\');
        if text.iter().fold(true, |plain, b| plain & is_plain(b)) {
            self.0.extend_from_slice(text);
        } else {
            for c in String::from_utf8_lossy(text).chars() {
                match c {
                    '"' => self.raw("\\\""),
                    '\\' => self.raw("\\\\"),
                    c if c.is_control() => self.display(format_args!("\\u{:04x}", u32::from(c))),
                    c => self.raw(c.encode_utf8(&mut [0; 4])),
                }
            }
        }
        self.0.push(b'"');
    }
}

fn digit(n: u64) -> u8 {
    u8::try_from(n).unwrap_or(0)
}

fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// IPv4 cut to /24, IPv6 to /48.
pub fn truncated(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(a) => {
            let [a, b, c, _] = a.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from(u128::from(a) & (u128::MAX << 80))),
    }
}

/// `2026-09-21T13:33:20.123Z`.
fn timestamp(out: &mut Vec<u8>, at: Timestamp) {
    let seconds = at.as_second();
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (y, m, d) = civil(days);
    let ms = u64::try_from(at.subsec_millisecond()).unwrap_or(0);
    let two = |n: i64| [b'0' + u8::try_from(n / 10 % 10).unwrap_or(0), b'0' + u8::try_from(n % 10).unwrap_or(0)];
    let mut text = *b"0000-00-00T00:00:00.000Z";
    text[0..2].copy_from_slice(&two(y / 100));
    text[2..4].copy_from_slice(&two(y % 100));
    text[5..7].copy_from_slice(&two(m));
    text[8..10].copy_from_slice(&two(d));
    text[11..13].copy_from_slice(&two(of_day / 3_600));
    text[14..16].copy_from_slice(&two(of_day / 60 % 60));
    text[17..19].copy_from_slice(&two(of_day % 60));
    text[20] = b'0' + digit(ms / 100);
    text[21] = b'0' + digit(ms / 10 % 10);
    text[22] = b'0' + digit(ms % 10);
    out.extend_from_slice(&text);
}

/// Year, month and day of a number of days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted
/// from March, so that the leap day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, d)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn timestamps_agree_with_the_library(us in 0_i64..4_102_444_800_000_000) {
            let at = Timestamp::from_microsecond(us).unwrap();
            let mut out = Vec::new();
            timestamp(&mut out, at);
            prop_assert_eq!(String::from_utf8(out).unwrap(), at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
        }

        #[test]
        fn any_bytes_make_a_json_string(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            Line(&mut out).text(&bytes);
            let back: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(back, String::from_utf8_lossy(&bytes).into_owned());
            prop_assert!(!out.iter().any(|b| *b < 0x20 || *b == 0x7f));
        }

        #[test]
        fn millis_are_exact(us in 0_u64..10_000_000) {
            let mut out = Vec::new();
            Line(&mut out).millis(us);
            let back: f64 = String::from_utf8(out).unwrap().parse().unwrap();
            prop_assert!((back * 1000.0 - us as f64).abs() < 1e-3);
        }
    }

    #[test]
    fn addresses_are_cut() {
        assert_eq!(truncated("198.51.100.77".parse().unwrap()).to_string(), "198.51.100.0");
        assert_eq!(truncated("2001:db8:1:2::3".parse().unwrap()).to_string(), "2001:db8:1::");
    }
}
