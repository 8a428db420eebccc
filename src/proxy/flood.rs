//! HTTP/2 frames that cost their sender next to nothing, counted before they are read.
//!
//! A few bytes of SETTINGS, PING, PRIORITY, RST_STREAM, an empty DATA or a frame of unknown type make a server work, and
//! h2 answers as many as come (CVE-2019-9512, -9515, -9518, CVE-2023-44487 and their like). So the heads of frames are
//! looked at on their way to h2. Each kind has an allowance that ordinary clients never use up and that comes back with
//! time, or with what the frame is an answer to. Whoever uses one up is told to calm down: what h2 reads from then on is
//! a header block without end, which it answers with GOAWAY and `ENHANCE_YOUR_CALM` (RFC 9113 section 7).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::ConnectionClock;

/// Bytes of a frame's head (RFC 9113 section 4.1).
const HEAD: usize = 9;
/// Bytes of the preface, which is no frame.
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// What ends the connection: a HEADERS frame that does not end its block, then more CONTINUATION frames that do not
/// either than h2 takes for the largest list of fields that can be configured (80).
const CALM_FRAMES: usize = 128;
const CALM_BYTES: usize = HEAD * (CALM_FRAMES + 1);
/// A stream that no client has come to.
const CALM_STREAM: [u8; 4] = [0x7f, 0xff, 0xff, 0xff];

/// An allowance.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: u32,
    max: u32,
    /// What comes back every quarter of a second.
    back: u32,
}

impl Allowance {
    const fn new(max: u32, back: u32) -> Self {
        Allowance { left: max, max, back }
    }

    /// Takes one; whether there was one.
    fn take(&mut self) -> bool {
        let has = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has
    }

    fn give(&mut self, more: u32) {
        self.left = self.left.saturating_add(more).min(self.max);
    }
}

/// What a client may still send.
#[derive(Debug)]
struct Allowances {
    /// SETTINGS, PING, PRIORITY, GOAWAY, empty DATA and what is unknown. A browser sends a handful with each page.
    control: Allowance,
    /// RST_STREAM. Every stream that can be open may be given up at once, and of those that are opened over time a
    /// quarter.
    resets: Allowance,
    /// WINDOW_UPDATE, of which eager clients send two for each frame they got.
    windows: Allowance,
    /// HEADERS that open nothing: four of them give back one reset.
    headers: u32,
}

impl Default for Allowances {
    fn default() -> Self {
        Allowances {
            control: Allowance::new(1_000, 50),
            resets: Allowance::new(250, 5),
            windows: Allowance::new(2_000, 100),
            headers: 0,
        }
    }
}

impl Allowances {
    fn pass_time(&mut self, quarters: u32) {
        for allowance in [&mut self.control, &mut self.resets, &mut self.windows] {
            allowance.give(allowance.back.saturating_mul(quarters));
        }
    }

    /// Answers went out: so many bytes in one piece.
    fn wrote(&mut self, bytes: usize) {
        self.windows.give(2 + u32::try_from(bytes / 1_024).unwrap_or(u32::MAX));
    }

    /// A frame of this type and length came.
    fn frame(&mut self, kind: u8, len: usize) -> Result<(), &'static str> {
        let (allowed, cause) = match kind {
            // h2 itself has a bound for these.
            CONTINUATION => (true, ""),
            HEADERS => {
                self.headers = self.headers.wrapping_add(1);
                if self.headers.is_multiple_of(4) {
                    self.resets.give(1);
                }
                (true, "")
            }
            DATA if len > 0 => (true, ""),
            RST_STREAM => (self.resets.take(), "reset_flood"),
            WINDOW_UPDATE => (self.windows.take(), "window_flood"),
            _ => (self.control.take(), "frame_flood"),
        };
        if allowed { Ok(()) } else { Err(cause) }
    }
}

/// Follows a client's frames.
#[derive(Debug)]
struct Scan {
    allowances: Allowances,
    head: [u8; HEAD],
    have: usize,
    /// Bytes to step over before the next head.
    skip: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Scan { allowances: Allowances::default(), head: [0; HEAD], have: 0, skip: PREFACE }
    }
}

