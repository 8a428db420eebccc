//! Talks to the admin API: HTTP/1.1 over the unix socket or TCP, one connection a call.
//!
//! Everything has a bound: connecting, the wait for an answer, the answer's length, and a line of the stream.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::exit::{Exit, Failure};
use super::locate::{Place, Places, Server};
use super::problem;
use super::tls;

/// Connecting, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte of a call to the last of its answer. Verifying a long audit chain takes a while.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest short text, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Longest admin key file, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 4_096;

/// Characters of a path segment that stay as they are.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One path segment, escaped.
pub fn segment(text: &str) -> String {
    match text {
        // A dot segment means another path, however it is escaped.
        "." | ".." => format!("{text}%20"),
        _ => utf8_percent_encode(text, SEGMENT).to_string(),
    }
}

/// `path?name=value&…` of the pairs that have a value.
pub fn with_query<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// An answer of the admin API that was not a refusal.
#[derive(Debug)]
pub struct Answer {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// What time it is there, to the second.
    pub date: Option<Timestamp>,
    /// Its body; null if it has none.
    pub body: Value,
}

/// What is sent with a call.
#[derive(Debug, Default)]
pub struct Sent {
    /// `Content-Type` and body. A body may hold a secret, hence wiped.
    pub body: Option<(&'static str, Zeroizing<Vec<u8>>)>,
    /// The version the change is made to.
    pub if_match: Option<String>,
}

impl Sent {
    /// A JSON body.
    pub fn json(value: &Value) -> Self {
        Sent { body: Some(("application/json", Zeroizing::new(value.to_string().into_bytes()))), if_match: None }
    }

    /// A merge patch (RFC 7396).
    pub fn patch(value: &Value, if_match: Option<String>) -> Self {
        let body = Zeroizing::new(value.to_string().into_bytes());
        Sent { body: Some(("application/merge-patch+json", body)), if_match }
    }
}

/// The way to one admin side.
pub struct Client {
    place: Place,
    key: Option<Zeroizing<String>>,
}

impl Client {
    /// Takes the place that was named, or the first usual one where somebody listens.
    pub async fn connect(places: Places, key_file: Option<PathBuf>) -> Result<Self, Failure> {
        match places {
            Places::Named(place) => {
                let key = match (&place, key_file) {
                    (Place::Server(_), Some(path)) => Some(read_key(&path)?),
                    _ => None,
                };
                Ok(Client { place, key })
            }
            Places::Usual(paths) => {
                let mut shown = Vec::new();
                for path in paths {
                    match timeout(CONNECT_TIMEOUT, UnixStream::connect(&path)).await {
                        Ok(Ok(_)) => return Ok(Client { place: Place::Socket(path), key: None }),
                        Ok(Err(e)) if e.kind() == io::ErrorKind::PermissionDenied => {
                            return Err(cannot_connect(&Place::Socket(path), &e));
                        }
                        _ => shown.push(format!("`{}`", path.display())),
                    }
                }
                Err(Failure::new(Exit::Unreachable, "argus is not running here: nobody listens on its admin socket")
                    .detail(format!("looked at {}", shown.join(", ")))
                    .hint("start it with `argus run`, or name it with --socket PATH or --server URL"))
            }
        }
    }

    /// The way to one server, without any key.
    pub fn to(server: Server) -> Self {
        Client { place: Place::Server(server), key: None }
    }

    /// Asks for a short text, whatever its status.
    pub async fn text(&self, path: &str) -> Result<(StatusCode, String), Failure> {
        let response = self.request(Method::GET, path, Sent::default(), "text/plain").await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), TEXT_BYTES_MAX).collect().await;
        let body = body.map_err(|e| Failure::failed(format!("the answer broke off: {e}")))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Where this leads, for people.
    pub fn shown(&self) -> String {
        match &self.place {
            Place::Socket(path) => path.display().to_string(),
            Place::Server(server) => server.authority(),
        }
    }

