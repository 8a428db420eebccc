//! `PATCH /v1/owners/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::object::OwnerObject;
use super::settings::OwnerSettings;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Id, MergePatch, Params, from_value};
use crate::admin::problem::Problem;
use crate::admin::v1::answer;
use crate::admin::v1::keys::patch::merge;
use crate::admin::{Shared, etag};
use crate::store::Change;

/// Changes an owner.
#[utoipa::path(
    patch, path = "/v1/owners/{id}", tag = "owners",
    params(("id" = String, Path, description = "`own_…`, name or external id", example = "acme")),
    request_body(content = OwnerSettings, content_type = "application/merge-patch+json",
        example = json!({"contacts": ["ops@acme.example"]})),
    responses((status = 200, body = OwnerObject, example = json!(crate::admin::openapi::examples::owner())))
)]
pub async fn edit_owner(
    State(services): State<Shared>,
    Id(id): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    MergePatch(patch): MergePatch,
) -> Result<Response, Problem> {
    let before = super::find(&services, &id).await?;
    etag::demand(&headers, before.version)?;
    let mut settings = answer::json(&OwnerSettings::of(&before))?;
    merge(&mut settings, patch);
    let mut after = before.clone();
    from_value::<OwnerSettings>(settings)?.apply(&mut after)?;
    if after == before {
        return Ok(answer::object(StatusCode::OK, answer::json(&OwnerObject::from(&before))?));
    }
    after.version = before.version + 1;
    after.updated_at = services.now();
    let body = answer::json(&OwnerObject::from(&after))?;
    if dry_run {
        return Ok(answer::rehearsed(body));
    }
    let draft = super::draft(&services, &call, "owner.update", Some(&before), &after);
    let change = Change::UpdateOwner { owner: Box::new(after), expect: before.version };
    services.commit(&call, vec![(change, draft)], StatusCode::OK, &body).await?;
    Ok(answer::object(StatusCode::OK, body))
}
