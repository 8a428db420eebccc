//! Requests of HTTP/1 that two parsers could read differently, made unreadable before hyper reads them its own way.
//!
//! hyper takes a bare line feed for the end of a line, drops `Content-Length` where `Transfer-Encoding` stands beside it
//! or where it is repeated, and cuts a fragment off the target, all before a handler sees the request (RFC 9112 sections
//! 2.2, 6.3 and 3.2). So the bytes are looked at on their way to hyper: what is wrong has the end of its line replaced by
//! a byte that no head may hold, and hyper refuses the request with 400 and closes the connection.
//!
//! Bodies are stepped over by the same framing, so that the next head on the connection is looked at too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::ConnectionClock;

/// Bytes of a line that are kept when it comes in pieces. A length that needs more is refused.
const LINE_MAX: usize = 64;
/// A byte that may stand nowhere in a head.
const UNREADABLE: u8 = 0;

/// A stream of requests, looked at as it is read.
#[derive(Debug)]
pub struct Strict<S> {
    inner: S,
    clock: Arc<ConnectionClock>,
    scan: Scan,
}

impl<S> Strict<S> {
    /// Looks at what is read from `inner`.
    pub fn new(inner: S, clock: Arc<ConnectionClock>) -> Self {
        Strict { inner, clock, scan: Scan::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        if !this.scan.is_over() {
            if this.clock.is_tunnel() {
                this.scan.stop();
            } else if let Err(cause) = this.scan.look_at(&mut buf.filled_mut()[before..]) {
                this.clock.set_malformed(cause);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}

/// Where in the stream we are.
#[derive(Debug)]
enum Phase {
    Head(Head),
    /// So many bytes of a body are left.
    Body(u64),
    /// In the line that tells a chunk's size.
    Size,
    /// So many bytes of a chunk, its line end included, are left.
    Chunk(u64),
    /// After the last chunk.
    Trailers,
    /// Nothing is looked at any more.
    Over,
}

/// What a head has said so far.
#[derive(Debug, Default)]
struct Head {
    lines: usize,
    empty_lines: usize,
    length: Option<u64>,
    is_chunked: bool,
}

#[derive(Debug)]
struct Scan {
    phase: Phase,
    /// The front of the line that has come in part, and its whole length so far.
    line: [u8; LINE_MAX],
    line_len: usize,
    last: u8,
}

impl Default for Scan {
    fn default() -> Self {
        Scan { phase: Phase::Head(Head::default()), line: [0; LINE_MAX], line_len: 0, last: 0 }
    }
}

impl Scan {
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn stop(&mut self) {
        self.phase = Phase::Over;
    }

    /// Looks at the next bytes. What is wrong first is made unreadable, and nothing after it is looked at.
    fn look_at(&mut self, bytes: &mut [u8]) -> Result<(), &'static str> {
        let mut at = 0;
        while at < bytes.len() {
            at += match &mut self.phase {
                Phase::Over => return Ok(()),
                Phase::Body(left) | Phase::Chunk(left) => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    *left -= n as u64;
                    if *left == 0 {
                        self.phase = match self.phase {
                            Phase::Chunk(_) => Phase::Size,
                            _ => Phase::Head(Head::default()),
                        };
                    }
                    n
                }
                Phase::Head(_) | Phase::Size | Phase::Trailers => {
                    let Some(end) = bytes[at..].iter().position(|b| *b == b'\n') else {
                        return self.part_of_line(&bytes[at..]).inspect_err(|_| {
                            self.stop();
                            bytes[at] = UNREADABLE;
                        });
                    };
                    if let Err(cause) = self.end_of_line(&bytes[at..=at + end]) {
                        self.stop();
                        bytes[at + end] = UNREADABLE;
                        return Err(cause);
                    }
                    end + 1
                }
            };
        }
        Ok(())
    }

    fn part_of_line(&mut self, piece: &[u8]) -> Result<(), &'static str> {
        self.check_target(piece)?;
        self.keep(piece);
        Ok(())
    }

    fn keep(&mut self, piece: &[u8]) {
        if let Some(room) = self.line.get_mut(self.line_len..) {
            let n = room.len().min(piece.len());
            room[..n].copy_from_slice(&piece[..n]);
        }
        self.line_len = self.line_len.saturating_add(piece.len());
        self.last = piece.last().copied().unwrap_or(self.last);
    }

    /// A target has no fragment (RFC 9112 section 3.2), and nothing else in the first line has that byte.
    fn check_target(&self, piece: &[u8]) -> Result<(), &'static str> {
        match &self.phase {
            Phase::Head(head) if head.lines == 0 && piece.contains(&b'#') => Err("fragment"),
            _ => Ok(()),
        }
    }

