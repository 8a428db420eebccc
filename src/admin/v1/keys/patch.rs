//! `PATCH /v1/keys/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::object::KeyObject;
use super::settings::KeySettings;
use crate::admin::call::Call;
use crate::admin::input::{DryRun, Id, MergePatch, Params, from_value};
use crate::admin::problem::Problem;
use crate::admin::v1::answer;
use crate::admin::{Shared, etag};

/// Changes a key.
///
/// A merge patch (RFC 7396) of everything that may be set but the environment; in force at once. A revoked key cannot
/// be changed.
#[utoipa::path(
    patch, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "`key_…`, public id, UUID or name", example = "key_9f3KtWq2Zc")),
    request_body(content = KeySettings, content_type = "application/merge-patch+json",
        example = json!({"scopes": ["invoices:read", "invoices:write"], "plan": null})),
    responses((status = 200, body = KeyObject, example = json!(crate::admin::openapi::examples::key())))
)]
pub async fn edit_key(
    State(services): State<Shared>,
    Id(id): Id,
    Params(DryRun { dry_run }): Params<DryRun>,
    call: Call,
    headers: HeaderMap,
    MergePatch(patch): MergePatch,
) -> Result<Response, Problem> {
    let found = super::find(&services, &id).await?;
    etag::demand(&headers, found.key.version)?;
    super::demand_not_revoked(&found.key)?;
    let mut settings = answer::json(&KeySettings::of(&found.key))?;
    if let Value::Object(base) = &mut settings {
        // One of the two that say the end is enough; the other is what the key had.
        if patch.contains_key("expires_in") && !patch.contains_key("expires_at") {
            base.remove("expires_at");
        }
    }
    merge(&mut settings, patch);
    let checked = from_value::<KeySettings>(settings)?.check(&services, Some(&found.key)).await?;
    let mut after = found.key.clone();
    checked.apply(&mut after);
    if after == found.key {
        return super::unchanged(&services, &found.key).await;
    }
    if dry_run && after.name != found.key.name {
        super::create::demand_free_name(&services, &after).await?;
    }
    super::store(&services, &call, "key.update", &found.key, after, None, dry_run).await
}

/// RFC 7396 section 2.
pub fn merge(target: &mut Value, patch: Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return };
    for (name, value) in patch {
        match value {
            Value::Null => {
                map.remove(&name);
            }
            Value::Object(inner) => merge(map.entry(name).or_insert(Value::Null), inner),
            plain => {
                map.insert(name, plain);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(mut target: Value, patch: Value, merged: Value) {
        merge(&mut target, patch.as_object().unwrap().clone());
        assert_eq!(target, merged);
    }

    #[test]
    fn examples_of_the_rfc() {
        check(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}));
        check(json!({"a": "b"}), json!({"a": null}), json!({}));
        check(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}}));
        check(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}));
        check(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}));
        check(json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1}));
    }
}
