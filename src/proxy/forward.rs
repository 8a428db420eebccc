//! Forwarding: the only consumer of [`Admitted`]. Headers rewritten, the upstream asked, its answer handed back.

mod head;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::Request;
use http::header::{HOST, UPGRADE};
use http_body::Body;
use hyper::body::Incoming;

use super::affinity;
use super::body::{BodyProgress, RequestBody};
use super::deadline::Upload;
use super::grpc;
use super::pace::Pace;
use super::rejection::Refused;
use super::request::Arrival;
use super::rules;
use super::upgrade::{self, Switch};
use super::upstream::h1::exchange::{Failure, Fault};
use super::upstream::{Answer as FromServer, Group, Lease, Outgoing, Reply, Told, UpstreamError, Wanted};
use crate::admission::Admitted;
use crate::model::route_rules::BodySize;
use crate::model::upstream::{Http2, RetryOn};
use crate::record::Ticket;

/// What came of forwarding.
#[derive(Debug)]
pub enum Answer {
    /// An answer to pass on.
    Response(UpstreamAnswer),
    /// The request was meant for Argus, as the last of the hops it may take; Argus answers for itself.
    LastHop,
    /// A browser asked beforehand what a page may do; Argus answers for itself.
    Preflight,
    /// The upstream agreed to speak another protocol.
    Switched(Switch),
}

/// The upstream's answer.
#[derive(Debug)]
pub struct UpstreamAnswer {
    /// Head and body.
    pub answer: FromServer,
    /// How long its body may stand still.
    pub stall: Duration,
    /// When its body must have come to its end.
    pub deadline: Option<Instant>,
    /// Most bytes of its body.
    pub bytes_max: u64,
}

/// Sends an admitted request to its upstream.
///
/// # Errors
/// When the upstream cannot be reached or does not answer as HTTP demands, or the request turns out too large.
pub async fn forward(
    arrival: &Arrival,
    admitted: Admitted,
    mut request: Request<Incoming>,
    ticket: &mut Ticket,
) -> Result<Answer, Refused> {
    let active = admitted.route();
    let Some(group) = arrival.view.upstream(active.index).cloned() else { return Err(Refused::Internal) };
    let switch = upgrade::wanted(&mut request)?;
    let caller = affinity::caller(&group.settings().balance, arrival, &admitted, request.headers());
    let (mut head, body) = request.into_parts();
    let config = &arrival.view.snapshot.config;
    if !rules::hops::count(&head.method, &mut head.headers)? {
        return Ok(Answer::LastHop);
    }
    let added = head::edit_headers(&mut head.headers, arrival, &admitted, (head.uri.authority(), head.version));
    head.uri = head::edit_target(head.uri, &active.route, &config.api_key)?;
    if let Some(switch) = &switch {
        switch.announce(&mut head.headers);
    }
    let progress = (!body.is_end_stream()).then(|| Arc::new(BodyProgress::default()));
    ticket.bytes_in = progress.as_ref().map(|p| Arc::clone(&p.bytes));
    let rules = &active.route.rules;
    let of_listener = arrival.connection.listener.settings.limits.max_body_size;
    let max = rules.max_body_size.map_or(of_listener, BodySize::bound).unwrap_or(u64::MAX);
    // A gRPC stream may be silent for as long as its two sides like.
    let is_call = grpc::content_type(&head.headers).is_some();
    let rate_min = if is_call { 0 } else { arrival.connection.listener.settings.limits.min_body_rate };
    let pace = Pace::new(Arc::clone(&arrival.connection.clock), rate_min);
    let is_http2 = head.version == http::Version::HTTP_2;
    let body = match &progress {
        Some(progress) => {
            let (progress, upload) = (Arc::clone(progress), Upload::begin(&arrival.connection.clock));
            RequestBody::Stream { incoming: body, progress, max, pace, is_http2, upload }
        }
        None => RequestBody::Empty,
    };
    let request = Outgoing { head, added, body };
    let deadline = group.settings().timeout.map(|limit| Instant::now() + limit);
    let told = group
        .settings()
        .proxy_protocol
        .map(|_| Told { client: arrival.client.ip(), to: arrival.connection.listener.address });
    let pass = group.pass()?;
    let sent =
        by(deadline, progress.as_deref(), send(&group, (caller, told), request, ticket, progress.as_deref())).await;
    if let (Some(pass), Some(good)) = (pass, is_good(&sent)) {
        pass.ended(good);
    }
    match sent? {
        Reply::Answer(answer) => {
            ticket.upstream_answered(answer.head.status.as_u16());
            let bytes_max = rules.max_response_size.unwrap_or(u64::MAX);
            if answer.body.size_hint().lower() > bytes_max {
                return Err(Refused::ResponseTooLarge);
            }
            let stall = group.settings().idle_timeout;
            Ok(Answer::Response(UpstreamAnswer { answer, stall, deadline, bytes_max }))
        }
        Reply::Switched(head, tunnel) => {
            ticket.upstream_answered(head.status.as_u16());
            let switch = switch.ok_or(Refused::UpstreamInvalid)?;
            Ok(Answer::Switched(switch.agreed(head.headers, tunnel)))
        }
    }
}

