//! Heads of HTTP/1.1 messages: requests written, answers read.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use httparse::{ParserConfig, Response as Parser};

use super::framing::has_bare_line_end;
use crate::model::fields::Fields;

/// Largest head of an answer, in bytes.
pub const HEAD_MAX: usize = 64 * 1_024;
/// Room for a usual field, in bytes; longer ones cost another allocation.
const FIELD_BYTES: usize = 48;
/// Most fields of an answer.
pub const FIELDS_MAX: usize = 128;

/// Why the head of an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Larger than [`HEAD_MAX`], or more fields than [`FIELDS_MAX`].
    #[error("the head of the answer is too large")]
    TooLarge,
    /// Not HTTP/1.
    #[error("the answer is not HTTP/1")]
    NotHttp,
}

/// The head of an answer.
#[derive(Debug)]
pub struct AnswerHead {
    /// Status.
    pub status: StatusCode,
    /// The version it came in.
    pub version: Version,
    /// Fields.
    pub headers: HeaderMap,
}

/// How the body of a request goes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none, or its length stands in the head.
    Plain,
    /// In chunks.
    Chunked,
}

/// Writes the head of a request with the fields of `added` into `out`. `has_body` says whether a body follows; if its
/// length does not stand among the fields it goes in chunks.
pub fn write(head: &Parts, added: &Fields, has_body: bool, out: &mut Vec<u8>) -> BodyFraming {
    let target = head.uri.path_and_query().map_or("/", |t| t.as_str());
    out.reserve(target.len() + added.as_bytes().len() + head.headers.len() * FIELD_BYTES);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut has_length = false;
    for (name, value) in &head.headers {
        // How a body is framed is said below, and nowhere else.
        if name != TRANSFER_ENCODING {
            has_length |= name == CONTENT_LENGTH;
            field(out, name, value);
        }
    }
    out.extend_from_slice(added.as_bytes());
    let framing = match (has_body, has_length) {
        (true, false) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            BodyFraming::Chunked
        }
        (false, false) if matches!(head.method, Method::POST | Method::PUT | Method::PATCH) => {
            // A server may wait for a length where a body is usual (RFC 9110 section 8.6).
            out.extend_from_slice(b"content-length: 0\r\n");
            BodyFraming::Plain
        }
        _ => BodyFraming::Plain,
    };
    out.extend_from_slice(b"\r\n");
    framing
}

/// Writes one field.
pub fn field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Takes the head of an answer out of the front of `buf`; `None` while it is not whole.
///
/// # Errors
/// When it is too large or cannot be read in one way.
pub fn take(buf: &mut BytesMut) -> Result<Option<AnswerHead>, HeadError> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut head = Parser::new(&mut []);
    let len = match ParserConfig::default().parse_response_with_uninit_headers(&mut head, buf, &mut fields) {
        Ok(httparse::Status::Complete(len)) if len <= HEAD_MAX => len,
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Ok(httparse::Status::Partial) if buf.len() > HEAD_MAX => return Err(HeadError::TooLarge),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HeadError::NotHttp),
    };
    let status = head.code.and_then(|c| StatusCode::from_u16(c).ok()).filter(|s| s.as_u16() <= 599);
    let (status, version) = match (status, head.version) {
        (Some(status), Some(0)) => (status, Version::HTTP_10),
        (Some(status), Some(1)) => (status, Version::HTTP_11),
        _ => return Err(HeadError::NotHttp),
    };
    if has_bare_line_end(&buf[..len]) || buf.starts_with(b"\r") {
        return Err(HeadError::NotHttp);
    }
    // Where each value stands: the text itself can be taken out of the buffer only once nothing borrows from it.
    let start = buf.as_ptr() as usize;
    let mut found = Vec::with_capacity(head.headers.len());
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| HeadError::NotHttp)?;
        let at = if field.value.is_empty() { 0 } else { field.value.as_ptr() as usize - start };
        found.push((name, at..at + field.value.len()));
    }
    let text = buf.split_to(len).freeze();
    let mut headers = HeaderMap::with_capacity(found.len() + SPARE_FIELDS);
    for (name, place) in found {
        let value = HeaderValue::from_maybe_shared(text.slice(place)).map_err(|_| HeadError::NotHttp)?;
        headers.append(name, value);
    }
    Ok(Some(AnswerHead { status, version, headers }))
}

