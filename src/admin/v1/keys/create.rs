//! `POST /v1/keys`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::draft;
use super::examples::{self, Examples};
use super::object::{self, KeyObject};
use super::settings::KeySettings;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::{answer, owners};
use crate::config::Config;
use crate::model::id::KeyId;
use crate::model::key::{Key, KeyStatus, KeyType};
use crate::model::key_format;
use crate::model::secret::{KeyDigest, PresentedKey};
use crate::store::{Change, StoredKey};

/// A key that was just made: the only answer that holds its secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NewKey {
    /// The key as it is shown from now on.
    #[serde(flatten)]
    pub key: KeyObject,
    /// The whole key. Shown in this answer and never again; null in a rehearsal and when the request is repeated.
    #[schema(required = true, extensions(("x-sensitive" = json!(true))))]
    pub secret: Option<String>,
    /// True where the secret has been shown before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secret_shown: bool,
    /// How to call with it; `KEY` stands for the secret.
    pub examples: Examples,
}

/// Creates a key.
///
/// The answer holds the secret, once. Without `expires_in` or `expires_at` the key gets the configured life.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys",
    request_body(content = KeySettings, example = json!({
        "name": "billing-prod", "owner": "acme", "create_owner": true, "scopes": ["invoices:read"], "expires_in": "90d",
        "conditions": {"ip": {"allow": ["203.0.113.0/24"]}}})),
    responses((status = 201, body = NewKey, example = json!(crate::admin::openapi::examples::new_key())))
)]
pub async fn create_key(
    State(services): State<Shared>,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    Fields(settings): Fields<KeySettings>,
) -> Result<Response, Problem> {
    let mut checked = settings.check(&services, None).await?;
    let config = services.current.load().config.clone();
    let new_owner = checked.new_owner.take();
    let environment = std::mem::take(&mut checked.environment);
    let (mut key, secret) = fresh(&services, &call, &config, environment);
    checked.apply(&mut key);

    let mut shown = object::one(&services, &key).await?;
    if let Some(owner) = &new_owner {
        shown.owner_name = Some(owner.name.clone());
    }
    let answered = Answer::new(shown, &config)?;
    if dry_run {
        demand_free_name(&services, &key).await?;
        return Ok(answer::rehearsed(answered.without_secret(false)));
    }
    let mut changes = Vec::new();
    if let Some(owner) = new_owner {
        let draft = owners::draft(&services, &call, "owner.create", None, &owner);
        changes.push((Change::InsertOwner(Box::new(owner)), draft));
    }
    let audit = draft(&services, &call, "key.create", None, &key);
    let stored = StoredKey { digest: digest(&config, &secret), key };
    let max_per_owner = stored.key.owner.is_some().then_some(config.keys.max_per_owner);
    let place = format!("/v1/keys/{}", stored.key.id);
    changes.push((Change::InsertKey { stored: Box::new(stored), max_per_owner }, audit));
    services.commit(&call, changes, StatusCode::OK, &answered.without_secret(true)).await?;
    Ok(answer::created(answered.whole(&secret), &place))
}

/// A record without settings, and a secret for it.
pub fn fresh(services: &Shared, call: &Call, config: &Config, environment: String) -> (Key, PresentedKey) {
    let id = key_format::new_public_id();
    let secret = key_format::generate(&config.keys.prefix, &environment, id);
    let prefix = format!("{}_{environment}_{}", config.keys.prefix, id.public());
    (record(services, call, id, prefix, environment), secret)
}

/// A record without settings.
pub fn record(services: &Shared, call: &Call, id: KeyId, prefix: String, environment: String) -> Key {
    let now = services.now();
    Key {
        id,
        uuid: Uuid::now_v7(),
        prefix,
        // A placeholder that every caller replaces by a checked name.
        name: id.public().parse().expect("a public id is letters and digits"),
        description: String::new(),
        environment,
        r#type: KeyType::default(),
        owner: None,
        scopes: Vec::new(),
        roles: Vec::new(),
        plan: None,
        conditions: Default::default(),
        condition_names: Vec::new(),
        limits: Vec::new(),
        quota: None,
        not_before: None,
        expires_at: None,
        disabled: false,
        revoked: None,
        replaced_by: None,
        replaces: None,
        exposed: false,
        weak: false,
        meta: Default::default(),
        tags: Vec::new(),
        created_at: now,
        created_by: call.actor.id.clone(),
        updated_at: now,
        version: 1,
    }
}

/// What is stored of a secret.
pub fn digest(config: &Config, secret: &PresentedKey) -> KeyDigest {
    secret.digest(config.keys.pepper.as_deref())
}

/// 409 if another key in use has this name. Only rehearsals ask; a commit is told by the store.
pub async fn demand_free_name(services: &Shared, key: &Key) -> Result<(), Problem> {
    let Some(other) = services.store.find_key(key.name.as_str()).await? else { return Ok(()) };
    let in_use = other.key.name == key.name && other.key.id != key.id && other.key.replaced_by.is_none();
    if in_use && other.key.status(services.now()) != KeyStatus::Revoked {
        return Err(crate::store::StoreError::Duplicate { kind: "key", name: key.name.to_string() }.into());
    }
    Ok(())
}

/// The answer to a request that made a key: with the secret for the caller, without it for whatever is kept.
pub struct Answer(Value);

impl Answer {
    /// Everything but the secret.
    pub fn new(key: KeyObject, config: &Config) -> Result<Self, Problem> {
        let examples = examples::of(config);
        Ok(Answer(answer::json(&NewKey { key, secret: None, secret_shown: false, examples })?))
    }

    /// With the secret.
    pub fn whole(mut self, secret: &PresentedKey) -> Value {
        self.0["secret"] = Value::from(String::from_utf8_lossy(secret.expose()).into_owned());
        self.0
    }

    /// Without it; `shown` says that it has been shown before.
    pub fn without_secret(&self, shown: bool) -> Value {
        let mut value = self.0.clone();
        if shown {
            value["secret_shown"] = Value::Bool(true);
        }
        value
    }
}
