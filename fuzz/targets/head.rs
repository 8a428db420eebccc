//! A connection's bytes through the strict reader, hyper and the checks of a request: what passes is told once, and does
//! not depend on the pieces in which it came.

#![no_main]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use argus::model::request_path;
use argus::proxy::deadline::{Allowed, Connections, Turn};
use argus::proxy::normalize;
use argus::proxy::strict::Strict;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A head that is larger is cut at a place that depends on the pieces.
const INPUT_MAX: usize = 4_096;

/// A request as it would be decided about.
#[derive(Debug, PartialEq)]
struct Seen {
    method: String,
    target: String,
    headers: HeaderMap,
    refused: Option<&'static str>,
    body: Option<Bytes>,
}

/// A client that has sent `bytes`, which arrive in pieces, and reads nothing.
struct Client<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl AsyncRead for Client<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let n = self.piece.min(self.bytes.len()).min(buf.remaining());
        let (now, later) = self.bytes.split_at(n);
        buf.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn refused(request: &Request<Incoming>) -> Option<&'static str> {
    if let Err(malformed) = normalize::check(request) {
        return Some(malformed.cause);
    }
    if let Err(malformed) = normalize::host(request) {
        return Some(malformed.cause);
    }
    if request.uri().path() == "*" {
        return None;
    }
    request_path::read(request.uri().path()).err().map(|fault| fault.cause())
}

fn serve(bytes: &[u8], piece: usize) -> Vec<Seen> {
    let allowed = Allowed { head: Duration::from_secs(10), idle: Duration::from_secs(10) };
    let registered = Arc::new(Connections::default()).register(0, allowed);
    let clock = Arc::clone(&registered.clock);
    let seen = Mutex::new(Vec::new());
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let (turn, seen) = (Turn::begin(&clock), &seen);
        async move {
            let refused = refused(&request);
            let (head, body) = request.into_parts();
            let (method, target) = (head.method.to_string(), head.uri.to_string());
            let body = body.collect().await.ok().map(|body| body.to_bytes());
            seen.lock().unwrap().push(Seen { method, target, headers: head.headers, refused, body });
            let mut answer = Response::new(Full::new(Bytes::from_static(b"ok")));
            if refused.is_some() {
                *answer.status_mut() = http::StatusCode::BAD_REQUEST;
                answer.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
            }
            drop(turn);
            Ok::<_, Infallible>(answer)
        }
    });
    let io = TokioIo::new(Strict::new(Client { bytes, piece }, Arc::clone(&clock)));
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(16_384)
        .header_read_timeout(None)
        .half_close(true)
        .serve_connection(io, service);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _ = runtime.block_on(connection);
    seen.into_inner().unwrap()
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else { return };
    if bytes.len() > INPUT_MAX {
        return;
    }
    let whole = serve(bytes, usize::MAX);
    let pieces = serve(bytes, usize::from(*piece).max(1));
    assert_eq!(whole, pieces);
    for request in whole.iter().filter(|request| request.refused.is_none()) {
        let count = |name: &str| request.headers.get_all(name).iter().count();
        assert!(count("content-length") + count("transfer-encoding") <= 1, "{request:?}");
        assert!(count("host") <= 1, "{request:?}");
        assert!(!request.target.contains(['\\', '#', ' ']), "{request:?}");
    }
    if !whole.is_empty() {
        let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let end = bytes[start..].windows(4).position(|w| w == b"\r\n\r\n").map_or(bytes.len(), |at| start + at);
        let head = &bytes[start..end];
        let is_bare = |(at, byte): (usize, &u8)| *byte == b'\n' && (at == 0 || head[at - 1] != b'\r');
        assert!(!head.iter().enumerate().any(is_bare), "a line feed alone was taken for the end of a line");
    }
});