/// Room for the fields that Argus adds to an answer.
const SPARE_FIELDS: usize = 12;

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    /// Status, fields, and what follows the head.
    type Seen = (u16, Vec<(String, String)>, String);

    fn read(text: &str) -> Result<Option<Seen>, HeadError> {
        let mut buf = BytesMut::from(text);
        Ok(take(&mut buf)?.map(|head| {
            let value = |v: &HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
            let fields = head.headers.iter().map(|(n, v)| (n.to_string(), value(v))).collect();
            (head.status.as_u16(), fields, String::from_utf8_lossy(&buf).into_owned())
        }))
    }

    #[test]
    fn heads_are_read() {
        let (status, fields, rest) =
            read("HTTP/1.1 201 Made\r\nX-A: b \r\nEmpty:\r\nx-a: c\r\n\r\nbody").unwrap().unwrap();
        assert_eq!((status, rest.as_str()), (201, "body"));
        let expected = [("x-a", "b"), ("x-a", "c"), ("empty", "")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(fields.len(), 3);
        assert!(expected.iter().all(|e| fields.contains(e)), "{fields:?}");
        assert_eq!(read("HTTP/1.1 200\r\n\r\n").unwrap().unwrap().0, 200);
        assert_eq!(read("HTTP/1.0 200 OK\r\n\r\n").unwrap().unwrap().0, 200);
        assert_eq!(read("HTTP/1.1 200 OK\r\nA: b\r\n").unwrap(), None);
        assert_eq!(read("").unwrap(), None);
    }

    #[test]
    fn what_is_no_head() {
        for bad in [
            "hello\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 20x OK\r\n\r\n",
            "HTTP/1.1 099 Low\r\n\r\n",
            "HTTP/1.1 600 High\r\n\r\n",
            "HTTP/1.1 200 OK\nA: b\n\n",
            "HTTP/1.1 200 OK\r\nA: b\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(read(bad), Err(HeadError::NotHttp), "{bad:?}");
        }
    }

    #[test]
    fn heads_have_bounds() {
        let fields = |n: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(n));
        assert!(read(&fields(FIELDS_MAX)).is_ok());
        assert_eq!(read(&fields(FIELDS_MAX + 1)), Err(HeadError::TooLarge));
        let long = |n: usize| format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(n));
        assert_eq!(read(&long(HEAD_MAX - 30)), Ok(None));
        assert_eq!(read(&long(HEAD_MAX)), Err(HeadError::TooLarge));
        assert_eq!(read(&format!("{}\r\n\r\n", long(HEAD_MAX))), Err(HeadError::TooLarge));
    }

    #[test]
    fn requests_are_written() {
        let write = |request: http::request::Builder, has_body| {
            let mut out = Vec::new();
            let mut added = Fields::default();
            added.push(&http::header::VIA, &HeaderValue::from_static("1.1 argus"));
            let (head, ()) = request.body(()).unwrap().into_parts();
            let framing = write(&head, &added, has_body, &mut out);
            (framing, String::from_utf8(out).unwrap())
        };
        let get = || Request::get("/a?b=c").header("host", "x");
        assert_eq!(
            write(get(), false),
            (BodyFraming::Plain, "GET /a?b=c HTTP/1.1\r\nhost: x\r\nvia: 1.1 argus\r\n\r\n".into())
        );
        let (framing, text) = write(get(), true);
        assert_eq!(framing, BodyFraming::Chunked);
        assert!(text.ends_with("\r\ntransfer-encoding: chunked\r\n\r\n"), "{text}");
        let (framing, text) = write(Request::post("/").header("content-length", "5"), true);
        assert_eq!(
            (framing, text.as_str()),
            (BodyFraming::Plain, "POST / HTTP/1.1\r\ncontent-length: 5\r\nvia: 1.1 argus\r\n\r\n")
        );
        assert!(write(Request::post("/"), false).1.ends_with("content-length: 0\r\n\r\n"));
        assert!(write(Request::options("*"), false).1.starts_with("OPTIONS * HTTP/1.1\r\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = take(&mut BytesMut::from(&bytes[..]));
            let _ = take(&mut BytesMut::from(&[b"HTTP/1.1 200 OK\r\n", &bytes[..]].concat()[..]));
        }
    }
}
