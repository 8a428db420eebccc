//! `POST /v1/keys/verify`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::object::Counter;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::Fields;
use crate::admin::problem::Problem;
use crate::admin::v1::decisions::question::{Question, Sent};
use crate::admission::{Observed, Refusal, Verification};
use crate::model::id::{KeyId, Name, OwnerId};
use crate::model::scope::Scope;

/// What is asked about a key.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyInput {
    /// The whole key.
    #[schema(value_type = String, extensions(("x-sensitive" = json!(true))))]
    pub key: Sent,
    /// Method of the request it came with; `GET` if absent.
    #[serde(default)]
    pub method: Option<String>,
    /// URL of that request; without one only the key, its own conditions and its limits are asked.
    #[serde(default)]
    pub url: Option<String>,
    /// Address of the client. One that is nowhere (`0.0.0.0`) if absent: it fulfils no condition that allows addresses,
    /// countries or networks.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub ip: Option<std::net::IpAddr>,
    /// At which moment; now if absent.
    #[serde(default)]
    pub at: Option<String>,
    /// Header fields of that request, for conditions on the calling page.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether units are taken from the limits if the key is good.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub consume: bool,
}

fn yes() -> bool {
    true
}

/// What became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Verification)]
pub struct VerifyAnswer {
    /// `verification`.
    pub object: &'static str,
    /// Whether the key is good for this.
    pub valid: bool,
    /// `ok`, or why it is not.
    #[schema(examples("ok"))]
    pub code: &'static str,
    /// The status a caller would get; 200 if it is good.
    pub status: u16,
    /// What the caller may be told.
    pub detail: Option<String>,
    /// The key, once its secret is proven.
    pub key: Option<VerifiedKey>,
    /// The route that takes the request.
    #[schema(value_type = Option<String>)]
    pub route: Option<Name>,
    /// Units the request takes.
    pub cost: u64,
    /// The limits it meets, after the answer.
    pub counters: Vec<Counter>,
    /// Scopes it would need.
    pub required_scopes: Vec<String>,
    /// What was seen of the caller where a condition does not hold.
    #[schema(value_type = Option<Object>)]
    pub observed: Option<Observed>,
    /// Seconds after which it would be good.
    pub retry_after_s: Option<u64>,
}

/// The key that was proven.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct VerifiedKey {
    /// Its id.
    #[schema(value_type = String)]
    pub id: KeyId,
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its owner.
    #[schema(value_type = Option<String>)]
    pub owner: Option<OwnerId>,
    /// Its owner's id in the operator's own system.
    pub external_id: Option<String>,
    /// `live`, `test` or another configured word.
    pub environment: String,
    /// What it may do, by itself and by its roles.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Scope>,
    /// Its roles.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Name>,
    /// Its plan.
    #[schema(value_type = String)]
    pub plan: Name,
    /// Free facts.
    pub meta: BTreeMap<String, String>,
    /// Not valid from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// Verifies a key for another program, by the same rules as the gateway's own.
///
/// Answers 200 whether the key is good or not; `valid` says which. Units are taken from its limits unless `consume` is
/// false.
#[utoipa::path(
    post, path = "/v1/keys/verify", tag = "keys",
    request_body(content = VerifyInput, example = json!({
        "key": "argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG", "method": "GET",
        "url": "https://api.example.com/v1/invoices", "ip": "203.0.113.9"})),
    responses((status = 200, body = VerifyAnswer, example = json!(crate::admin::openapi::examples::verification())))
)]
pub async fn verify_key(
    State(services): State<Shared>,
    call: Call,
    Fields(input): Fields<VerifyInput>,
) -> Result<Json<VerifyAnswer>, Problem> {
    let VerifyInput { key, method, url, ip, at, headers, consume } = input;
    let question = Question { key: Some(key), key_id: None, method, url, ip, at, headers };
    let asked = question.read(&services).await?;
    let now = asked.now.wall;
    let snapshot = services.current.load();
    let answer = answer(services.engine.verify(&snapshot, asked, consume).await, now);
    services.remember(&call, StatusCode::OK, &answer).await?;
    Ok(Json(answer))
}

fn answer(verified: Verification, now: Timestamp) -> VerifyAnswer {
    let refusal: Option<Refusal> = verified.refusal.map(|refusal| *refusal);
    let key = verified.access.map(|access| VerifiedKey {
        id: access.key.id,
        name: access.key.name.clone(),
        owner: access.key.owner_id().cloned(),
        external_id: access.key.owner_record().and_then(|owner| owner.external_id.clone()),
        environment: access.grant.environment.to_string(),
        scopes: access.grant.scopes.clone(),
        roles: access.grant.roles.clone(),
        plan: access.grant.plan.name.clone(),
        meta: access.key.all_meta(),
        expires_at: access.key.validity.expires_at,
    });
    VerifyAnswer {
        object: "verification",
        valid: refusal.is_none(),
        code: refusal.as_ref().map_or("ok", |r| r.reason.code()),
        status: refusal.as_ref().map_or(200, |r| r.reason.status().as_u16()),
        detail: refusal.as_ref().map(|r| r.detail.to_string()),
        key,
        route: verified.route.map(|route| route.route.name.clone()),
        cost: verified.cost,
        counters: verified.limits.iter().map(|(bound, state)| Counter::new(bound, state, now)).collect(),
        required_scopes: refusal.as_ref().map(|r| r.required_scopes.clone()).unwrap_or_default(),
        observed: refusal.as_ref().and_then(|r| r.observed.clone()),
        retry_after_s: refusal.as_ref().and_then(|r| r.retry_after_s),
    }
}
