//! hyper's own refusals in the words of all others.

use http::StatusCode;

use super::scan::UNSERVED_CODING;
use crate::model::reason::Reason;

/// Longest bare refusal: status line, three fields.
const BARE_MAX: usize = 192;

/// Whether `bytes` are what hyper answers by itself to a head that it cannot read.
pub(super) fn is_bare(bytes: &[u8]) -> bool {
    if bytes.len() > BARE_MAX || !bytes.starts_with(b"HTTP/1.1 4") || !bytes.ends_with(b"\r\n\r\n") {
        return false;
    }
    let fields = bytes.iter().position(|b| *b == b'\n').map_or(&b""[..], |at| &bytes[at + 1..]);
    fields.starts_with(b"connection: close\r\ncontent-length: 0\r\n") && count_lines(fields) <= 4
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Refusal {
    text: Vec<u8>,
    sent: usize,
}

impl Refusal {
    /// In the place of `bare`. `cause` is what was found wrong before hyper looked, `is_long_target` whether the first
    /// line of the head is long and has not ended yet.
    pub(super) fn new(bare: &[u8], cause: Option<&'static str>, is_long_target: bool) -> Self {
        let status = bare.get(9..12).unwrap_or_default();
        let (reason, status, detail) = match (status, cause) {
            (b"414", _) => told(Reason::TargetTooLong, "The target is longer than is taken here."),
            (b"431", _) if is_long_target => told(Reason::TargetTooLong, "The target is longer than is taken here."),
            (b"431", _) => told(Reason::HeadersTooLarge, "The header is larger than is taken here."),
            (_, Some(UNSERVED_CODING)) => {
                let detail = "The only transfer coding served is chunked.";
                (Reason::MalformedRequest, StatusCode::NOT_IMPLEMENTED, detail)
            }
            (_, cause) => told(Reason::MalformedRequest, detail(cause)),
        };
        Refusal { text: text(reason, status, detail), sent: 0 }
    }

    /// What is still to be written.
    pub(super) fn rest(&self) -> &[u8] {
        &self.text[self.sent..]
    }

    /// So many bytes more were written.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent = self.text.len().min(self.sent + bytes);
    }
}

/// The answer to a head that has begun and does not come to its end.
pub(in crate::proxy) fn slow_head() -> Vec<u8> {
    let (reason, status, detail) = told(Reason::RequestTimeout, "The request's head did not come to its end in time.");
    text(reason, status, detail)
}

fn text(reason: Reason, status: StatusCode, detail: &str) -> Vec<u8> {
    let (number, phrase) = (status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    let (code, kind) = (reason.code(), reason.proxy_error());
    let body = format!(
        "{{\"type\":\"about:blank\",\"title\":\"{phrase}\",\"status\":{number},\"code\":\"{code}\",\
         \"detail\":\"{detail}\"}}\n"
    );
    let length = body.len();
    let date = httpdate::HttpDate::from(std::time::SystemTime::now());
    let text = format!(
        "HTTP/1.1 {number} {phrase}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         proxy-status: argus; error={kind}; details=\"{code}\"\r\nconnection: close\r\ncontent-length: {length}\r\n\
         date: {date}\r\n\r\n{body}"
    );
    text.into_bytes()
}

fn told(reason: Reason, detail: &'static str) -> (Reason, StatusCode, &'static str) {
    (reason, reason.status(), detail)
}

/// What is wrong, for people.
fn detail(cause: Option<&'static str>) -> &'static str {
    match cause {
        Some("two_lengths") => "The request has both Content-Length and Transfer-Encoding.",
        Some("content_length") => "Content-Length is repeated or not a plain number.",
        Some("transfer_encoding") => "The only transfer coding served is chunked, once, in HTTP/1.1.",
        Some("bare_line_feed") => "A line ends with a line feed alone.",
        Some("fragment") => "The target holds a fragment.",
        Some("empty_lines") => "There are empty lines before the request.",
        _ => "The request's head is not HTTP/1.1.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\
                          date: Tue, 24 Nov 2026 17:25:18 GMT\r\n\r\n";

    #[test]
    fn what_is_bare() {
        assert!(is_bare(BARE));
        assert!(!is_bare(
            b"HTTP/1.1 400 Bad Request\r\nvia: 1.1 argus\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        ));
        assert!(!is_bare(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno"));
        assert!(!is_bare(
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\na: b\r\nc: d\r\n\r\n"
        ));
        assert!(!is_bare(b""));
    }

    #[test]
    fn it_says_what_is_wrong() {
        let text = |bare: &[u8], cause, first| String::from_utf8(Refusal::new(bare, cause, first).text).unwrap();
        assert!(text(BARE, None, false).contains("headers_too_large"));
        assert!(text(BARE, None, true).starts_with("HTTP/1.1 414 URI Too Long\r\n"));
        let bad = b"HTTP/1.1 400 Bad Request\r\n";
        assert!(text(bad, Some(UNSERVED_CODING), false).starts_with("HTTP/1.1 501 Not Implemented\r\n"));
        let whole = text(bad, Some("fragment"), false);
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "malformed_request");
    }
}
