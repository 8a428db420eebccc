//! Who may use the admin side: whoever the unix socket vouches for, or whoever shows the admin key over TCP.
//!
//! Requests over TCP must also name the gateway in `Host`, so that a page in the operator's browser cannot reach the
//! API through a name that resolves to loopback. There are no cookies and no CORS, so no page can act for somebody.

pub mod failures;
pub mod host;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::Services;
use super::call::{AUDIT_TEXT_LEN_MAX, Call, Peer, RequestId};
use super::problem::Problem;
use crate::model::audit::Actor;
use crate::model::secret::PresentedKey;

/// The layer: lets a caller in, or not.
pub async fn layer(
    State(services): State<Arc<Services>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let peer = request.extensions().get::<Peer>().copied();
    let actor = match peer {
        Some(Peer::Unix { uid }) => over_socket(uid),
        Some(Peer::Tcp(addr)) => {
            host::demand(&services, &request)?;
            let ip = addr.ip().to_canonical();
            services.failures.demand(ip, services.clock.now().steady_us)?;
            show_key(&services, request.headers()).inspect_err(|problem| {
                if problem.code() == "invalid_credentials" {
                    services.failures.count(ip, services.clock.now().steady_us);
                }
            })?;
            by_key()
        }
        None => return Err(missing()),
    };
    let request_id = request.extensions().get::<RequestId>().map_or_else(|| "-".into(), |id| Arc::clone(&id.0));
    let user_agent = request.headers().get(header::USER_AGENT).map(|v| {
        String::from_utf8_lossy(v.as_bytes()).chars().filter(|c| !c.is_control()).take(AUDIT_TEXT_LEN_MAX).collect()
    });
    let source_ip = peer.and_then(|p| p.ip());
    request.extensions_mut().insert(Call { actor, source_ip, user_agent, request_id, claim: None });
    Ok(next.run(request).await)
}

fn by_key() -> Actor {
    Actor { r#type: "admin".into(), id: "adm_root".into(), name: "root".into(), via: "http".into() }
}

fn over_socket(uid: u32) -> Actor {
    Actor { r#type: "admin".into(), id: format!("uid_{uid}"), name: format!("uid {uid}"), via: "socket".into() }
}

fn show_key(services: &Services, headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing());
    };
    let scheme_and_key = value.as_bytes().split_at_checked(7).filter(|(s, _)| s.eq_ignore_ascii_case(b"bearer "));
    let Some(shown) = scheme_and_key.and_then(|(_, key)| PresentedKey::new(key.trim_ascii())) else {
        return Err(missing());
    };
    let configured = services.current.load();
    let expected = match &configured.config.admin.key {
        Some(key) => crate::model::secret::KeyDigest::of(key.expose().as_bytes(), None),
        None => services.admin_key,
    };
    if shown.digest(None).matches(&expected) { Ok(()) } else { Err(invalid()) }
}

fn missing() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "missing_credentials",
        "Send the admin key as `Authorization: Bearer argusadm_…`; or use the unix socket, which needs none.",
    )
    .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"argus-admin\""))
}

fn invalid() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "invalid_credentials",
        "This is not the admin key. It stands in `admin-key` in the data directory, unless `[admin] key_file` names another.",
    )
    .header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"argus-admin\", error=\"invalid_token\""),
    )
}
