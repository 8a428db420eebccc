//! `POST /v1/config/check`.

use axum::Json;
use axum::extract::{Request, State};
use http::StatusCode;
use serde::Serialize;

use super::reload::refused;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{BODY_BYTES_MAX, demand_type, read_body};
use crate::admin::problem::Problem;

/// Nothing is wrong with a configuration.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Checked {
    /// Always true; a wrong configuration is answered with 422.
    pub valid: bool,
    /// What may not be meant.
    pub warnings: Vec<String>,
}

/// Checks a configuration, sent as TOML, without putting it in force.
#[utoipa::path(
    post, path = "/v1/config/check", tag = "control",
    request_body(content = String, content_type = "application/toml",
        example = json!("[routes.api]\nupstream = \"http://127.0.0.1:3000\"\n")),
    responses(
        (status = 200, body = Checked, example = json!({"valid": true, "warnings": []})),
        (status = 422, body = crate::admin::problem::ProblemBody, content_type = "application/problem+json",
            description = "It is wrong.", example = json!(crate::admin::openapi::examples::config_invalid()))
    )
)]
pub async fn check_config(
    State(services): State<Shared>,
    call: Call,
    request: Request,
) -> Result<Json<Checked>, Problem> {
    let (parts, body) = request.into_parts();
    demand_type(&parts.headers, &["application/toml", "text/plain"])?;
    let bytes = read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let toml = String::from_utf8(bytes.to_vec()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(StatusCode::BAD_REQUEST, "malformed_text", format!("The body is not UTF-8 at byte {at}."))
    })?;
    let warnings = services.control.check(toml).await.map_err(refused)?;
    let answer = Checked { valid: true, warnings };
    services.remember(&call, StatusCode::OK, &answer).await?;
    Ok(Json(answer))
}
