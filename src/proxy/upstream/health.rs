//! Active checks: a small request of Argus's own to every server, once per process and not per worker.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, USER_AGENT};
use http_body_util::Empty;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

use super::connect::Begin;
use super::endpoint::Endpoint;
use super::h1::Stream;
use super::h1::head::HEAD_MAX;
use super::{Prepared, connect, proxy_header};
use crate::model::upstream::{HealthCheck, Http2};

/// Checks of one upstream at once.
const AT_ONCE_MAX: usize = 32;
/// Bytes of an answer that are read: its status stands in the first fifteen.
const ANSWER_MAX: usize = 1_024;
/// Who asks.
const AGENT: &str = "argus-health";

/// Checks an upstream's servers for ever. May be dropped at any time.
pub(super) async fn keep(prepared: Arc<Prepared>, check: HealthCheck) {
    let mut turn = tokio::time::interval(check.every);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let check = Arc::new(check);
    loop {
        turn.tick().await;
        let mut running = JoinSet::new();
        for endpoint in prepared.endpoints().list.iter().map(Arc::clone) {
            if running.len() >= AT_ONCE_MAX {
                let _ = running.join_next().await;
            }
            running.spawn(one(Arc::clone(&prepared), endpoint, Arc::clone(&check)));
        }
        while running.join_next().await.is_some() {}
    }
}

async fn one(prepared: Arc<Prepared>, endpoint: Arc<Endpoint>, check: Arc<HealthCheck>) {
    let asked = tokio::time::timeout(check.timeout, status(&prepared, &endpoint, &check)).await;
    let why = match asked {
        Ok(Ok(status)) if check.expect.contains(status) => None,
        Ok(Ok(status)) => Some(format!("status {status}")),
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {:?}", check.timeout)),
    };
    let changed = endpoint.note_check(why.is_none(), &check, Instant::now());
    let (upstream, server) = (prepared.settings.name.as_str(), endpoint.to_string());
    match (changed, why) {
        (Some(false), Some(why)) => tracing::warn!(upstream, server, why, "a server is out of service"),
        (Some(true), _) => tracing::info!(upstream, server, "a server is back in service"),
        _ => {}
    }
}

async fn status(prepared: &Prepared, endpoint: &Endpoint, check: &HealthCheck) -> io::Result<u16> {
    let settings = &prepared.settings;
    let header = settings.proxy_protocol.map(|version| proxy_header::header(version, None)).unwrap_or_default();
    let begin = Begin {
        tls: prepared.tls.as_ref(),
        server_name: settings.tls.server_name.as_deref(),
        http1: false,
        header: &header,
    };
    let stream = connect::open(endpoint, begin).await.map_err(io::Error::other)?;
    if settings.http2 == Http2::Auto && endpoint.url.tls {
        endpoint.note_choice(stream.has_chosen_http2());
    }
    let host = endpoint.url.authority();
    if settings.http2 == Http2::Always || (settings.http2 == Http2::Auto && stream.has_chosen_http2()) {
        let scheme = if endpoint.url.tls { "https" } else { "http" };
        let request = Request::get(format!("{scheme}://{host}{}", check.path))
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "*/*")
            .body(Empty::<Bytes>::new())
            .map_err(io::Error::other)?;
        return exchange_http2(stream, request).await;
    }
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {AGENT}\r\naccept: */*\r\nconnection: close\r\n\r\n",
        check.path
    );
    exchange(stream, request.as_bytes()).await
}

/// Asks on a connection of HTTP/2, which ends with the future.
async fn exchange_http2(stream: Stream, request: Request<Empty<Bytes>>) -> io::Result<u16> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.max_header_list_size(HEAD_MAX as u32);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::select! {
        answer = sender.send_request(request) => Ok(answer.map_err(io::Error::other)?.status().as_u16()),
        ended = connection => Err(ended.err().map_or_else(|| io::ErrorKind::UnexpectedEof.into(), io::Error::other)),
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> io::Result<u16> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(ANSWER_MAX);
    while answer.len() < ANSWER_MAX && !answer.contains(&b'\n') {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    status_of(&answer).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

/// The status of `HTTP/1.1 200 OK` (RFC 9112 section 4).
fn status_of(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let [b'0'..=b'9', b' ', a, b, c, b' ' | b'\r' | b'\n', ..] = rest else { return None };
    let digits = [a, b, c].map(|d| char::from(*d).to_digit(10));
    digits.into_iter().try_fold(0, |n: u16, digit| Some(n * 10 + u16::try_from(digit?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (answer, status) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503 \r\n", Some(503)),
            ("HTTP/1.1 204\r\n", Some(204)),
            ("HTTP/1.1 2000 OK\r\n", None),
            ("HTTP/2 200\r\n", None),
            ("HTTP/1.1 +20 x", None),
            ("SSH-2.0", None),
            ("", None),
        ] {
            assert_eq!(status_of(answer.as_bytes()), status, "{answer:?}");
        }
    }
}
