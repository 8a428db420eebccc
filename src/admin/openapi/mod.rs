//! The routes of the API, and the document that describes them: OpenAPI 3.1, made from the same declarations.
//!
//! What all operations of a kind share (the bearer key, `Idempotency-Key`, `If-Match`, `dry_run`, problems) is added
//! by `complete`, so that no operation can forget it.

mod complete;
pub mod examples;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::Value;
use utoipa::openapi::{InfoBuilder, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Services, auth, finish, idempotency, v1};

/// The routes and their document.
pub fn routes(services: &Arc<Services>) -> (Router, Arc<Value>) {
    let (router, mut document) = declared().split_for_parts();
    complete::complete(&mut document);
    let document = Arc::new(complete::as_json(&document));
    let shown = Arc::clone(&document);
    let router = router
        .route("/openapi.json", axum::routing::get(move || show(Arc::clone(&shown))))
        .fallback(finish::no_such_path)
        .method_not_allowed_fallback(finish::no_such_method)
        .with_state(Arc::clone(services))
        .layer(from_fn_with_state(Arc::clone(services), idempotency::layer))
        .layer(from_fn_with_state(Arc::clone(services), auth::layer))
        .layer(from_fn_with_state(Arc::clone(services), finish::layer));
    (router, document)
}

async fn show(document: Arc<Value>) -> Response {
    Json(&*document).into_response()
}

fn declared() -> OpenApiRouter<Arc<Services>> {
    use v1::{audit, conditions, control, decisions, keys, owners, plans, roles};
    OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info()).build())
        .routes(routes!(keys::create::create_key, keys::list::list_keys))
        .routes(routes!(keys::get::show_key, keys::patch::edit_key, keys::delete::delete_key))
        .routes(routes!(keys::rotate::rotate_key))
        .routes(routes!(keys::disable::disable_key))
        .routes(routes!(keys::enable::enable_key))
        .routes(routes!(keys::revoke::revoke_key))
        .routes(routes!(keys::bulk::change_keys))
        .routes(routes!(keys::verify::verify_key))
        .routes(routes!(keys::import::import_keys))
        .routes(routes!(owners::create::create_owner, owners::list::list_owners))
        .routes(routes!(owners::get::show_owner, owners::patch::edit_owner, owners::delete::delete_owner))
        .routes(routes!(roles::create::create_role, roles::list::list_roles))
        .routes(routes!(
            roles::get::show_role,
            roles::put::put_role,
            roles::patch::edit_role,
            roles::delete::delete_role
        ))
        .routes(routes!(plans::create::create_plan, plans::list::list_plans))
        .routes(routes!(
            plans::get::show_plan,
            plans::put::put_plan,
            plans::patch::edit_plan,
            plans::delete::delete_plan
        ))
        .routes(routes!(conditions::create::create_condition, conditions::list::list_conditions))
        .routes(routes!(
            conditions::get::show_condition,
            conditions::put::put_condition,
            conditions::patch::edit_condition,
            conditions::delete::delete_condition
        ))
        .routes(routes!(decisions::explain::explain))
        .routes(routes!(decisions::usage::show_usage))
        .routes(routes!(decisions::requests::list_requests))
        .routes(routes!(decisions::stream::stream))
        .routes(routes!(audit::list::list_audit))
        .routes(routes!(audit::verify::verify_audit))
        .routes(routes!(control::runtime::show_runtime))
        .routes(routes!(control::reload::reload))
        .routes(routes!(control::config_check::check_config))
        .routes(routes!(control::drain::drain))
        .routes(routes!(control::cache_flush::flush_cache))
        .routes(routes!(control::me::show_me))
        .routes(routes!(control::health::show_health))
}

fn info() -> utoipa::openapi::Info {
    InfoBuilder::new()
        .title("Argus admin API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Keys, owners, roles, plans and conditions of the gateway, and what it decides. Times are RFC 3339 in UTC; \
             durations such as `90d` are taken where a field says so. Every refusal is a problem (RFC 9457) with a \
             stable `code`.",
        ))
        .build()
}
