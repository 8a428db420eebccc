//! One request and its answer on a shared connection.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::{Joined, Slot};
use crate::model::fields::Fields;
use crate::proxy::body::{BodyError, RequestBody};
use crate::proxy::upstream::Outgoing;
use crate::proxy::upstream::h1::body::CutError;
use crate::proxy::upstream::h1::exchange::{Failure, Fault};
use crate::proxy::upstream::h1::head::{AnswerHead, FIELDS_MAX, HeadError};
use crate::proxy::upstream::h1::request::announced;

/// Fields of a connection, which HTTP/2 has none of (RFC 9113 section 8.2.2). Those of the client's hop are gone already.
const OF_CONNECTION: [HeaderName; 3] = [CONNECTION, TRANSFER_ENCODING, UPGRADE];

/// The body of a request on its way to the server.
#[derive(Debug)]
pub(super) struct Sent {
    body: RequestBody,
    /// Trailers that the head announces: others are not sent, as nobody has looked at them.
    announced: Vec<HeaderName>,
    /// The stream is in use for as long as the request is, even if its answer came before.
    _slot: Arc<Slot>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        Poll::Ready(match frame.into_trailers() {
            Err(frame) => Some(Ok(frame)),
            Ok(trailers) => {
                let mut kept = HeaderMap::new();
                for (name, value) in trailers.iter().filter(|(name, _)| this.announced.contains(name)) {
                    kept.append(name.clone(), value.clone());
                }
                (!kept.is_empty()).then(|| Ok(Frame::trailers(kept)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(in crate::proxy::upstream) struct StreamBody {
    incoming: Incoming,
    slot: Option<Arc<Slot>>,
}

impl StreamBody {
    /// Whether all of it was handed out.
    pub(in crate::proxy::upstream) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// How much is to come.
    pub(in crate::proxy::upstream) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// The next piece.
    pub(in crate::proxy::upstream) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(CutError::Http2(error))),
            // A stream that was reset without an error ends like one that is whole; this one must not.
            None if !self.incoming.is_end_stream() => Some(Err(CutError::Closed)),
            None => None,
        };
        if !matches!(frame, Some(Ok(_))) || self.incoming.is_end_stream() {
            self.slot = None;
        }
        Poll::Ready(frame)
    }
}

impl Joined {
    /// Sends the request and waits for the head of its answer. Dropping the future resets the stream.
    pub(in crate::proxy::upstream) async fn send(
        mut self,
        request: Outgoing,
    ) -> Result<(AnswerHead, StreamBody), Failure> {
        let Outgoing { mut head, mut added, body } = request;
        if head.headers.contains_key(UPGRADE) {
            return Err(refused(Fault::NotHttp2("another protocol cannot be asked for")));
        }
        added.move_into(&mut head.headers);
        if let Err(fault) = translate(&mut head, self.is_tls) {
            return Err(refused(fault));
        }
        // Once it is on its way nobody gives the request back; without a body it can be made again.
        let again = matches!(body, RequestBody::Empty).then(|| head.clone());
        let announced = announced(&head.headers);
        let sent = Sent { body, announced, _slot: Arc::clone(&self.slot) };
        let answer = match self.sender.try_send_request(Request::from_parts(head, sent)).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.failure(error, again)),
        };
        let fault = |fault| Failure { fault, is_silent: false, was_written: true, request: None };
        let (head, incoming) = read(answer).map_err(fault)?;
        let slot = (!incoming.is_end_stream()).then_some(self.slot);
        Ok((head, StreamBody { incoming, slot }))
    }

    fn failure(&self, mut error: TrySendError<Request<Sent>>, again: Option<Parts>) -> Failure {
        let unsent = error.take_message();
        let error = error.into_error();
        let of_stream = error.source().and_then(|e| e.downcast_ref::<h2::Error>()).filter(|e| e.is_reset());
        let is_of_connection = of_stream.is_none();
        let is_refused = of_stream.is_some_and(|e| e.is_remote() && e.reason() == Some(h2::Reason::REFUSED_STREAM));
        if is_of_connection || is_refused {
            self.slot.0.is_spent.store(true, Ordering::Relaxed);
        }
        let was_written = unsent.is_none() && !is_refused;
        let request = match unsent.map(Request::into_parts) {
            Some((head, sent)) => Some((head, sent.body)),
            None => again.map(|head| (head, RequestBody::Empty)),
        };
        // A GOAWAY does not prove by itself that the stream was not looked at: the connection may just have ended after it.
        Failure {
            fault: Fault::Http2(error),
            is_silent: is_of_connection || is_refused,
            was_written,
            request: request.map(|(head, body)| Outgoing { head: with_host(head), added: Fields::default(), body }),
        }
    }
}

/// A request that no server can be asked in this way.
fn refused(fault: Fault) -> Failure {
    Failure { fault, is_silent: true, was_written: false, request: None }
}

/// Makes a head of HTTP/1.1 one of HTTP/2: the host stands in the target (RFC 9113 section 8.3.1).
fn translate(head: &mut Parts, is_tls: bool) -> Result<(), Fault> {
    let no_host = || Fault::NotHttp2("Host is no authority");
    let host = head.headers.remove(HOST).ok_or_else(no_host)?;
    let authority = Authority::from_maybe_shared(bytes::Bytes::copy_from_slice(host.as_bytes()));
    let mut target = http::uri::Parts::default();
    target.authority = Some(authority.map_err(|_| no_host())?);
    target.path_and_query = Some(head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    target.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    head.uri = Uri::from_parts(target).map_err(|_| no_host())?;
    head.version = Version::HTTP_2;
    head.extensions.clear();
    for name in OF_CONNECTION {
        head.headers.remove(name);
    }
    Ok(())
}

/// Puts the host back where the next attempt looks for it.
fn with_host(mut head: Parts) -> Parts {
    if let Some(host) = head.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok()) {
        head.headers.insert(HOST, host);
    }
    head
}

fn read(answer: Response<Incoming>) -> Result<(AnswerHead, Incoming), Fault> {
    let (head, body) = answer.into_parts();
    if head.status.is_informational() {
        return Err(Fault::Switched);
    }
    if head.status.as_u16() > 599 {
        return Err(HeadError::NotHttp.into());
    }
    if head.headers.len() > FIELDS_MAX {
        return Err(HeadError::TooLarge.into());
    }
    Ok((AnswerHead { status: head.status, version: head.version, headers: head.headers }, body))
}
