//! The body of an answer, read as it is asked for.

use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;

use super::super::proxy_header::Told;
use super::Wire;
use super::framing::{Framing, FramingError, Piece};
use super::request::Sender;
use super::stream::Stream;

/// Bytes read at once from a body, at first. Doubled as long as that much comes.
const READ_MIN: usize = 16 * 1_024;
/// Most bytes read at once; with what is on its way to the client, about twice this is held for one answer.
const READ_MAX: usize = 128 * 1_024;
/// How long a request's body may stand still once its answer has begun, before the rest of it is given up.
const PUMP_STALL: Duration = Duration::from_secs(30);

/// Why the body of an answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The connection broke.
    #[error("the connection broke in the middle of the answer")]
    Io(#[source] io::Error),
    /// The connection was closed.
    #[error("the connection was closed in the middle of the answer")]
    Closed,
    /// The stream was reset, or its connection broke.
    #[error("the stream broke in the middle of the answer")]
    Http2(#[source] hyper::Error),
    /// What came is no body.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBody {
    source: Source,
    framing: Framing,
    /// Whether the connection may carry another exchange.
    may_persist: bool,
    /// A piece that was found while it was looked whether the body ends there.
    next: Option<Result<Piece, FramingError>>,
    read: usize,
}

#[derive(Debug)]
enum Source {
    Own(Box<Wire>),
    /// The request's body is still on its way, in a task of its own: a client that does not read the answer before it
    /// has sent everything must not wait for itself.
    Shared(Arc<Mutex<Shared>>, BytesMut),
    Over(Option<Box<Wire>>),
}

/// A connection on which a request and its answer are under way at once.
#[derive(Debug)]
struct Shared {
    stream: Stream,
    /// Whom the server was told it is for.
    told: Option<Told>,
    /// Whether the request was written whole.
    is_sent: bool,
}

impl AnswerBody {
    /// A body that is read from `wire`.
    pub(super) fn new(wire: Box<Wire>, framing: Framing, may_persist: bool) -> Self {
        AnswerBody { source: Source::Own(wire), framing, may_persist, next: None, read: READ_MIN }.settled()
    }

    /// A body that comes while `sender` is still sending.
    pub(super) fn beside(wire: Wire, framing: Framing, may_persist: bool, sender: Sender) -> Self {
        let Wire { stream, read, told, .. } = wire;
        let stream = Arc::new(Mutex::new(Shared { stream, told, is_sent: false }));
        tokio::spawn(pump(Arc::clone(&stream), sender));
        let source = Source::Shared(stream, read);
        AnswerBody { source, framing, may_persist, next: None, read: READ_MIN }.settled()
    }

    fn settled(mut self) -> Self {
        if self.framing.is_done() {
            self.finish();
        }
        self
    }

    /// The connection, once the body is complete and if it can carry another exchange.
    pub fn wire(&mut self) -> Option<Box<Wire>> {
        match &mut self.source {
            Source::Over(wire) => wire.take(),
            Source::Own(_) | Source::Shared(..) => None,
        }
    }

    /// Whether all of it was handed out.
    pub fn is_end_stream(&self) -> bool {
        self.next.is_none() && matches!(self.source, Source::Over(_))
    }

    /// How much is to come.
    pub fn size_hint(&self) -> SizeHint {
        let next = match &self.next {
            Some(Ok(Piece::Data(data))) => data.len() as u64,
            _ => 0,
        };
        match self.framing.exact() {
            Some(left) => SizeHint::with_exact(left.saturating_add(next)),
            None => SizeHint::default(),
        }
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        let piece = match self.next.take() {
            Some(piece) => piece.map_err(CutError::Framing),
            None => ready!(self.poll_piece(cx)),
        };
        Poll::Ready(match piece {
            Ok(Piece::Data(data)) => {
                self.look_ahead();
                Some(Ok(Frame::data(data)))
            }
            Ok(Piece::Trailers(trailers)) => {
                self.finish_if_done();
                Some(Ok(Frame::trailers(*trailers)))
            }
            Ok(Piece::End | Piece::More) => {
                self.finish_if_done();
                None
            }
            Err(error) => {
                self.source = Source::Over(None);
                Some(Err(error))
            }
        })
    }

    /// The next piece; never [`Piece::More`].
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, CutError>> {
        loop {
            let filled = match &mut self.source {
                Source::Over(_) => return Poll::Ready(Ok(Piece::End)),
                Source::Own(wire) => match self.framing.take(&mut wire.read)? {
                    Piece::More => ready!(wire.poll_fill(cx, self.read)),
                    piece => return Poll::Ready(Ok(piece)),
                },
                Source::Shared(stream, read) => match self.framing.take(read)? {
                    Piece::More => ready!(stream.lock().stream.poll_fill(cx, read, self.read)),
                    piece => return Poll::Ready(Ok(piece)),
                },
            };
            match filled.map_err(CutError::Io)? {
                0 if self.framing.ends_with_connection() => {
                    self.source = Source::Over(None);
                    return Poll::Ready(Ok(Piece::End));
                }
                0 => return Poll::Ready(Err(CutError::Closed)),
                n if n >= self.read => self.read = (self.read * 2).min(READ_MAX),
                _ => {}
            }
        }
    }

    /// Looks whether the body ends with the piece just taken, so that the last piece goes out as the last, and the
    /// connection is free as soon as it is.
    fn look_ahead(&mut self) {
        let buf = match &mut self.source {
            Source::Own(wire) => &mut wire.read,
            Source::Shared(_, read) => read,
            Source::Over(_) => return,
        };
        if !self.framing.is_done() && !buf.is_empty() {
            match self.framing.take(buf) {
                Ok(Piece::More | Piece::End) => {}
                // What came before a fault is still good; the next call tells of it.
                piece => self.next = Some(piece),
            }
        }
        self.finish_if_done();
    }

    fn finish_if_done(&mut self) {
        if self.framing.is_done() && self.next.is_none() {
            self.finish();
        }
    }

    /// The body is complete: the connection is free, unless bytes follow that nobody asked for.
    fn finish(&mut self) {
        let wire = match std::mem::replace(&mut self.source, Source::Over(None)) {
            Source::Own(wire) => Some(wire),
            // One that owes the rest of a request would take the next request for it.
            Source::Shared(shared, read) => Arc::into_inner(shared)
                .map(Mutex::into_inner)
                .filter(|shared| shared.is_sent)
                .map(|Shared { stream, told, .. }| Box::new(Wire { stream, read, write: Vec::new(), told })),
            Source::Over(wire) => wire,
        };
        let wire = wire.filter(|wire| self.may_persist && wire.read.is_empty());
        self.source = Source::Over(wire.map(|mut wire| {
            if wire.read.capacity() > READ_MIN {
                wire.read = BytesMut::new();
            }
            wire
        }));
    }
}

/// Writes the rest of a request whose answer has begun. Ends when all is written, the client or the server breaks off,
/// or nothing moves for [`PUMP_STALL`].
async fn pump(shared: Arc<Mutex<Shared>>, mut sender: Sender) {
    let mut stall = Box::pin(tokio::time::sleep(PUMP_STALL));
    let mut seen = sender.written();
    poll_fn(|cx| {
        let mut locked = shared.lock();
        if let Poll::Ready(sent) = sender.poll_send(cx, &mut locked.stream) {
            locked.is_sent = sent.is_ok();
            return Poll::Ready(());
        }
        drop(locked);
        while stall.as_mut().poll(cx).is_ready() {
            if sender.written() == seen {
                return Poll::Ready(());
            }
            seen = sender.written();
            stall.as_mut().reset(tokio::time::Instant::now() + PUMP_STALL);
        }
        Poll::Pending
    })
    .await;
}

/// Whether a field of a head asks for a longer or shorter life of an idle connection: `Keep-Alive: timeout=5`.
pub fn idle_seconds(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    value.split(',').find_map(|p| p.trim().strip_prefix("timeout=")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_LENGTH;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::proxy::body::RequestBody;
    use crate::proxy::upstream::h1::head::BodyFraming;

    /// Whether the connection may be used again after an answer that came while a request with this length, which has
    /// no body to send, was under way.
    async fn is_kept(length: &'static str) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, length.parse().unwrap())]);
        let sender = Sender::new(b"head".to_vec(), &headers, RequestBody::Empty, BodyFraming::Plain);
        let mut body = AnswerBody::beside(*Wire::new(Stream::Tcp(ours)), Framing::Length(2), true, sender);
        if length == "0" {
            server.read_exact(&mut [0; 4]).await.unwrap();
        }
        // The pump has its turn, and ends.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        server.write_all(b"ok").await.unwrap();
        let frame = poll_fn(|cx| body.poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "ok");
        body.is_end_stream() && body.wire().is_some()
    }

    #[tokio::test]
    async fn a_connection_that_owes_the_rest_of_a_request_is_not_kept() {
        assert!(is_kept("0").await);
        assert!(!is_kept("5").await);
    }
}
