//! Clients in front of the gateway: one of our own that sends exactly the bytes it is told, and `curl`.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::process::Command;

use super::message::{Ended, Fields, Framing, Reader};
use super::wait::LIMIT;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status; 0 if the connection ended without an answer.
    pub status: u16,
    /// The head's fields.
    pub headers: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// Fields after the body.
    pub trailers: Fields,
    /// How it ended.
    pub ended: Ended,
    /// Statuses of 1xx that came before.
    pub informational: Vec<u16>,
}

impl Answer {
    /// Nothing came.
    pub fn none() -> Self {
        Answer {
            status: 0,
            headers: Fields::default(),
            body: Vec::new(),
            trailers: Fields::default(),
            ended: Ended::Cut,
            informational: Vec::new(),
        }
    }

    /// The first value of a header field, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{} with a body that is not JSON ({e}): {}", self.status, self.text()))
    }

    /// The stable code of a refusal; empty if this is none.
    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Fails unless the answer has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// Fails unless this is a well-formed refusal with this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.code(), code, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["status"], status);
        answer
    }
}

/// A connection that sends what it is told and reads answers one at a time.
pub struct Connection {
    reader: Reader<TcpStream>,
}

impl Connection {
    /// Connects.
    #[track_caller]
    pub fn open(to: SocketAddr) -> Self {
        Connection::open_from(IpAddr::from([127, 0, 0, 1]), to)
    }

    /// Connects from a given address of loopback.
    #[track_caller]
    pub fn open_from(from: IpAddr, to: SocketAddr) -> Self {
        let domain = socket2::Domain::for_address(to);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
        if from.is_ipv4() == to.is_ipv4() {
            socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
        }
        socket.connect_timeout(&to.into(), LIMIT).unwrap_or_else(|e| panic!("connect to {to}: {e}"));
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { reader: Reader::new(stream) }
    }

    /// Connects, unless nobody listens.
    pub fn try_open(to: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&to, LIMIT).ok()?;
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Some(Connection { reader: Reader::new(stream) })
    }

    /// Sends bytes. That the other side has closed shows when reading.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.reader.source().write_all(bytes.as_ref());
        self
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) -> &mut Self {
        let _ = self.reader.source().shutdown(Shutdown::Write);
        self
    }

    /// The answer to a GET.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// The answer to a request by `method`, with the 1xx before it.
    #[track_caller]
    pub fn answer_to(&mut self, method: &str) -> Answer {
        let mut informational = Vec::new();
        loop {
            let Some(head) = self.reader.head().expect("an answer in time") else {
                return Answer { informational, ..Answer::none() };
            };
            let status: u16 = head.start.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status line");
            if (100..200).contains(&status) && status != 101 {
                informational.push(status);
                continue;
            }
            let framing = Framing::of_answer(method, status, &head.fields);
            let (body, trailers, ended) = self.reader.body(framing).expect("a body in time");
            return Answer { status, headers: head.fields, body, trailers, ended, informational };
        }
    }

    /// The status of the next head, 1xx included; `None` at the end.
    pub fn next_status(&mut self) -> Option<u16> {
        let head = self.reader.head().expect("a head in time")?;
        head.start.split(' ').nth(1)?.parse().ok()
    }

    /// Everything until the other side closes.
    pub fn all(&mut self) -> Vec<u8> {
        let mut bytes = self.reader.rest();
        let _ = self.reader.source().read_to_end(&mut bytes);
        bytes
    }

    /// Whether the other side has closed or does so in time.
    pub fn is_closed(&mut self) -> bool {
        self.reader.rest().is_empty() && !matches!(self.reader.source().read(&mut [0; 1]), Ok(1..))
    }

    /// The socket itself, for what is not HTTP any more.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.reader.source()
    }

    /// What was read beyond the last answer.
    pub fn rest(&mut self) -> Vec<u8> {
        self.reader.rest()
    }
}

/// A request to be sent on a connection of its own.
pub struct Request {
    to: SocketAddr,
    from: IpAddr,
    method: String,
    target: String,
    host: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request for `target`.
    pub fn new(to: SocketAddr, method: &str, target: &str) -> Self {
        Request {
            to,
            from: IpAddr::from([127, 0, 0, 1]),
            method: method.to_owned(),
            target: target.to_owned(),
            host: to.to_string(),
            fields: Vec::new(),
            body: None,
        }
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Presents a key.
    pub fn key(self, key: &str) -> Self {
        self.header("X-API-Key", key)
    }

    /// Names another host.
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// Comes from another address of loopback.
    pub fn from(mut self, address: &str) -> Self {
        self.from = address.parse().unwrap();
        self
    }

    /// Carries a body of known length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Carries JSON.
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("Content-Type", "application/json").body(value.to_string())
    }

    /// The bytes of it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it on a new connection and reads the answer.
    #[track_caller]
    pub fn send(&self) -> Answer {
        let mut connection = Connection::open_from(self.from, self.to);
        self.send_on(&mut connection)
    }

    /// Sends it on a connection that is already there.
    #[track_caller]
    pub fn send_on(&self, connection: &mut Connection) -> Answer {
        connection.send(self.bytes());
        connection.answer_to(&self.method)
    }
}

/// Runs `curl` with a limit on its time, and gives its exit code, standard output and standard error.
pub fn curl<S: AsRef<str>>(args: &[S]) -> super::Run {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"]);
    command.args(args.iter().map(AsRef::as_ref));
    super::Run::of(&mut command)
}

/// Runs a Python program with arguments.
pub fn python<S: AsRef<str>>(program: &str, args: &[S]) -> super::Run {
    let mut command = Command::new("python3");
    command.arg("-c").arg(program).args(args.iter().map(AsRef::as_ref));
    super::Run::of(&mut command)
}

/// Runs `openssl s_client` against `to` with these arguments: a handshake and one request, to the end of the answer, so
/// that what the server says after its handshake has come too.
pub fn openssl<S: AsRef<str>>(to: SocketAddr, args: &[S]) -> super::Run {
    // `s_client` reads the request from its standard input, which `Run` leaves closed.
    const SAY: &str = "printf 'GET /hello HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' | \
                       exec openssl s_client -ign_eof \"$@\"";
    let mut command = Command::new("timeout");
    command.args(["30", "sh", "-c", SAY, "sh", "-connect", &to.to_string()]).args(args.iter().map(AsRef::as_ref));
    super::Run::of(&mut command)
}
