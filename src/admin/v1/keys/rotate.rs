//! `POST /v1/keys/{id}/rotate`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;

use super::create::{Answer, NewKey, digest, fresh};
use super::rules::Check;
use super::settings::{Ending, ending};
use super::{change, draft, object};
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Id, Params};
use crate::admin::problem::{FieldProblem, Problem};
use crate::admin::v1::answer;
use crate::admin::{Shared, etag, text};
use crate::model::key::{Key, KeyStatus};
use crate::store::{Change, StoredKey};

/// Longest time for which a key and its successor both work.
pub const OVERLAP_MAX: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How a key is rotated.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateInput {
    /// How long the old key goes on working, `0` for not at all; the configured overlap if absent.
    #[schema(examples("24h"))]
    pub overlap: Option<String>,
    /// End of the new key: a moment, or `never`. If neither is given, the new key lives as long as the old one was to.
    pub expires_at: Option<String>,
    /// End of the new key, as a duration from now, or `never`.
    pub expires_in: Option<String>,
}

/// Puts a new key with a new secret in the place of one.
///
/// The new key has the same name and settings. The old one works until the overlap is over, but never longer than it
/// would have. Keys that are expired, revoked or being rotated cannot be rotated. Both are changed, or neither.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", tag = "keys",
    params(("id" = String, Path, description = "`key_…`, public id, UUID or name", example = "key_9f3KtWq2Zc")),
    request_body(content = Option<RotateInput>, example = json!({"overlap": "24h"})),
    responses((status = 201, body = NewKey, example = json!(crate::admin::openapi::examples::new_key())))
)]
pub async fn rotate_key(
    State(services): State<Shared>,
    Id(id): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    Fields(input): Fields<RotateInput>,
) -> Result<Response, Problem> {
    let now = services.now();
    let old = super::find(&services, &id).await?.key;
    etag::demand(&headers, old.version)?;
    demand_rotatable(&old, old.status(now))?;
    let config = services.current.load().config.clone();

    let mut check = Check::default();
    let overlap = match input.overlap.as_deref() {
        Some(overlap) => check.keep("/overlap", text::duration(overlap)),
        None => SignedDuration::try_from(config.keys.rotation_overlap).ok(),
    };
    let overlap = overlap.unwrap_or(SignedDuration::ZERO);
    if overlap > OVERLAP_MAX {
        let days = OVERLAP_MAX.as_hours() / 24;
        check.add(FieldProblem::at("/overlap", format!("two keys work side by side for at most {days} days")));
    }
    let end = match ending(&mut check, input.expires_at.as_deref(), input.expires_in.as_deref(), now) {
        Ending::At(end) => {
            if end <= now {
                check.add(FieldProblem::at("/expires_at", "the end lies in the past"));
            }
            Some(end)
        }
        Ending::Never => None,
        Ending::Unsaid => old.expires_at.and_then(|end| text::after(now, end.duration_since(old.created_at)).ok()),
    };
    let old_end = check.keep("/overlap", text::after(now, overlap));
    check.done()?;

    let (made, secret) = fresh(&services, &call, &config, old.environment.clone());
    let new = Key {
        id: made.id,
        uuid: made.uuid,
        prefix: made.prefix,
        not_before: None,
        expires_at: end,
        replaced_by: None,
        replaces: Some(old.id),
        exposed: false,
        weak: false,
        created_at: made.created_at,
        created_by: made.created_by,
        updated_at: made.updated_at,
        version: made.version,
        ..old.clone()
    };
    let mut replaced = old.clone();
    replaced.replaced_by = Some(new.id);
    let old_end = old_end.unwrap_or(now);
    replaced.expires_at = Some(old.expires_at.map_or(old_end, |end| end.min(old_end)));
    let replace = change(&services, &old, &mut replaced);

    let answered = Answer::new(object::one(&services, &new).await?, &config)?;
    if dry_run {
        return Ok(answer::rehearsed(answered.without_secret(false)));
    }
    // The old key gives up the name before the new one takes it.
    let old_draft = draft(&services, &call, "key.rotate", Some(&old), &replaced);
    let new_draft = draft(&services, &call, "key.create", None, &new);
    let place = format!("/v1/keys/{}", new.id);
    let stored = StoredKey { digest: digest(&config, &secret), key: new };
    let insert = Change::InsertKey { stored: Box::new(stored), max_per_owner: None };
    let changes = vec![(replace, old_draft), (insert, new_draft)];
    services.commit(&call, changes, StatusCode::OK, &answered.without_secret(true)).await?;
    Ok(answer::created(answered.whole(&secret), &place))
}

fn demand_rotatable(key: &Key, status: KeyStatus) -> Result<(), Problem> {
    super::demand_not_revoked(key)?;
    if let Some(successor) = key.replaced_by {
        return Err(Problem::conflict(
            "key_rotating",
            format!("The key `{}` has a successor already. Rotate that one, `{successor}`.", key.id),
        )
        .with("replaced_by", successor.to_string()));
    }
    if status == KeyStatus::Expired {
        return Err(Problem::conflict(
            "key_expired",
            format!("The key `{}` has expired, so nothing would go on working. Create a new key.", key.name),
        ));
    }
    Ok(())
}
