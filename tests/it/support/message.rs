//! HTTP/1.1 messages as bytes: just enough parsing to tell what came, and whether it was whole.

use std::io::{self, Read};

/// Header fields in the order and spelling in which they came.
#[derive(Debug, Clone, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of `name`, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All values of `name`, in any case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// Whether `name` is there, in any case.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// The head of a message.
#[derive(Debug, Clone)]
pub struct Head {
    /// The first line.
    pub start: String,
    /// The rest.
    pub fields: Fields,
    /// All of it, byte for byte.
    pub bytes: Vec<u8>,
}

/// How a message came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By its own framing: everything is there.
    Whole,
    /// By the end of the connection, where the framing says that this is how it ends.
    AtClose,
    /// The connection ended, or was reset, before the message did.
    Cut,
}

/// Bytes from a connection, a message at a time.
pub struct Reader<S> {
    source: S,
    held: Vec<u8>,
    wire: Option<Vec<u8>>,
}

impl<S: Read> Reader<S> {
    /// Reads from `source`.
    pub fn new(source: S) -> Self {
        Reader { source, held: Vec::new(), wire: None }
    }

    /// Remembers from now on every byte that comes.
    pub fn remember(&mut self) {
        self.wire = Some(Vec::new());
    }

    /// What came since it was asked before.
    pub fn remembered(&mut self) -> Vec<u8> {
        self.wire.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What was read but belongs to no message yet.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// The connection itself.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Reads more; 0 at the end, which a reset also is.
    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        loop {
            return match self.source.read(&mut buffer) {
                Ok(n) => {
                    self.held.extend_from_slice(&buffer[..n]);
                    if let Some(wire) = &mut self.wire {
                        wire.extend_from_slice(&buffer[..n]);
                    }
                    Ok(n)
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if is_end(e.kind()) => Ok(0),
                Err(e) => Err(e),
            };
        }
    }

    /// The bytes up to and including `end`; `None` if the connection ends first.
    fn through(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.held.windows(end.len()).position(|w| w == end) {
                return Ok(Some(self.held.drain(..at + end.len()).collect()));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next head; `None` if the connection ends before one is whole.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        let Some(bytes) = self.through(b"\r\n\r\n")? else { return Ok(None) };
        Ok(Some(parse_head(&bytes)))
    }

    /// `count` bytes, or as many as came.
    fn exactly(&mut self, count: usize) -> io::Result<(Vec<u8>, Ended)> {
        while self.held.len() < count {
            if self.fill()? == 0 {
                return Ok((self.rest(), Ended::Cut));
            }
        }
        Ok((self.held.drain(..count).collect(), Ended::Whole))
    }

    /// The body that follows `head`, its trailers, and how it ended. `None` of a length means until the end.
    pub fn body(&mut self, framing: Framing) -> io::Result<(Vec<u8>, Fields, Ended)> {
        match framing {
            Framing::Empty => Ok((Vec::new(), Fields::default(), Ended::Whole)),
            Framing::Length(n) => {
                let (body, ended) = self.exactly(n)?;
                Ok((body, Fields::default(), ended))
            }
            Framing::Chunked => self.chunks(),
            Framing::Close => {
                while self.fill()? != 0 {}
                Ok((self.rest(), Fields::default(), Ended::AtClose))
            }
        }
    }

    fn chunks(&mut self) -> io::Result<(Vec<u8>, Fields, Ended)> {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.through(b"\r\n")? else {
                return Ok((body, Fields::default(), Ended::Cut));
            };
            let line = String::from_utf8_lossy(&line);
            let digits = line.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("chunk size {line:?}"));
            if size == 0 {
                return self.trailers(body);
            }
            let (mut data, ended) = self.exactly(size + 2)?;
            data.truncate(size);
            body.append(&mut data);
            if ended == Ended::Cut {
                return Ok((body, Fields::default(), Ended::Cut));
            }
        }
    }

    fn trailers(&mut self, body: Vec<u8>) -> io::Result<(Vec<u8>, Fields, Ended)> {
        let mut trailers = Fields::default();
        loop {
            let Some(line) = self.through(b"\r\n")? else { return Ok((body, trailers, Ended::Cut)) };
            let line = String::from_utf8_lossy(&line);
            match line.trim_end().split_once(':') {
                Some((name, value)) => trailers.0.push((name.to_owned(), value.trim().to_owned())),
                None => return Ok((body, trailers, Ended::Whole)),
            }
        }
    }
}

/// What says where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// A length.
    Length(usize),
    /// The last chunk.
    Chunked,
    /// The end of the connection.
    Close,
}

impl Framing {
    /// Of the answer to a request by `method`.
    pub fn of_answer(method: &str, status: u16, fields: &Fields) -> Self {
        if method == "HEAD" || status == 204 || status == 304 || status < 200 {
            return Framing::Empty;
        }
        Framing::of(fields).unwrap_or(Framing::Close)
    }

    /// Of a request.
    pub fn of_request(fields: &Fields) -> Self {
        Framing::of(fields).unwrap_or(Framing::Empty)
    }

    fn of(fields: &Fields) -> Option<Self> {
        if fields.get("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().ends_with("chunked")) {
            return Some(Framing::Chunked);
        }
        fields.get("content-length").map(|v| Framing::Length(v.parse().unwrap_or_else(|_| panic!("length {v:?}"))))
    }
}

/// Whether an error of this kind means that the other side is gone.
fn is_end(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
    )
}

fn parse_head(bytes: &[u8]) -> Head {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    let fields = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Head { start, fields: Fields(fields), bytes: bytes.to_vec() }
}
