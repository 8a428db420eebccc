//! Where the body of an answer ends (RFC 9112 sections 6 and 7).

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

/// Most hexadecimal digits of a chunk's size.
const SIZE_DIGITS_MAX: usize = 16;
/// Longest line of a chunk's size with its extensions, which are ignored.
const SIZE_LINE_MAX: usize = 1_024;
/// Bytes of extensions in one body; more of them carry nothing but the wish to be a nuisance.
const EXTENSIONS_MAX: usize = 16 * 1_024;
/// Most bytes of trailers.
const TRAILERS_MAX: usize = 16 * 1_024;
/// Most trailers.
const TRAILER_FIELDS_MAX: usize = 64;

/// What is wrong with an answer's framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Two lengths, a list of lengths, a length that is no number, or a transfer coding besides `chunked`.
    #[error("the answer's length is told in no way, or in two")]
    Length,
    /// A chunk that is none.
    #[error("a chunk of the answer cannot be read")]
    Chunk,
    /// Trailers that are none, or too many.
    #[error("the trailers of the answer cannot be read")]
    Trailers,
}

/// How the body ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// After so many more bytes; 0 from the start where there is no body.
    Length(u64),
    /// After the last chunk.
    Chunked(Chunked),
    /// With the connection.
    Close,
}

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunked {
    part: Part,
    extensions: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

/// The next piece of a body.
#[derive(Debug)]
pub enum Piece {
    /// Some of it.
    Data(Bytes),
    /// What stood behind the last chunk; never empty.
    Trailers(Box<HeaderMap>),
    /// It is complete.
    End,
    /// More bytes have to come first.
    More,
}

impl Framing {
    /// The framing of an answer to a request by `method`.
    ///
    /// # Errors
    /// When the head tells the length in two ways, or in one that is not understood (RFC 9112 section 6.3).
    pub fn of(
        method: &Method,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, FramingError> {
        let (mut lengths, mut codings) =
            (headers.get_all(CONTENT_LENGTH).iter(), headers.get_all(TRANSFER_ENCODING).iter());
        let framing = match (lengths.next(), codings.next()) {
            (None, None) => Framing::Close,
            (Some(length), None) if lengths.next().is_none() => {
                Framing::Length(plain_number(length).ok_or(FramingError::Length)?)
            }
            (None, Some(coding)) if codings.next().is_none() && version == Version::HTTP_11 => {
                match coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    true => Framing::Chunked(Chunked { part: Part::Size, extensions: 0 }),
                    false => return Err(FramingError::Length),
                }
            }
            _ => return Err(FramingError::Length),
        };
        let is_bodiless = *method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(if is_bodiless { Framing::Length(0) } else { framing })
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        match self {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(chunked) => chunked.part == Part::Done,
            Framing::Close => false,
        }
    }

    /// Bytes that are still to come, where they are known.
    pub fn exact(&self) -> Option<u64> {
        match self {
            Framing::Length(left) => Some(*left),
            Framing::Chunked(chunked) if chunked.part == Part::Done => Some(0),
            Framing::Chunked(_) | Framing::Close => None,
        }
    }

    /// Whether the end of the connection is the end of the body.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self, Framing::Close)
    }

    /// Takes the next piece out of `buf`. What follows the body stays there.
    ///
    /// # Errors
    /// When what comes is no chunk, or no trailer.
    pub fn take(&mut self, buf: &mut BytesMut) -> Result<Piece, FramingError> {
        match self {
            Framing::Length(0) => Ok(Piece::End),
            _ if buf.is_empty() && !self.is_done() => Ok(Piece::More),
            Framing::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                *left -= n as u64;
                Ok(Piece::Data(buf.split_to(n).freeze()))
            }
            Framing::Chunked(chunked) => chunked.take(buf),
            Framing::Close => Ok(Piece::Data(buf.split().freeze())),
        }
    }
}

