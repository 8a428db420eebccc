//! A request's life, from its head to its answer.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::ORIGIN;
use http::{HeaderMap, Request, Response, Uri};
use hyper::body::Incoming;

use super::body::ResponseBody;
use super::client_addr::{client_address, is_forwarded_over_tls, is_trusted};
use super::connection::ConnectionFacts;
use super::deadline::Turn;
use super::forward::{self, Answer};
use super::headers::X_REQUEST_ID;
use super::normalize::Malformed;
use super::rejection::{self, Refused};
use super::response::{self, Told};
use super::rules;
use super::worker::View;
use super::{grpc, normalize, upgrade};
use crate::admission::{ClientFacts, Head, settle};
use crate::model::clock::Now;
use crate::model::header_rules::Underscores;
use crate::record::Ticket;
use crate::record::ticket::{Caller, Opening, RequestId};
use crate::snapshot::{ActiveRoute, InsecureRequests};

/// What is known of a request besides its own head.
#[derive(Debug)]
pub struct Arrival {
    /// The connection it came on.
    pub connection: Arc<ConnectionFacts>,
    /// What is in force for it, from start to end.
    pub view: Arc<View>,
    /// When it came.
    pub now: Now,
    /// Whether the peer's word about where it came from is taken.
    pub trusted: bool,
    /// Whose request it is.
    pub client: Arc<ClientFacts>,
    /// Its id.
    pub id: RequestId,
}

/// Answers one request. Never fails: what goes wrong is an answer too.
pub async fn handle(
    connection: Arc<ConnectionFacts>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let mut request = request;
    upgrade::take_extended_connect(&mut request);
    let turn = Turn::begin(&connection.clock);
    let arrival = arrive(connection, &request);
    let mut ticket = open_ticket(&arrival, &request);
    let mut told = Told { grpc: grpc::content_type(request.headers()), ..Told::default() };
    Ok(match in_time(&arrival, request, &mut ticket, &mut told).await {
        Ok(Answer::Response(answer)) => response::pass_on(&arrival, answer, &told, (ticket, turn)),
        Ok(Answer::LastHop) => rules::hops::answer(&arrival, &told, (ticket, turn)),
        Ok(Answer::Preflight) => rules::cors::answer(&arrival, &told, (ticket, turn)),
        Ok(Answer::Switched(switch)) => upgrade::switch(&arrival, switch, &told, (ticket, turn)),
        Err(refused) => rejection::refuse(&arrival, refused, &told, (ticket, turn)),
    })
}

fn arrive(connection: Arc<ConnectionFacts>, request: &Request<Incoming>) -> Arrival {
    let view = connection.worker.view();
    let now = connection.worker.shared.clock.now();
    let clients = &view.snapshot.config.clients;
    let trusted = is_trusted(clients, connection.peer);
    let client = match trusted.then(|| client_address(clients, connection.peer, request.headers())) {
        Some(address) if address != connection.peer => Arc::new(ClientFacts::new(address, clients.ipv6_prefix)),
        _ => Arc::clone(&connection.client),
    };
    let told = request.headers().get(X_REQUEST_ID).filter(|_| trusted);
    let id = told.and_then(|v| RequestId::from_peer(v.as_bytes()));
    let id = id.unwrap_or_else(|| RequestId::new(now, rand::random()));
    Arrival { connection, view, now, trusted, client, id }
}

fn open_ticket(arrival: &Arrival, request: &Request<Incoming>) -> Box<Ticket> {
    let opening = Opening {
        cell: &arrival.connection.worker.cell,
        style: &arrival.view.style,
        listener: &arrival.connection.listener.label,
        now: arrival.now,
        request_id: arrival.id,
        draw: rand::random(),
        client_ip: arrival.client.ip(),
        tls: arrival.connection.tls,
        client_cert: arrival.connection.client_cert.as_ref().map(|c| Arc::clone(&c.fingerprint)),
    };
    Ticket::open(opening, request)
}

/// A gRPC caller says how long it waits; nobody else's time is measured here.
async fn in_time(
    arrival: &Arrival,
    request: Request<Incoming>,
    ticket: &mut Ticket,
    told: &mut Told,
) -> Result<Answer, Refused> {
    match told.grpc.and_then(|_| grpc::timeout(request.headers())) {
        None => exchange(arrival, request, ticket, told).await,
        Some(limit) => {
            let exchange = Box::pin(exchange(arrival, request, ticket, told));
            tokio::time::timeout(limit, exchange).await.unwrap_or(Err(Refused::UpstreamTimeout))
        }
    }
}

