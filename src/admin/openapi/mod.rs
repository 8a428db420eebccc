//! The routes of the API, and the document that describes them: OpenAPI 3.1, made from the same declarations.
//!
//! What all operations of a kind share (the bearer key, `Idempotency-Key`, `If-Match`, `dry_run`, problems) is added
//! here, so that no operation can forget it.

pub mod examples;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Services, auth, finish, idempotency, problem, v1};

/// Operations that rehearse nothing: they change no record.
const WITHOUT_DRY_RUN: &[&str] =
    &["/v1/reload", "/v1/config/check", "/v1/drain", "/v1/cache/flush", "/v1/keys/verify", "/v1/explain"];
/// The one POST that takes no idempotency key.
const WITHOUT_IDEMPOTENCY: &[&str] = &["/v1/keys/import"];

/// The routes and their document.
pub fn routes(services: &Arc<Services>) -> (Router, Arc<OpenApi>) {
    let (router, mut document) = declared().split_for_parts();
    complete(&mut document);
    let document = Arc::new(document);
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

async fn show(document: Arc<OpenApi>) -> Response {
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

/// Adds what all operations share.
fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The admin key, `argusadm_…`. The unix socket needs none."))
        .build();
    components.add_security_scheme("admin_key", SecurityScheme::Http(bearer));
    components.schemas.insert("Problem".to_owned(), <problem::ProblemBody as utoipa::PartialSchema>::schema());
    components.schemas.insert("FieldProblem".to_owned(), <problem::FieldProblem as utoipa::PartialSchema>::schema());
    document.security = Some(vec![SecurityRequirement::new::<_, [String; 0], String>("admin_key", [])]);
    for (path, item) in &mut document.paths.paths {
        let methods = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Patch, &mut item.patch),
            (HttpMethod::Delete, &mut item.delete),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                share(path, &method, operation);
            }
        }
    }
}

fn share(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let mut added = Vec::new();
    let changes = *method != HttpMethod::Get && !WITHOUT_DRY_RUN.contains(&path);
    if changes {
        added.push(parameter("dry_run", ParameterIn::Query, Type::Boolean, "Say what would be, change nothing."));
    }
    if *method == HttpMethod::Post && !WITHOUT_IDEMPOTENCY.contains(&path) {
        let what = "Does the request once, however often it is sent within 24 hours; the answer is given again, without secrets.";
        added.push(parameter("Idempotency-Key", ParameterIn::Header, Type::String, what));
    }
    if changes && path.contains('{') {
        let what = "The `etag` that was read; another version refuses the change with 412.";
        added.push(parameter("If-Match", ParameterIn::Header, Type::String, what));
    }
    operation.parameters.get_or_insert_default().extend(added.into_iter().map(RefOr::T));
    let problem =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).example(Some(examples::problem())).build();
    let response = ResponseBuilder::new()
        .description("Refused, with the reason as a problem (RFC 9457).")
        .content("application/problem+json", problem)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}

fn parameter(name: &str, place: ParameterIn, of: Type, what: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(Schema::Object(Object::with_type(of))))
        .build()
}