impl Chunked {
    fn take(&mut self, buf: &mut BytesMut) -> Result<Piece, FramingError> {
        loop {
            match &mut self.part {
                Part::Size => {
                    let Some(line) = line_of(buf, SIZE_LINE_MAX)? else { return Ok(Piece::More) };
                    let (size, digits) = size_of(&buf[..line])?;
                    self.extensions += line - digits;
                    if self.extensions > EXTENSIONS_MAX {
                        return Err(FramingError::Chunk);
                    }
                    buf.advance(line + 2);
                    self.part = if size == 0 { Part::Trailers } else { Part::Data(size) };
                }
                Part::Data(0) => self.part = Part::DataEnd,
                Part::Data(left) => {
                    if buf.is_empty() {
                        return Ok(Piece::More);
                    }
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                    *left -= n as u64;
                    return Ok(Piece::Data(buf.split_to(n).freeze()));
                }
                Part::DataEnd => {
                    match buf.get(..2) {
                        Some(b"\r\n") => buf.advance(2),
                        Some(_) => return Err(FramingError::Chunk),
                        None if buf.first().is_some_and(|b| *b != b'\r') => return Err(FramingError::Chunk),
                        None => return Ok(Piece::More),
                    }
                    self.part = Part::Size;
                }
                Part::Trailers => {
                    let Some(trailers) = trailers_of(buf)? else { return Ok(Piece::More) };
                    self.part = Part::Done;
                    if !trailers.is_empty() {
                        return Ok(Piece::Trailers(Box::new(trailers)));
                    }
                }
                Part::Done => return Ok(Piece::End),
            }
        }
    }
}

/// Length of the first line of `buf` without its CRLF; `None` while it is not whole.
fn line_of(buf: &[u8], max: usize) -> Result<Option<usize>, FramingError> {
    match buf.iter().take(max + 2).position(|b| *b == b'\n') {
        Some(at) if at > 0 && buf[at - 1] == b'\r' && !buf[..at - 1].contains(&b'\r') => Ok(Some(at - 1)),
        Some(_) => Err(FramingError::Chunk),
        None if buf.len() > max => Err(FramingError::Chunk),
        None => Ok(None),
    }
}

/// The size at the front of a chunk's line, and how many digits it has. What follows must be an extension.
fn size_of(line: &[u8]) -> Result<(u64, usize), FramingError> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    let has_bad_rest = !rest.is_empty() && !rest.starts_with(b";");
    let has_bare_space = rest.is_empty() && digits != line.len();
    let is_control = |b: &u8| b.is_ascii_control() && *b != b'\t';
    if digits == 0 || digits > SIZE_DIGITS_MAX || has_bad_rest || has_bare_space || rest.iter().any(is_control) {
        return Err(FramingError::Chunk);
    }
    let value = |b: &u8| u64::from(char::from(*b).to_digit(16).unwrap_or(0));
    Ok((line[..digits].iter().fold(0, |n, b| n << 4 | value(b)), digits))
}

/// The trailers at the front of `buf`, taken out of it; `None` while they are not whole.
fn trailers_of(buf: &mut BytesMut) -> Result<Option<HeaderMap>, FramingError> {
    if buf.starts_with(b"\r\n") {
        buf.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let end = match buf.windows(4).take(TRAILERS_MAX).position(|w| w == b"\r\n\r\n") {
        Some(at) => at + 4,
        None if buf.len() >= TRAILERS_MAX => return Err(FramingError::Trailers),
        None => return Ok(None),
    };
    let text = buf.split_to(end).freeze();
    if has_bare_line_end(&text) {
        return Err(FramingError::Trailers);
    }
    let mut fields = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(&text, &mut fields) else {
        return Err(FramingError::Trailers);
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| FramingError::Trailers)?;
        let value = HeaderValue::from_maybe_shared(text.slice_ref(field.value)).map_err(|_| FramingError::Trailers)?;
        trailers.append(name, value);
    }
    Ok(Some(trailers))
}

/// Whether a carriage return or a line feed stands without the other. Some readers take either for the end of a line.
pub(super) fn has_bare_line_end(text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.first(), text.last()) else { return false };
    // Without an early end, so that many bytes are looked at at once.
    let is_bare = |(a, b): (&u8, &u8)| (*a == b'\r') != (*b == b'\n');
    *first == b'\n' || *last == b'\r' || text.iter().zip(&text[1..]).fold(false, |bare, pair| bare | is_bare(pair))
}

fn plain_number(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Whether the connection may carry another exchange after an answer with these fields (RFC 9112 section 9.3).
pub fn persists(version: Version, headers: &HeaderMap) -> bool {
    let says_close = |value: &HeaderValue| {
        value.as_bytes().split(|b| *b == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    version == Version::HTTP_11 && !headers.get_all(CONNECTION).iter().any(says_close)
}