    /// Whether the admin key would cross a network unprotected.
    pub fn sends_key_in_clear(&self) -> bool {
        matches!(&self.place, Place::Server(server) if self.key.is_some() && !server.is_private())
    }

    /// Asks for something.
    pub async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, path, Sent::default()).await
    }

    /// Sends a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.call(Method::POST, path, Sent::json(body)).await
    }

    /// Makes a call. Anything but a success is a [`Failure`] that tells what the server said.
    pub async fn call(&self, method: Method, path: &str, sent: Sent) -> Result<Answer, Failure> {
        let whole = async {
            let response = self.request(method, path, sent, "application/json").await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|e| {
                if e.downcast_ref::<LengthLimitError>().is_some() {
                    Failure::failed(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes"))
                } else {
                    Failure::failed(format!("the answer broke off: {e}"))
                }
            })?;
            let bytes = Zeroizing::new(Vec::from(body.to_bytes()));
            if !head.status.is_success() {
                return Err(problem::failure(head.status, &bytes));
            }
            let body = if bytes.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(&bytes).map_err(|_| {
                    Failure::failed(format!("{} answered with something that is not JSON", self.shown()))
                        .hint("is that the admin side of argus? its usual port is 9640")
                })?
            };
            let etag = head.headers.get(header::ETAG).and_then(|v| v.to_str().ok()).map(str::to_owned);
            let date = head
                .headers
                .get(header::DATE)
                .and_then(|v| v.to_str().ok())
                .and_then(|v| httpdate::parse_http_date(v).ok());
            let date = date.and_then(|at| Timestamp::try_from(at).ok());
            Ok(Answer { etag, date, body })
        };
        timeout(CALL_TIMEOUT, whole).await.map_err(|_| {
            Failure::failed(format!("{} did not answer within {} s", self.shown(), CALL_TIMEOUT.as_secs()))
        })?
    }

    /// Opens a stream of events; its body has no end.
    pub async fn stream(&self, path: &str) -> Result<Incoming, Failure> {
        let opening = self.request(Method::GET, path, Sent::default(), "text/event-stream");
        let response = timeout(CALL_TIMEOUT, opening).await.map_err(|_| {
            Failure::failed(format!("{} did not answer within {} s", self.shown(), CALL_TIMEOUT.as_secs()))
        })??;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let status = response.status();
        let body = timeout(CALL_TIMEOUT, Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect()).await;
        let bytes = body.ok().and_then(Result::ok).map(|b| b.to_bytes()).unwrap_or_default();
        Err(problem::failure(status, &bytes))
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        sent: Sent,
        accept: &'static str,
    ) -> Result<http::Response<Incoming>, Failure> {
        let host = match &self.place {
            Place::Socket(_) => "localhost".to_owned(),
            Place::Server(server) => server.authority(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, accept)
            .header(header::USER_AGENT, concat!("argus-cli/", env!("CARGO_PKG_VERSION")));
        if let Some(key) = &self.key {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.as_str()))
                .map_err(|_| Failure::usage("the admin key holds characters that no key has"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(etag) = sent.if_match {
            request = request.header(header::IF_MATCH, etag);
        }
        let body = match sent.body {
            Some((content_type, bytes)) => {
                request = request.header(header::CONTENT_TYPE, content_type);
                Full::new(Bytes::copy_from_slice(&bytes))
            }
            None => Full::default(),
        };
        let request = request.body(body).map_err(|e| Failure::usage(format!("cannot ask for `{path}`: {e}")))?;
        match &self.place {
            Place::Socket(socket) => {
                let connected = timeout(CONNECT_TIMEOUT, UnixStream::connect(socket)).await;
                let stream = flatten(connected).map_err(|e| cannot_connect(&self.place, &e))?;
                self.exchange(stream, request).await
            }
            Place::Server(server) => {
                let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((server.host.as_str(), server.port))).await;
                let stream = flatten(connected).map_err(|e| cannot_connect(&self.place, &e))?;
                if server.tls {
                    let wrapped = timeout(CONNECT_TIMEOUT, tls::wrap(stream, server)).await;
                    let stream = wrapped.map_err(|_| cannot_connect(&self.place, &timed_out()))??;
                    self.exchange(stream, request).await
                } else {
                    self.exchange(stream, request).await
                }
            }
        }
    }

    async fn exchange<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let broke = |e: hyper::Error| {
            Failure::new(Exit::Unreachable, format!("{} broke the connection off: {e}", self.shown()))
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
        // Ends with the answer, or with the process.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broke)
    }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))
}

