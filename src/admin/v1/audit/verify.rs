//! `GET /v1/audit/verify`.

use axum::Json;
use axum::extract::State;

use crate::admin::Shared;
use crate::admin::problem::Problem;
use crate::store::AuditVerdict;

/// Walks the whole chain of audit records and says whether one was changed, removed or moved.
///
/// It cannot see that the newest records were cut off: keep `head` and compare.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit",
    responses((status = 200, body = AuditVerdict, example = json!({"verdict": "ok", "records": 12, "first_seq": 1,
        "last_seq": 12, "head": "de47a732120fea1cc6c58591cd14efc6741789c475ae469e2d30de23bebd278f"})))
)]
pub async fn verify_audit(State(services): State<Shared>) -> Result<Json<AuditVerdict>, Problem> {
    Ok(Json(services.store.verify_audit().await?))
}