/// Asks the upstream, as often as its policy lets. A request of which nothing was written is sent again; one that was
/// written on a kept connection, which its peer may have closed just then, is if its method is idempotent and it has no
/// body (RFC 9110 section 9.2.2). However short a connection lay idle, some servers close it without saying so.
async fn send(
    group: &Group,
    (caller, told): (u64, Option<Told>),
    mut request: Outgoing,
    ticket: &mut Ticket,
    progress: Option<&BodyProgress>,
) -> Result<Reply, Refused> {
    let settings = group.settings();
    let may_repeat = progress.is_none() && settings.retry.may_repeat(&request.head.method);
    let mut tries = group.tries();
    ticket.asking(&settings.name, group.number);
    let http1 = settings.http2 == Http2::Auto && request.head.headers.contains_key(UPGRADE);
    let wanted = Wanted { caller, may_repeat, http1, told };
    let mut lease = group.lease(wanted, &mut tries).await?;
    let names_host = request.head.headers.contains_key(HOST);
    loop {
        if !names_host && let Ok(authority) = lease.url().authority().parse() {
            // HTTP/1.0 may do without; HTTP/1.1, which the upstream is asked in, may not.
            request.head.headers.insert(HOST, authority);
        }
        let reused = lease.is_reused;
        let failure = match ask(group, lease, request, progress).await? {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        let Failure { fault, is_silent, was_written, request: whole } = failure;
        let reason = match was_written {
            false => Some(RetryOn::Connect),
            true => (reused && is_silent && may_repeat).then_some(RetryOn::Reset),
        };
        let again =
            whole.filter(|_| reason.is_some_and(|r| if reused { tries.again_after_kept(r) } else { tries.again(r) }));
        tracing::debug!(upstream = settings.name.as_str(), error = %fault, again = again.is_some(), "exchange failed");
        request = again.ok_or_else(|| blame(&fault, progress))?;
        ticket.asking(&settings.name, group.number);
        lease = group.lease_fresh(wanted, &mut tries).await?;
    }
}

/// Asks once, and tells the upstream how its server did. One that closed a kept connection did no wrong.
async fn ask(
    group: &Group,
    lease: Lease,
    request: Outgoing,
    progress: Option<&BodyProgress>,
) -> Result<Result<Reply, Failure>, Refused> {
    let limit = group.settings().first_byte_timeout;
    let watched = group.settings().ejection.is_some().then(|| (lease.server(), lease.is_reused));
    let asked = within(limit, progress, lease.send(request)).await;
    if let Some((server, reused)) = watched {
        match &asked {
            Ok(Ok(Reply::Answer(answer))) => group.note(&server, !answer.head.status.is_server_error()),
            Ok(Ok(Reply::Switched(..))) => group.note(&server, true),
            Ok(Err(failure)) if !reused && is_servers(&failure.fault, progress) => group.note(&server, false),
            Err(Refused::UpstreamTimeout) => group.note(&server, false),
            _ => {}
        }
    }
    asked
}

/// Whether the upstream has done well by a request; `None` where that cannot be said.
fn is_good(sent: &Result<Reply, Refused>) -> Option<bool> {
    match sent {
        Ok(Reply::Answer(answer)) => Some(!answer.head.status.is_server_error()),
        Ok(Reply::Switched(..)) => Some(true),
        Err(Refused::UpstreamUnreachable | Refused::UpstreamInvalid | Refused::UpstreamTimeout) => Some(false),
        Err(_) => None,
    }
}

/// Whether a broken exchange is to be held against the server. What a client sends or breaks off must not put one out of
/// service for everybody.
fn is_servers(fault: &Fault, progress: Option<&BodyProgress>) -> bool {
    !matches!(fault, Fault::Request(_)) && matches!(blame(fault, progress), Refused::UpstreamInvalid)
}

/// Whose fault a broken exchange is.
fn blame(fault: &Fault, progress: Option<&BodyProgress>) -> Refused {
    if matches!(fault, Fault::NotHttp2(_)) {
        return Refused::NotOverHttp2;
    }
    // HTTP/2 does not say which of the two it was.
    let of_request = matches!(fault, Fault::Request(_) | Fault::Http2(_));
    match progress.filter(|_| of_request) {
        Some(p) if p.is_too_large() => Refused::BodyTooLarge,
        Some(p) if p.is_too_slow() => Refused::ClientTooSlow,
        Some(p) if p.is_gone() => Refused::ClientGone,
        Some(p) if p.is_broken() => Refused::ClientBrokeOff,
        _ => Refused::UpstreamInvalid,
    }
}

/// Waits for the head of an answer: `limit` from when the last byte of the request's body moved.
async fn within<T>(
    limit: Duration,
    progress: Option<&BodyProgress>,
    sending: impl Future<Output = T>,
) -> Result<T, Refused> {
    let mut sending = std::pin::pin!(sending);
    let mut seen = 0;
    loop {
        match tokio::time::timeout(limit, sending.as_mut()).await {
            Ok(done) => return Ok(done),
            Err(_) => {
                let bytes = progress.map_or(0, |p| p.bytes.load(Ordering::Relaxed));
                if bytes == seen {
                    return Err(late(progress));
                }
                seen = bytes;
            }
        }
    }
}

/// Waits for an answer until `deadline`, if there is one.
async fn by(
    deadline: Option<Instant>,
    progress: Option<&BodyProgress>,
    sending: impl Future<Output = Result<Reply, Refused>>,
) -> Result<Reply, Refused> {
    let sending = std::pin::pin!(sending);
    match deadline {
        None => sending.await,
        Some(at) => tokio::time::timeout_at(at.into(), sending).await.unwrap_or_else(|_| Err(late(progress))),
    }
}

/// Who has kept the other waiting.
fn late(progress: Option<&BodyProgress>) -> Refused {
    let is_clients = progress.is_some_and(BodyProgress::is_awaited);
    if is_clients { Refused::ClientTooSlow } else { Refused::UpstreamTimeout }
}

impl From<UpstreamError> for Refused {
    fn from(error: UpstreamError) -> Self {
        tracing::debug!(error = &error as &dyn std::error::Error, "upstream");
        match error {
            UpstreamError::Connect(super::upstream::ConnectError::Timeout(..)) => Refused::UpstreamTimeout,
            UpstreamError::Connect(_) => Refused::UpstreamUnreachable,
            UpstreamError::NoneHealthy | UpstreamError::Broken => Refused::NoHealthyUpstream,
            UpstreamError::Full => Refused::Overloaded,
        }
    }
}