/// One meaning, one decision, one upstream: the request as a paragraph.
async fn exchange(
    arrival: &Arrival,
    mut request: Request<Incoming>,
    ticket: &mut Ticket,
    told: &mut Told,
) -> Result<Answer, Refused> {
    let config = &arrival.view.snapshot.config;
    let worker = &arrival.connection.worker;
    if worker.cell.active.load(Ordering::Relaxed) > arrival.view.requests_max {
        return Err(Refused::Overloaded);
    }
    if worker.shedder.sheds() {
        worker.cell.shed.fetch_add(1, Ordering::Relaxed);
        return Err(Refused::Overloaded);
    }
    let settings = &arrival.connection.listener.settings;
    normalize::size(request.headers())?;
    normalize::check(&request)?;
    let mut host = normalize::host(&request)?;
    if settings.underscores == Underscores::Reject {
        normalize::underscores(request.headers())?;
    }
    let is_tls = arrival.connection.tls.is_some();
    let secure = is_tls || (arrival.trusted && is_forwarded_over_tls(&config.clients, request.headers()));
    normalize::scheme(&request, is_tls, secure)?;
    if (secure || settings.insecure_requests == InsecureRequests::Allow)
        && let Some(route) = rules::cors::asked_about(arrival, &request, &host)
    {
        note_route(arrival, Arc::clone(route), request.headers(), (ticket, told));
        return Ok(Answer::Preflight);
    }
    if let Some(target) = resolved_target(arrival, &request, &host)? {
        host = host.into_owned().into();
        *request.uri_mut() = target;
    }
    let head = Head {
        method: request.method(),
        host: &host,
        path: request.uri().path(),
        query: request.uri().query(),
        body_bytes: content_length(&request).unwrap_or(0),
        body_bytes_max: settings.limits.max_body_size,
        headers: request.headers(),
        client: &arrival.client,
        secure,
        insecure: settings.insecure_requests,
        now: arrival.now,
    };
    let begun = std::time::Instant::now();
    let engine = &arrival.connection.worker.shared.engine;
    let decision = engine.decide(&arrival.view.snapshot, &head).await;
    ticket.decided(decision.source.as_str(), begun);
    if let Some(route) = decision.route {
        note_route(arrival, route, request.headers(), (ticket, told));
    }
    if let Some(access) = &decision.access {
        ticket.caller = Some(Caller { key: Arc::clone(&access.key), plan: access.grant.plan.name.clone() });
        told.expires = response::expiry_notice(access.key.validity.expires_at, arrival.now);
    }
    ticket.country = engine.place(&arrival.client).country;
    ticket.key_in_query = decision.key_in_query;
    // Who is refused pays nothing.
    ticket.cost = if decision.outcome.is_ok() { decision.cost } else { 0 };
    told.key_in_query = decision.key_in_query;
    told.families = config.ratelimit_headers;
    for (bound, state) in decision.limits.iter() {
        ticket.limits.push(arrival.connection.worker.limit_number(bound), state.refused);
    }
    told.limits = decision.limits;
    let admitted = decision.outcome.map_err(Refused::Decision)?;
    drop(host);
    forward::forward(arrival, admitted, request, ticket).await
}

/// Notes the route that takes the request, and the page that calls, if the route has rules for such.
fn note_route(
    arrival: &Arrival,
    route: Arc<ActiveRoute>,
    headers: &HeaderMap,
    (ticket, told): (&mut Ticket, &mut Told),
) {
    ticket.route = Some((route.route.name.clone(), arrival.view.route_number(route.index)));
    if route.route.rules.cors.is_some() {
        told.origin = headers.get(ORIGIN).cloned();
    }
    told.route = Some(route);
}

/// The target with another path, where the one that was sent has dot segments and its route resolves them.
fn resolved_target(arrival: &Arrival, request: &Request<Incoming>, host: &str) -> Result<Option<Uri>, Refused> {
    let target = request.uri();
    if target.path() == "*" {
        return Ok(None);
    }
    let asked = (request.method(), host, request.headers());
    let path = match settle(&arrival.view.snapshot, asked, target.path()).map_err(Malformed::from)? {
        Cow::Borrowed(_) => return Ok(None),
        Cow::Owned(path) => path,
    };
    let mut parts = target.clone().into_parts();
    let whole = target.query().map_or(path.clone(), |query| [&path, "?", query].concat());
    parts.path_and_query = whole.parse().ok();
    // Parts of a target that was valid make a valid target.
    Uri::from_parts(parts).map(Some).map_err(|_| Refused::Internal)
}

fn content_length(request: &Request<Incoming>) -> Option<u64> {
    request.headers().get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