fn flatten<T>(result: Result<io::Result<T>, tokio::time::error::Elapsed>) -> io::Result<T> {
    result.unwrap_or_else(|_| Err(timed_out()))
}

fn cannot_connect(place: &Place, e: &io::Error) -> Failure {
    match place {
        Place::Socket(path) => match e.kind() {
            io::ErrorKind::PermissionDenied => {
                Failure::new(Exit::NotAllowed, format!("you may not use the admin socket `{}`", path.display()))
                    .hint("run the command as the user argus runs as, or as root")
            }
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Failure::new(Exit::Unreachable, format!("nobody listens on the admin socket `{}`", path.display()))
                    .hint("is argus running? `argus run` starts it")
            }
            _ => Failure::new(Exit::Unreachable, format!("cannot reach the admin socket `{}`: {e}", path.display())),
        },
        Place::Server(Server { .. }) => {
            let shown = match place {
                Place::Server(server) => server.authority(),
                Place::Socket(path) => path.display().to_string(),
            };
            Failure::new(Exit::Unreachable, format!("cannot reach {shown}: {e}"))
                .hint("is argus running there, and is `[admin] address` reachable from here?")
        }
    }
}

/// Reads the administrator's key.
fn read_key(path: &Path) -> Result<Zeroizing<String>, Failure> {
    use std::io::Read;
    let wrong = |e: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read the admin key from `{}`: {e}", path.display()))
            .hint("ARGUS_ADMIN_KEY_FILE names a file that holds the admin key and nothing else")
    };
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(|e| wrong(&e))?;
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|e| wrong(&e))?;
    if text.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(wrong(&format_args!("it is longer than {KEY_FILE_BYTES_MAX} bytes")));
    }
    let key = Zeroizing::new(text.trim().to_owned());
    if key.is_empty() { Err(wrong(&"it is empty")) } else { Ok(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_person_types_changes_the_path() {
        for (text, path) in
            [("billing-prod", "billing-prod"), ("a/b?c#d", "a%2Fb%3Fc%23d"), ("..", "..%20"), ("ä b", "%C3%A4%20b")]
        {
            assert_eq!(segment(text), path);
        }
        let path =
            with_query("/v1/keys", [("owner", Some("a&b".to_owned())), ("plan", None), ("q", Some("x y".into()))]);
        assert_eq!(path, "/v1/keys?owner=a%26b&q=x+y");
        assert_eq!(with_query("/v1/keys", [("owner", None)]), "/v1/keys");
    }

    #[test]
    fn the_admin_key_is_what_the_file_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "argusadm_live_x\n").unwrap();
        assert_eq!(read_key(&path).unwrap().as_str(), "argusadm_live_x");
        std::fs::write(&path, " \n").unwrap();
        assert_eq!(read_key(&path).unwrap_err().exit, Exit::Usage);
        std::fs::write(&path, "x".repeat(5_000)).unwrap();
        assert!(read_key(&path).unwrap_err().message.contains("longer than 4096"));
        assert!(read_key(&dir.path().join("none")).is_err());
    }

    #[tokio::test]
    async fn nobody_there_is_told_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("admin.sock");
        let failure = Client::connect(Places::Usual(vec![socket.clone()]), None).await.err().unwrap();
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.details[0].contains("admin.sock"));
        let client = Client::connect(Places::Named(Place::Socket(socket)), None).await.unwrap();
        assert_eq!(client.get("/v1/keys").await.unwrap_err().exit, Exit::Unreachable);
    }
}
