//! `POST /v1/reload`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::ports::{ConfigProblems, ReloadReport};
use crate::admin::problem::Problem;
use crate::model::audit::Target;

/// Reads the configuration files again and puts them in force, whole or not at all.
#[utoipa::path(
    post, path = "/v1/reload", tag = "control",
    responses(
        (status = 200, body = ReloadReport, example = json!({"generation": 4, "files": ["gateway.toml"], "ms": 3.1, "warnings": []})),
        (status = 422, body = crate::admin::problem::ProblemBody, content_type = "application/problem+json",
            description = "The files are wrong; what was in force goes on.",
            example = json!(crate::admin::openapi::examples::config_invalid()))
    )
)]
pub async fn reload(State(services): State<Shared>, call: Call) -> Result<Json<ReloadReport>, Problem> {
    tracing::info!(actor = call.actor.id, request_id = &*call.request_id, "reload asked for by the admin API");
    let report = services.control.reload().await.map_err(refused)?;
    let act = ("config.reload", target(), None);
    services.record(&call, act, StatusCode::OK, &report).await?;
    Ok(Json(report))
}

/// What audit records call the configuration.
fn target() -> Target {
    Target { r#type: "config".into(), id: "config".into(), name: "configuration".into() }
}

/// 422 with all problems, for programs and as `argus check` prints them.
pub fn refused(problems: ConfigProblems) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "config_invalid",
        "The configuration is wrong, so nothing was changed. `rendered` says what is wrong and where.",
    )
    .with("rendered", problems.rendered)
    .with("problems", problems.problems)
}