    /// A line is whole: what was kept of it, and `piece`, which ends it.
    fn end_of_line(&mut self, piece: &[u8]) -> Result<(), &'static str> {
        self.check_target(piece)?;
        let before_end = if piece.len() > 1 { piece[piece.len() - 2] } else { self.last };
        if before_end != b'\r' {
            return Err("bare_line_feed");
        }
        if self.line_len == 0 {
            return self.line(&piece[..piece.len() - 2], piece.len() > LINE_MAX);
        }
        self.keep(piece);
        let (whole, line) = (self.line_len, self.line);
        (self.line_len, self.last) = (0, 0);
        self.line(&line[..(whole - 2).min(LINE_MAX)], whole > LINE_MAX)
    }

    /// `line` without its end, or the front of it if it `is_long`.
    fn line(&mut self, line: &[u8], is_long: bool) -> Result<(), &'static str> {
        match &mut self.phase {
            Phase::Head(head) if line.is_empty() => {
                if head.lines == 0 {
                    head.empty_lines += 1;
                    return if head.empty_lines > 1 { Err("empty_lines") } else { Ok(()) };
                }
                self.phase = match (head.is_chunked, head.length) {
                    (true, _) => Phase::Size,
                    (false, None | Some(0)) => Phase::Head(Head::default()),
                    (false, Some(length)) => Phase::Body(length),
                };
                Ok(())
            }
            Phase::Head(head) => head.line(line, is_long),
            Phase::Size => {
                let digits = line.iter().take_while(|b| b.is_ascii_hexdigit());
                let size = digits.fold(0_u64, |n, b| n.saturating_mul(16).saturating_add(value_of(*b)));
                self.phase = if size == 0 { Phase::Trailers } else { Phase::Chunk(size.saturating_add(2)) };
                Ok(())
            }
            Phase::Trailers if line.is_empty() => {
                self.phase = Phase::Head(Head::default());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn value_of(digit: u8) -> u64 {
    u64::from(char::from(digit).to_digit(16).unwrap_or(0))
}

impl Head {
    fn line(&mut self, line: &[u8], is_long: bool) -> Result<(), &'static str> {
        self.lines += 1;
        // Only two names matter, and few others begin like them.
        if self.lines == 1 || !line.first().is_some_and(|b| matches!(b, b'c' | b'C' | b't' | b'T')) {
            return Ok(());
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else { return Ok(()) };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.is_chunked {
                return Err("two_lengths");
            }
            let digits = std::str::from_utf8(value.trim_ascii()).ok().filter(|_| !is_long);
            let length = digits.filter(|d| d.bytes().all(|b| b.is_ascii_digit())).and_then(|d| d.parse().ok());
            let (Some(length), None) = (length, self.length) else { return Err("content_length") };
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.length.is_some() {
                return Err("two_lengths");
            }
            self.is_chunked = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Looks at `text` cut into pieces; what was wrong, and what hyper would get to read.
    fn look(text: &str, cuts: &[usize]) -> (Option<&'static str>, String) {
        let mut scan = Scan::default();
        let (mut bytes, mut at, mut wrong) = (text.as_bytes().to_vec(), 0, None);
        for cut in cuts.iter().cycle() {
            if at == bytes.len() {
                break;
            }
            let end = bytes.len().min(at + cut);
            wrong = wrong.or(scan.look_at(&mut bytes[at..end]).err());
            at = end;
        }
        (wrong, String::from_utf8(bytes).unwrap())
    }

    const WRONG: [(&str, &str); 14] = [
        ("POST /a HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "two_lengths"),
        ("POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n", "two_lengths"),
        ("POST /a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "content_length"),
        ("POST /a HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", "content_length"),
        ("POST /a HTTP/1.1\r\nContent-Length:\r\n\r\n", "content_length"),
        ("POST /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "content_length"),
        (
            "POST /a HTTP/1.1\r\nContent-Length: 00000000000000000000000000000000000000000000000000000000005\r\n\r\n",
            "content_length",
        ),
        ("GET /a HTTP/1.1\nHost: a\r\n\r\n", "bare_line_feed"),
        ("GET /a HTTP/1.1\r\nHost: a\n\r\n", "bare_line_feed"),
        ("GET /a HTTP/1.1\r\nHost: a\r\n\n", "bare_line_feed"),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "fragment"),
        ("\r\n\r\nGET /a HTTP/1.1\r\n\r\n", "empty_lines"),
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\n\r\n", "bare_line_feed"),
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\nY: b\r\n\r\n", "bare_line_feed"),
    ];

    const GOOD: [&str; 7] = [
        "GET /a HTTP/1.1\r\nHost: a\r\nX-Fragment: #\r\n\r\n",
        "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a HTTP/1.1\r\nContent-Length: 12\r\n\r\na#\nb\n\nGET\r\n\n",
        "POST /a HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n#\n\n\n\n\n\n\n\n\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n",
        "PUT /b HTTP/1.1\r\nTE: trailers\r\nContent-Type: text/plain\r\ncontent-length:\t3\r\n\r\nabc",
    ];

    proptest! {
        #[test]
        fn what_is_wrong_is_found_behind_anything(
            before in proptest::collection::vec(0..GOOD.len(), 0..4),
            which in 0..WRONG.len(),
            cuts in proptest::collection::vec(1..40_usize, 1..20),
        ) {
            let (wrong, cause) = WRONG[which];
            let front: String = before.iter().map(|g| GOOD[*g]).collect();
            let (found, seen) = look(&format!("{front}{wrong}"), &cuts);
            prop_assert_eq!(found, Some(cause));
            prop_assert!(seen.starts_with(&front));
            prop_assert_eq!(seen.matches('\0').count(), 1);
        }

        #[test]
        fn what_is_right_passes_untouched(
            which in proptest::collection::vec(0..GOOD.len(), 1..6),
            cuts in proptest::collection::vec(1..40_usize, 1..20),
        ) {
            let text: String = which.iter().map(|g| GOOD[*g]).collect();
            prop_assert_eq!(look(&text, &cuts), (None, text));
        }

        #[test]
        fn nothing_makes_it_fall_over(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), any::<u8>()], 0..300),
            cut in 1..50_usize,
        ) {
            let (mut scan, mut bytes) = (Scan::default(), bytes);
            for piece in bytes.chunks_mut(cut) {
                let _ = scan.look_at(piece);
            }
        }
    }
}
