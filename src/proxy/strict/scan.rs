//! Where heads, bodies and chunks of a stream of requests begin and end, and what must not stand in their lines.

/// Bytes of a line that are kept when it comes in pieces. A length or a coding that needs more is refused.
const LINE_MAX: usize = 64;
/// Longest line that tells a chunk's size, and all of one body's together: the rest of them are extensions, which nobody
/// needs and which are dropped (RFC 9112 section 7.1.1).
const SIZE_LINE_MAX: usize = 1_024;
/// About 16 KiB of extensions. A size line of its own, without one, is not counted in full: a body may have any number
/// of chunks.
const EXTENSIONS_MAX: usize = 16_384;
/// Digits of a chunk's size: more would not fit into 64 bits, or begin with zeros that some reader stops at.
const SIZE_DIGITS_MAX: usize = 16;
/// Longest body that can be declared: what fits into 63 bits is read alike everywhere.
const LENGTH_MAX: u64 = i64::MAX as u64;
/// Half of the smallest head that is ever too large.
const LONG_TARGET: usize = 4_096;
/// A byte that may stand nowhere in a head.
const UNREADABLE: u8 = 0;
/// The cause of a refusal for a transfer coding that exists and is not served.
pub(super) const UNSERVED_CODING: &str = "unserved_coding";

/// What is wrong with a stream of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong {
    /// For the metric.
    pub(super) cause: &'static str,
    /// Whether it stands in a head; otherwise in the lines that frame a body.
    pub(super) is_in_head: bool,
    /// Bytes before the line, or the piece of it, that is wrong.
    pub(super) at: usize,
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
pub(super) struct Scan {
    phase: Phase,
    /// The front of the line that has come in part, and its whole length so far.
    line: [u8; LINE_MAX],
    line_len: usize,
    last: u8,
    /// Bytes of extensions of this body's chunks.
    extensions: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Scan { phase: Phase::Head(Head::default()), line: [0; LINE_MAX], line_len: 0, last: 0, extensions: 0 }
    }
}

impl Scan {
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Looks at nothing any more.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Over;
    }

    /// Whether the last request has ended and nothing of the next one has come.
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(&self.phase, Phase::Head(head) if head.lines == 0 && head.empty_lines == 0) && self.line_len == 0
    }

    /// Whether something of a head has come, an empty line before it aside, and not all of it.
    pub(super) fn has_begun_head(&self) -> bool {
        matches!(&self.phase, Phase::Head(head) if head.lines > 0 || self.line_len > 0)
    }

    /// Whether the first line of a head has become long and not ended: where a head is too large, it is for its target.
    pub(super) fn is_in_long_target(&self) -> bool {
        matches!(&self.phase, Phase::Head(head) if head.lines == 0) && self.line_len > LONG_TARGET
    }

    /// Looks at the next bytes. What is wrong first is made unreadable, and nothing after it is looked at.
    ///
    /// # Errors
    /// With what is wrong, and whether it stands in a head.
    pub(super) fn look_at(&mut self, bytes: &mut [u8]) -> Result<(), Wrong> {
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
                    let Some(end) = memchr::memchr(b'\n', &bytes[at..]) else {
                        return self.part_of_line(&bytes[at..]).map_err(|cause| {
                            bytes[at] = UNREADABLE;
                            self.is_wrong(cause, at)
                        });
                    };
                    if let Err(cause) = self.end_of_line(&bytes[at..=at + end]) {
                        bytes[at + end] = UNREADABLE;
                        return Err(self.is_wrong(cause, at));
                    }
                    end + 1
                }
            };
        }
        Ok(())
    }

    fn is_wrong(&mut self, cause: &'static str, at: usize) -> Wrong {
        let is_in_head = matches!(self.phase, Phase::Head(_));
        self.stop();
        Wrong { cause, is_in_head, at }
    }

    fn part_of_line(&mut self, piece: &[u8]) -> Result<(), &'static str> {
        self.check_target(piece)?;
        self.keep(piece);
        match self.phase {
            Phase::Size if self.line_len > SIZE_LINE_MAX => Err("chunk"),
            _ => Ok(()),
        }
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
            Phase::Head(head) if head.lines == 0 && memchr::memchr(b'#', piece).is_some() => Err("fragment"),
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
        let whole = self.line_len.saturating_add(piece.len());
        if matches!(self.phase, Phase::Size) {
            self.extensions += whole.saturating_sub(SIZE_DIGITS_MAX + 2);
            if whole > SIZE_LINE_MAX || self.extensions > EXTENSIONS_MAX {
                return Err("chunk");
            }
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
                self.extensions = 0;
                self.phase = match (head.is_chunked, head.length) {
                    (true, _) => Phase::Size,
                    (false, None | Some(0)) => Phase::Head(Head::default()),
                    (false, Some(length)) => Phase::Body(length),
                };
                Ok(())
            }
            Phase::Head(head) => head.line(line, is_long),
            Phase::Size => {
                let count = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
                if count == 0 || count > SIZE_DIGITS_MAX || line.contains(&b'\r') {
                    return Err("chunk");
                }
                let size = line[..count].iter().fold(0_u64, |n, b| (n << 4) | value_of(*b));
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

/// Whether `value` names codings of RFC 9112 section 7 and then `chunked`: only that could be served if it were known
/// how (section 6.3).
fn names_known_coding(value: &[u8]) -> bool {
    let known = ["gzip", "x-gzip", "deflate", "compress", "x-compress"];
    let names = std::str::from_utf8(value).unwrap_or_default().rsplit_once(',');
    let is = |name: &str, wanted: &str| name.trim_matches([' ', '\t']).eq_ignore_ascii_case(wanted);
    names.is_some_and(|(before, last)| {
        is(last, "chunked") && before.split(',').all(|name| known.iter().any(|k| is(name, k)))
    })
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
            let length = length.filter(|n| *n <= LENGTH_MAX);
            let (Some(length), None) = (length, self.length) else { return Err("content_length") };
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.length.is_some() {
                return Err("two_lengths");
            }
            if self.is_chunked || is_long || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                let is_known = !self.is_chunked && !is_long && names_known_coding(value);
                return Err(if is_known { UNSERVED_CODING } else { "transfer_encoding" });
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
            wrong = wrong.or(scan.look_at(&mut bytes[at..end]).err().map(|w| w.cause));
            at = end;
        }
        (wrong, String::from_utf8(bytes).unwrap())
    }

    const WRONG: [(&str, &str); 21] = [
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
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", UNSERVED_CODING),
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "transfer_encoding"),
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", "transfer_encoding"),
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", "transfer_encoding"),
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", "transfer_encoding"),
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000005\r\nhello\r\n", "chunk"),
        ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n;x\r\nhello\r\n", "chunk"),
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

    #[test]
    fn extensions_have_a_bound() {
        let head = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunks = |length: usize, count: usize| {
            let chunk = format!("1;{}\r\na\r\n", "x".repeat(length));
            look(&format!("{head}{}0\r\n\r\n{}", chunk.repeat(count), GOOD[0]), &[7, 500, 33]).0
        };
        assert_eq!(chunks(SIZE_LINE_MAX - 4, 1), None);
        assert_eq!(chunks(SIZE_LINE_MAX - 3, 1), Some("chunk"));
        assert_eq!(chunks(1_014, 16), None);
        assert_eq!(chunks(1_014, 17), Some("chunk"));
        assert_eq!(chunks(14, 5_000), None, "any number of chunks");
    }

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