impl Scan {
    /// Takes in the next bytes of the connection, its preface included. The last of them, so many as
    /// [`have`](Self::have) says, begin a head that is not whole.
    ///
    /// # Errors
    /// When an allowance is used up: how many of these bytes come before the head of the frame that is too much, and
    /// what there was too much of.
    fn look_at(&mut self, bytes: &[u8]) -> Result<(), (usize, &'static str)> {
        let mut at = 0;
        while at < bytes.len() {
            if self.skip > 0 {
                let step = self.skip.min(bytes.len() - at);
                self.skip -= step;
                at += step;
                continue;
            }
            let begun = at;
            let step = (HEAD - self.have).min(bytes.len() - at);
            self.head[self.have..self.have + step].copy_from_slice(&bytes[at..at + step]);
            self.have += step;
            at += step;
            if self.have == HEAD {
                let len = usize::from(self.head[0]) << 16 | usize::from(self.head[1]) << 8 | usize::from(self.head[2]);
                self.allowances.frame(self.head[3], len).map_err(|cause| (begun, cause))?;
                (self.have, self.skip) = (0, len);
            }
        }
        Ok(())
    }
}

/// A client's HTTP/2 connection, its frames counted as they are read.
#[derive(Debug)]
pub struct Counted<S> {
    inner: S,
    clock: Arc<ConnectionClock>,
    scan: Scan,
    sweep: u32,
    /// Whether the head in `scan`, held back while it was not whole, is to be read now, and how much of it was.
    head_read: Option<usize>,
    /// Bytes of what ends the connection that were read.
    calmed: Option<usize>,
}

impl<S> Counted<S> {
    /// Counts the frames that are read from `inner`.
    pub fn new(inner: S, clock: Arc<ConnectionClock>) -> Self {
        let sweep = clock.sweep();
        Counted { inner, clock, scan: Scan::default(), sweep, head_read: None, calmed: None }
    }

    fn pass_time(&mut self) {
        let now = self.clock.sweep();
        if now != self.sweep {
            self.scan.allowances.pass_time(now.wrapping_sub(self.sweep));
            self.sweep = now;
        }
    }

    fn calm(&mut self, cause: &'static str) {
        self.clock.set_malformed(cause);
        self.calmed = Some(0);
    }
}

