//! `GET /v1/me`.

use axum::Json;
use serde::Serialize;

use crate::admin::call::Call;
use crate::model::audit::Actor;

/// Who the caller is here.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Me {
    /// `me`.
    pub object: &'static str,
    /// What audit records say of the caller.
    pub actor: Actor,
    /// From which address, if by network.
    pub source_ip: Option<String>,
}

/// Says who the caller is, as audit records would.
#[utoipa::path(
    get, path = "/v1/me", tag = "control",
    responses((status = 200, body = Me, example = json!({"object": "me", "source_ip": "127.0.0.1",
        "actor": {"type": "admin", "id": "adm_root", "name": "root", "via": "http"}})))
)]
pub async fn show_me(call: Call) -> Json<Me> {
    Json(Me { object: "me", source_ip: call.source_ip.map(|ip| ip.to_string()), actor: call.actor })
}
