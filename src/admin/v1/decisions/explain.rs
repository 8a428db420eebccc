//! `POST /v1/explain`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;

use super::question::Question;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::Fields;
use crate::admin::problem::Problem;
use crate::admin::v1::keys::object::Counter;
use crate::admission::{Observed, Refusal, Step};
use crate::model::id::{KeyId, Name};

/// What would become of a request, step by step.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Explanation)]
pub struct ExplainAnswer {
    /// `explanation`.
    pub object: &'static str,
    /// Whether it would be admitted.
    pub valid: bool,
    /// What it would be answered with by the gateway; null if the upstream would answer.
    pub status: Option<u16>,
    /// `ok`, or why it would be refused.
    #[schema(examples("insufficient_scope"))]
    pub code: &'static str,
    /// What the caller would be told.
    pub detail: Option<String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The route that takes it.
    #[schema(value_type = Option<String>)]
    pub route: Option<Name>,
    /// The key.
    pub key: Option<KeyRef>,
    /// Units it would take.
    pub cost: u64,
    /// The limits it would meet, as they would be afterwards.
    pub counters: Vec<Counter>,
    /// Scopes that were missing.
    pub required_scopes: Vec<String>,
    /// What was seen of the caller.
    #[schema(value_type = Option<Object>)]
    pub observed: Option<Observed>,
    /// Seconds after which it would be admitted.
    pub retry_after_s: Option<u64>,
    /// What would let it through.
    pub fix: Vec<String>,
}

/// Which key.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct KeyRef {
    /// Its id.
    #[schema(value_type = String)]
    pub id: KeyId,
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
}

/// Says what would become of a request and why, step by step, with the rule that decides and what would help.
///
/// Takes nothing from limits and counts nothing. By the whole key, by the id or name of one, or by what stands in
/// `headers`.
#[utoipa::path(
    post, path = "/v1/explain", tag = "decisions",
    request_body(content = Question, example = json!({"key_id": "billing-prod", "method": "POST",
        "url": "https://api.example.com/v1/invoices", "ip": "203.0.113.9"})),
    responses((status = 200, body = ExplainAnswer, example = json!(crate::admin::openapi::examples::explanation())))
)]
pub async fn explain(
    State(services): State<Shared>,
    call: Call,
    Fields(question): Fields<Question>,
) -> Result<Json<ExplainAnswer>, Problem> {
    if question.url.is_none() && question.key.is_none() && question.key_id.is_none() {
        return Err(Problem::field("/url", "give `url` to ask about a request, `key_id` or `key` to ask about a key"));
    }
    let input = question.read(&services).await?;
    let now = input.now.wall;
    let snapshot = services.current.load();
    let explained = services.engine.explain(&snapshot, input).await;
    let refusal: Option<Refusal> = explained.refusal.map(|refusal| *refusal);
    let answer = ExplainAnswer {
        object: "explanation",
        valid: refusal.is_none(),
        status: refusal.as_ref().map(|r| r.reason.status().as_u16()),
        code: refusal.as_ref().map_or("ok", |r| r.reason.code()),
        detail: refusal.as_ref().map(|r| r.detail.to_string()),
        steps: explained.steps,
        route: explained.route.map(|route| route.route.name.clone()),
        key: explained.access.map(|access| KeyRef { id: access.key.id, name: access.key.name.clone() }),
        cost: explained.cost,
        counters: explained.limits.iter().map(|(bound, state)| Counter::new(bound, state, now)).collect(),
        required_scopes: refusal.as_ref().map(|r| r.required_scopes.clone()).unwrap_or_default(),
        observed: refusal.as_ref().and_then(|r| r.observed.clone()),
        retry_after_s: refusal.as_ref().and_then(|r| r.retry_after_s),
        fix: explained.fix,
    };
    services.remember(&call, StatusCode::OK, &answer).await?;
    Ok(Json(answer))
}