/// The byte at `at` of what ends the connection.
fn calming(at: usize) -> u8 {
    match at % HEAD {
        3 if at < HEAD => HEADERS,
        3 => CONTINUATION,
        place @ 5.. => CALM_STREAM[place - 5],
        _ => 0,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        this.pass_time();
        let before = buf.filled().len();
        loop {
            if let Some(read) = &mut this.calmed {
                while *read < CALM_BYTES && buf.remaining() > 0 {
                    buf.put_slice(&[calming(*read)]);
                    *read += 1;
                }
                return Poll::Ready(Ok(()));
            }
            if let Some(read) = this.head_read {
                let n = buf.remaining().min(HEAD - read);
                buf.put_slice(&this.scan.head[read..read + n]);
                this.head_read = (read + n < HEAD).then_some(read + n);
                return Poll::Ready(Ok(()));
            }
            if this.scan.have > 0 {
                // The rest of the head alone, so that nothing of it is read before it is known.
                let mut rest = [0; HEAD];
                let mut rest = ReadBuf::new(&mut rest[this.scan.have..]);
                ready!(Pin::new(&mut this.inner).poll_read(cx, &mut rest))?;
                if rest.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                match this.scan.look_at(rest.filled()) {
                    Ok(()) => this.head_read = (this.scan.have == 0).then_some(0),
                    Err((_, cause)) => this.calm(cause),
                }
                continue;
            }
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            match this.scan.look_at(&buf.filled()[before..]) {
                Ok(()) => buf.set_filled(buf.filled().len() - this.scan.have),
                Err((kept, cause)) => {
                    buf.set_filled(before + kept);
                    this.calm(cause);
                }
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.scan.allowances.wrote(written);
        Poll::Ready(Ok(written))
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
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        self.scan.allowances.wrote(written);
        Poll::Ready(Ok(written))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, len: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(len).unwrap().to_be_bytes();
        [&[a, b, c, kind, 0, 0, 0, 0, 1][..], &vec![7; len]].concat()
    }

    /// Sends `n` of each frame in turn, a quarter of a second after every hundred: what there was too much of.
    fn send(n: usize, frames: &[(u8, usize)]) -> Option<&'static str> {
        let mut scan = Scan::default();
        scan.look_at(&[0; PREFACE]).unwrap();
        for turn in 1..=n {
            for (kind, len) in frames {
                if let Err((0, cause)) = scan.look_at(&frame(*kind, *len)) {
                    return Some(cause);
                }
            }
            if turn.is_multiple_of(100) {
                scan.allowances.pass_time(1);
            }
        }
        None
    }

    #[test]
    fn what_is_cheap_to_send_is_bounded() {
        for kind in [2, 4, PING, 7, 99] {
            assert_eq!(send(900, &[(kind, 8)]), None);
            assert_eq!(send(9_000, &[(kind, 8)]), Some("frame_flood"), "{kind}");
        }
        assert_eq!(send(9_000, &[(DATA, 0)]), Some("frame_flood"));
        assert_eq!(send(9_000, &[(HEADERS, 40), (RST_STREAM, 4)]), Some("reset_flood"));
        assert_eq!(send(90_000, &[(WINDOW_UPDATE, 4), (PING, 8)]), Some("frame_flood"));
        assert_eq!(send(90_000, &[(WINDOW_UPDATE, 4), (WINDOW_UPDATE, 4)]), Some("window_flood"));
    }

    #[test]
    fn what_carries_something_is_not() {
        assert_eq!(send(9_000, &[(HEADERS, 40), (DATA, 1), (CONTINUATION, 0)]), None);
        // One request in five is given up.
        let five = [(HEADERS, 40), (HEADERS, 40), (HEADERS, 40), (HEADERS, 40), (HEADERS, 40), (RST_STREAM, 4)];
        assert_eq!(send(9_000, &five), None);
        let mut scan = Scan::default();
        for _ in 0..9_000 {
            scan.allowances.wrote(16_384);
            let both = [frame(WINDOW_UPDATE, 4), frame(WINDOW_UPDATE, 4)].concat();
            assert_eq!(scan.look_at(&both), Ok(()), "a download");
        }
    }

    proptest! {
        /// However the bytes are cut, the same frame is the one too much, and it is not let begin.
        #[test]
        fn cuts_change_nothing(
            frames in proptest::collection::vec((prop_oneof![Just(DATA), Just(HEADERS), Just(PING)], 0..40_usize), 0..40),
            cuts in proptest::collection::vec(1..60_usize, 1..20),
        ) {
            let mut bytes = vec![0; PREFACE];
            let (mut left, mut too_much) = (10, None);
            for (kind, len) in frames {
                if kind == PING || (kind == DATA && len == 0) {
                    too_much = too_much.or((left == 0).then_some(bytes.len()));
                    left -= u32::from(left > 0);
                }
                bytes.extend(frame(kind, len));
            }
            let mut scan = Scan::default();
            scan.allowances.control = Allowance::new(10, 0);
            let (mut at, mut held, mut found) = (0, 0, None);
            for cut in cuts.iter().cycle() {
                if at == bytes.len() || found.is_some() {
                    break;
                }
                let piece = &bytes[at..bytes.len().min(at + cut)];
                match scan.look_at(piece) {
                    Ok(()) => held = scan.have,
                    // A head that was held back began before this piece.
                    Err((kept, _)) => found = Some(if held > 0 && kept == 0 { at - held } else { at + kept }),
                }
                at += piece.len();
            }
            prop_assert_eq!(found, too_much);
        }
    }

    #[test]
    fn the_end_is_a_block_that_does_not_end() {
        let bytes: Vec<u8> = (0..CALM_BYTES).map(calming).collect();
        let heads: Vec<_> = bytes.chunks(HEAD).map(|c| (c[3], &c[..3], c[4], &c[5..])).collect();
        assert_eq!(heads[0], (HEADERS, &[0, 0, 0][..], 0, &CALM_STREAM[..]));
        assert!(heads[1..].iter().all(|h| *h == (CONTINUATION, &[0, 0, 0][..], 0, &CALM_STREAM[..])));
        assert_eq!(heads.len(), CALM_FRAMES + 1);
    }
}
