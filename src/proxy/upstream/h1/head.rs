//! Heads of HTTP/1.1 messages: requests written, answers read.

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use httparse::Response as Parser;

use super::framing::has_bare_line_end;

/// Largest head of an answer, in bytes.
pub const HEAD_MAX: usize = 64 * 1_024;
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

/// Writes the head of `request` into `out`. `has_body` says whether a body follows; if its length does not stand among
/// the fields it goes in chunks.
pub fn write<B>(request: &Request<B>, has_body: bool, out: &mut Vec<u8>) -> BodyFraming {
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    let target = request.uri().path_and_query().map_or("/", |t| t.as_str());
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let headers = request.headers();
    for (name, value) in headers {
        // How a body is framed is said below, and nowhere else.
        if name != TRANSFER_ENCODING {
            field(out, name, value);
        }
    }
    let framing = match (has_body, headers.contains_key(CONTENT_LENGTH)) {
        (true, false) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            BodyFraming::Chunked
        }
        (false, false) if matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) => {
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
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = Parser::new(&mut fields);
    let len = match head.parse(buf) {
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
    // Where each field stands: the text itself can be taken out of the buffer only once nothing borrows from it.
    let start = buf.as_ptr() as usize;
    let mut places = [(0_u32, 0_u32, 0_u32, 0_u32); FIELDS_MAX];
    let count = head.headers.len();
    for (place, field) in places.iter_mut().zip(head.headers.iter()) {
        let at = |text: &[u8]| u32::try_from(text.as_ptr() as usize - start).unwrap_or(u32::MAX);
        let len = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let (name, value) = (field.name.as_bytes(), field.value);
        *place = (at(name), len(name), if value.is_empty() { 0 } else { at(value) }, len(value));
    }
    if has_bare_line_end(&buf[..len]) || buf.starts_with(b"\r") {
        return Err(HeadError::NotHttp);
    }
    let text = buf.split_to(len).freeze();
    let mut headers = HeaderMap::with_capacity(count + SPARE_FIELDS);
    for &(name, name_len, value, value_len) in &places[..count] {
        let (name, value) = (name as usize, value as usize);
        let name = HeaderName::from_bytes(&text[name..name + name_len as usize]).map_err(|_| HeadError::NotHttp)?;
        let value = HeaderValue::from_maybe_shared(text.slice(value..value + value_len as usize));
        headers.append(name, value.map_err(|_| HeadError::NotHttp)?);
    }
    Ok(Some(AnswerHead { status, version, headers }))
}

/// Room for the fields that Argus adds to an answer.
const SPARE_FIELDS: usize = 12;

#[cfg(test)]
mod tests {
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
            let framing = write(&request.body(()).unwrap(), has_body, &mut out);
            (framing, String::from_utf8(out).unwrap())
        };
        let get = || Request::get("/a?b=c").header("host", "x");
        assert_eq!(write(get(), false), (BodyFraming::Plain, "GET /a?b=c HTTP/1.1\r\nhost: x\r\n\r\n".into()));
        let (framing, text) = write(get(), true);
        assert_eq!(framing, BodyFraming::Chunked);
        assert!(text.ends_with("\r\ntransfer-encoding: chunked\r\n\r\n"), "{text}");
        let (framing, text) = write(Request::post("/").header("content-length", "5"), true);
        assert_eq!((framing, text.as_str()), (BodyFraming::Plain, "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n"));
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
