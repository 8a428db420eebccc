//! What all operations share, and what the declarations leave unsaid.

use serde_json::{Map, Value};
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response, ResponseBuilder};

use super::examples;
use crate::admin::idempotency::IDEMPOTENCY_KEY_LEN_MAX;
use crate::admin::problem::{FieldProblem, ProblemBody};

/// Operations that rehearse nothing: they change no record.
const WITHOUT_DRY_RUN: &[&str] =
    &["/v1/reload", "/v1/config/check", "/v1/drain", "/v1/cache/flush", "/v1/keys/verify", "/v1/explain"];
/// The one POST that takes no idempotency key.
const WITHOUT_IDEMPOTENCY: &[&str] = &["/v1/keys/import"];

/// Adds it.
pub(super) fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The admin key, `argusadm_…`. The unix socket needs none."))
        .build();
    components.add_security_scheme("admin_key", SecurityScheme::Http(bearer));
    // Its name is the one under which operations refer to it.
    components.schemas.insert("Problem".to_owned(), <ProblemBody as utoipa::PartialSchema>::schema());
    components.schemas.insert("FieldProblem".to_owned(), <FieldProblem as utoipa::PartialSchema>::schema());
    document.security = Some(vec![SecurityRequirement::new::<_, [String; 0], String>("admin_key", [])]);
    for (path, item) in &mut document.paths.paths {
        let shown = content_of(item);
        let PathItem { get, post, put, patch, delete, .. } = item;
        let methods = [
            (HttpMethod::Get, get),
            (HttpMethod::Post, post),
            (HttpMethod::Put, put),
            (HttpMethod::Patch, patch),
            (HttpMethod::Delete, delete),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                share(path, &method, operation, shown.as_ref());
            }
        }
    }
}

/// What the path shows when it is read.
fn content_of(item: &PathItem) -> Option<Response> {
    answer(item.get.as_ref()?, "200")
}

fn answer(operation: &Operation, status: &str) -> Option<Response> {
    match operation.responses.responses.get(status)? {
        RefOr::T(response) => Some(response.clone()),
        RefOr::Ref(_) => None,
    }
}

fn share(path: &str, method: &HttpMethod, operation: &mut Operation, shown: Option<&Response>) {
    let mut added = Vec::new();
    let changes = *method != HttpMethod::Get && !WITHOUT_DRY_RUN.contains(&path);
    if changes {
        let schema = Object::with_type(Type::Boolean);
        added.push(parameter("dry_run", ParameterIn::Query, schema, "Say what would be, change nothing."));
    }
    if *method == HttpMethod::Post && !WITHOUT_IDEMPOTENCY.contains(&path) {
        let what = "Does the request once, however often it is sent within 24 hours; the answer is given again, without \
                    secrets.";
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(IDEMPOTENCY_KEY_LEN_MAX))
            .build();
        added.push(parameter("Idempotency-Key", ParameterIn::Header, schema, what));
    }
    if changes && path.contains('{') {
        let what = "The `etag` that was read; another version refuses the change with 412.";
        added.push(parameter("If-Match", ParameterIn::Header, Object::with_type(Type::String), what));
    }
    operation.parameters.get_or_insert_default().extend(added.into_iter().map(RefOr::T));
    if changes && !operation.responses.responses.contains_key("200") {
        let mut response = answer(operation, "201").or_else(|| shown.cloned()).unwrap_or_default();
        response.description =
            "What would be, of a rehearsal; or the answer to a request that was sent again.".to_owned();
        operation.responses.responses.insert("200".to_owned(), RefOr::T(response));
    }
    let problem =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).example(Some(examples::problem())).build();
    let refused = ResponseBuilder::new()
        .description("Refused, with the reason as a problem (RFC 9457).")
        .content("application/problem+json", problem)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(refused));
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = if status == "201" { "It is there." } else { "Done, or shown." }.to_owned();
        }
    }
}

fn parameter(name: &str, place: ParameterIn, schema: Object, what: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(Schema::Object(schema)))
        .build()
}

/// The document as JSON, each schema that was put together from several made into one object: a flattened field is an
/// `allOf`, and as each part forbids what it does not know, no value could be of all of them. A field that is required
/// has no default.
pub(super) fn as_json(document: &OpenApi) -> Value {
    let mut value = serde_json::to_value(document).unwrap_or_default();
    let mut schemas = value["components"]["schemas"].take();
    // Parts may be put together themselves: one level a round.
    for _ in 0..LEVELS_MAX {
        let known = schemas.clone();
        join(&mut schemas, &known);
    }
    join(&mut value["paths"], &schemas);
    value["components"]["schemas"] = schemas;
    value
}

/// How deep schemas are put together from others.
const LEVELS_MAX: usize = 4;

fn join(value: &mut Value, schemas: &Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| join(item, schemas)),
        Value::Object(map) => {
            if let Some(joined) = map.get("allOf").and_then(|parts| joined(parts, schemas)) {
                map.remove("allOf");
                map.extend(joined);
            }
            let required: Vec<String> = map.get("required").and_then(Value::as_array).map_or_else(Vec::new, |list| {
                list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
            });
            if let Some(Value::Object(properties)) = map.get_mut("properties") {
                for name in &required {
                    if let Some(Value::Object(property)) = properties.get_mut(name) {
                        property.remove("default");
                    }
                }
            }
            map.values_mut().for_each(|item| join(item, schemas));
        }
        _ => {}
    }
}

/// All parts in one, if all of them are objects.
fn joined(parts: &Value, schemas: &Value) -> Option<Map<String, Value>> {
    let (mut properties, mut required, mut out) = (Map::new(), Vec::new(), Map::new());
    for part in parts.as_array()? {
        let part = match part["$ref"].as_str() {
            Some(reference) => schemas.get(reference.strip_prefix("#/components/schemas/")?)?,
            None => part,
        };
        properties.extend(part["properties"].as_object()?.clone());
        required.extend(part["required"].as_array().into_iter().flatten().cloned());
    }
    out.insert("type".to_owned(), Value::from("object"));
    out.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        out.insert("required".to_owned(), Value::Array(required));
    }
    Some(out)
}
