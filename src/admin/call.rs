//! Who calls, from where, in which request: what every audit record says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use jiff::Timestamp;
use serde_json::Value;

use super::idempotency::Claim;
use super::problem::Problem;
use crate::model::audit::{Actor, AuditDraft, FieldChange, Target};

/// Longest `User-Agent` and reason kept in an audit record, in characters.
pub const AUDIT_TEXT_LEN_MAX: usize = 200;

/// The other end of an admin connection, put into each request by the listener.
#[derive(Debug, Clone, Copy)]
pub enum Peer {
    /// Over TCP: must show the admin key.
    Tcp(SocketAddr),
    /// Over the unix socket: the kernel says who it is, and the listener has checked that it may.
    Unix {
        /// The peer's user id.
        uid: u32,
    },
}

impl Peer {
    /// The address, if it came by network.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(addr) => Some(addr.ip().to_canonical()),
            Peer::Unix { .. } => None,
        }
    }
}

/// The end of the listener a request came by; streams end with it.
#[derive(Debug, Clone)]
pub struct Ending(pub tokio_util::sync::CancellationToken);

/// The id given to a request, in logs, problems and audit records.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// A caller that was let in.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who.
    pub actor: Actor,
    /// From where, if by network.
    pub source_ip: Option<IpAddr>,
    /// With what.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Arc<str>,
    /// The idempotency key this request holds, if it sent one.
    pub claim: Option<Arc<Claim>>,
}

impl Call {
    /// What the audit says of a change made by this call.
    pub fn draft(&self, time: Timestamp, action: &str, target: Target, changes: Vec<FieldChange>) -> AuditDraft {
        AuditDraft {
            time,
            actor: self.actor.clone(),
            action: action.to_owned(),
            target,
            outcome: "success".to_owned(),
            reason: None,
            source_ip: self.source_ip.map(|ip| ip.to_string()),
            user_agent: self.user_agent.clone(),
            request_id: Some(self.request_id.to_string()),
            changes,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut call = parts.extensions.get::<Call>().cloned().ok_or_else(|| {
            Problem::new(StatusCode::UNAUTHORIZED, "missing_credentials", "Nobody has been let in on this connection.")
        })?;
        call.claim = parts.extensions.get::<Arc<Claim>>().cloned();
        Ok(call)
    }
}

/// The fields in which two records differ, by name, leaving out those named.
pub fn differences(before: &Value, after: &Value, without: &[&str]) -> Vec<FieldChange> {
    let none = serde_json::Map::new();
    let (old, new) = (before.as_object().unwrap_or(&none), after.as_object().unwrap_or(&none));
    let mut names: Vec<&String> = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
    names.sort_unstable();
    let mut out = Vec::new();
    for name in names {
        let value = |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
        let (before, after) = (value(old), value(new));
        let is_nothing = |v: &Value| match v {
            Value::Null | Value::Bool(false) => true,
            Value::String(s) => s.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if before != after && !(is_nothing(&before) && is_nothing(&after)) && !without.contains(&name.as_str()) {
            out.push(FieldChange { path: super::input::pointer(&[name]), before, after });
        }
    }
    out
}
