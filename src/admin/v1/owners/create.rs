//! `POST /v1/owners`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::object::OwnerObject;
use super::settings::OwnerSettings;
use crate::admin::Shared;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Fields, Params};
use crate::admin::problem::Problem;
use crate::admin::v1::answer;
use crate::admin::v1::keys::rules::Check;
use crate::store::Change;

/// Creates an owner.
#[utoipa::path(
    post, path = "/v1/owners", tag = "owners",
    request_body(content = OwnerSettings, example = json!({"name": "acme", "kind": "application", "external_id": "cust-17"})),
    responses((status = 201, body = OwnerObject, example = json!(crate::admin::openapi::examples::owner())))
)]
pub async fn create_owner(
    State(services): State<Shared>,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    Fields(settings): Fields<OwnerSettings>,
) -> Result<Response, Problem> {
    // The name is checked with the other settings.
    let mut owner = super::fresh(&services, &mut Check::default(), &settings.name);
    settings.apply(&mut owner)?;
    let body = answer::json(&OwnerObject::from(&owner))?;
    if dry_run {
        return Ok(answer::rehearsed(body));
    }
    let draft = super::draft(&services, &call, "owner.create", None, &owner);
    let place = format!("/v1/owners/{}", owner.id);
    services.commit(&call, vec![(Change::InsertOwner(Box::new(owner)), draft)], StatusCode::CREATED, &body).await?;
    Ok(answer::created(body, &place))
}
