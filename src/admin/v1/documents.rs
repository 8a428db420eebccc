//! Roles, plans and conditions: small named documents, of the file (shown only) or of the store.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer;
use super::keys::patch::merge;
use super::keys::rules::Check;
use crate::admin::call::{Call, differences};
use crate::admin::input::{Params, from_value, parsed};
use crate::admin::list::{List, page};
use crate::admin::problem::{FieldProblem, Problem};
use crate::admin::suggest::closest;
use crate::admin::{Shared, etag};
use crate::config::Config;
use crate::model::audit::Target;
use crate::model::id::Name;
use crate::store::{Change, Document, DocumentKind};

/// Most documents of one kind in the store: all of them are in memory of every gateway.
pub const DOCUMENTS_MAX: usize = 1_000;

/// A kind of document.
pub trait Resource: Serialize + serde::de::DeserializeOwned + Send + Sync + 'static {
    /// Its kind in the store.
    const KIND: DocumentKind;
    /// Where its collection is.
    const COLLECTION: &'static str;

    /// What is wrong with it.
    fn check(&self, check: &mut Check, config: &Config);
    /// Those of the file, with where they stand; empty for what is built in.
    fn of_file(config: &Config) -> BTreeMap<Name, (Value, String)>;
}

/// What every document says of itself besides its settings.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Facts {
    /// `role`, `plan` or `condition`.
    pub object: &'static str,
    /// Its name.
    #[schema(value_type = String, examples("billing"))]
    pub name: Name,
    /// `api`; `file` for what stands in the configuration and `built_in` for what is there without being written, both
    /// of which cannot be changed here.
    #[schema(examples("api"))]
    pub managed_by: &'static str,
    /// Where in the configuration it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_at: Option<Timestamp>,
    /// Its version, for `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// Which documents are listed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DocumentQuery {
    /// Most entries of a page, 1 to 200.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

fn shown(facts: Facts, settings: &Value) -> Result<Value, Problem> {
    let mut value = answer::json(&facts)?;
    if let (Value::Object(out), Value::Object(settings)) = (&mut value, settings) {
        out.extend(settings.clone());
    }
    Ok(value)
}

fn of_file<R: Resource>(name: &Name, settings: &Value, origin: &str) -> Result<Value, Problem> {
    let facts = Facts {
        object: R::KIND.as_str(),
        name: name.clone(),
        managed_by: if origin.is_empty() { "built_in" } else { "file" },
        origin: (!origin.is_empty()).then(|| origin.to_owned()),
        created_at: None,
        updated_at: None,
        etag: None,
    };
    shown(facts, settings)
}

fn of_store(document: &Document) -> Result<Value, Problem> {
    let facts = Facts {
        object: document.kind.as_str(),
        name: document.name.clone(),
        managed_by: "api",
        origin: None,
        created_at: Some(document.created_at),
        updated_at: Some(document.updated_at),
        etag: Some(etag::of(document.version)),
    };
    shown(facts, &document.body)
}

/// Lists them by name; the file's win over those of the store that have the same name.
pub async fn list<R: Resource>(
    services: &Shared,
    uri: &Uri,
    Params(query): Params<DocumentQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    let mut all = BTreeMap::new();
    for document in services.store.documents(R::KIND).await? {
        all.insert(document.name.clone(), of_store(&document)?);
    }
    for (name, (settings, origin)) in R::of_file(&services.current.load().config) {
        let value = of_file::<R>(&name, &settings, &origin)?;
        all.insert(name, value);
    }
    let after = page.cursor.unwrap_or_default();
    let mut rest = all.into_iter().filter(|(name, _)| name.as_str() > after.as_str());
    let mut rows = Vec::new();
    let mut last = None;
    for (name, value) in rest.by_ref().take(page.limit) {
        last = Some(name.to_string());
        rows.push(value);
    }
    let next = if rest.next().is_some() { last } else { None };
    Ok(List::new(rows, next).answer(uri))
}

/// Shows one.
pub async fn get<R: Resource>(services: &Shared, name: &str) -> Result<Response, Problem> {
    if let Some((name, (settings, origin))) = R::of_file(&services.current.load().config).remove_entry(name) {
        return Ok(answer::object(StatusCode::OK, of_file::<R>(&name, &settings, &origin)?));
    }
    let document = find::<R>(services, name).await?;
    Ok(answer::object(StatusCode::OK, of_store(&document)?))
}

/// Makes a new one: the body holds its name and its settings.
pub async fn create<R: Resource>(
    services: &Shared,
    call: &Call,
    mut body: Map<String, Value>,
    dry_run: bool,
) -> Result<Response, Problem> {
    let name = match body.remove("name") {
        Some(Value::String(name)) => name,
        Some(_) => return Err(Problem::field("/name", "expected a text")),
        None => return Err(Problem::field("/name", "a name is needed")),
    };
    let name: Name = name.parse().map_err(|error| Problem::field("/name", format!("{error}")))?;
    demand_not_of_file::<R>(services, &name)?;
    if services.store.document(R::KIND, name.as_str()).await?.is_some() {
        return Err(crate::store::StoreError::Duplicate { kind: R::KIND.as_str(), name: name.to_string() }.into());
    }
    put::<R>(services, call, name, Value::Object(body), None, dry_run).await
}

/// Makes one, or gives it other settings altogether.
pub async fn replace<R: Resource>(
    services: &Shared,
    call: &Call,
    headers: &HeaderMap,
    name: &str,
    body: Map<String, Value>,
    dry_run: bool,
) -> Result<Response, Problem> {
    let name: Name = name.parse().map_err(|error| {
        let problem = FieldProblem::parameter("name", format!("{error}"));
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", "").with_errors(vec![problem])
    })?;
    demand_not_of_file::<R>(services, &name)?;
    let before = services.store.document(R::KIND, name.as_str()).await?;
    match &before {
        Some(before) => etag::demand(headers, before.version)?,
        None => etag::demand_nothing(headers)?,
    }
    put::<R>(services, call, name, Value::Object(body), before, dry_run).await
}

/// Changes one by a merge patch.
pub async fn edit<R: Resource>(
    services: &Shared,
    call: &Call,
    headers: &HeaderMap,
    name: &str,
    patch: Map<String, Value>,
    dry_run: bool,
) -> Result<Response, Problem> {
    let before = find_own::<R>(services, name).await?;
    etag::demand(headers, before.version)?;
    let mut settings = before.body.clone();
    merge(&mut settings, patch);
    if settings == before.body {
        return Ok(answer::object(StatusCode::OK, of_store(&before)?));
    }
    put::<R>(services, call, before.name.clone(), settings, Some(before), dry_run).await
}

/// Removes one that no key names.
pub async fn delete<R: Resource>(
    services: &Shared,
    call: &Call,
    headers: &HeaderMap,
    name: &str,
    dry_run: bool,
) -> Result<Response, Problem> {
    let document = find_own::<R>(services, name).await?;
    etag::demand(headers, document.version)?;
    if dry_run {
        return Ok(answer::rehearsed(of_store(&document)?));
    }
    let draft = call.draft(
        services.now(),
        &format!("{}.delete", R::KIND.as_str()),
        target::<R>(&document.name),
        differences(&document.body, &Value::Null, &[]),
    );
    let change = Change::DeleteDocument { kind: R::KIND, name: document.name, expect: document.version };
    services.commit(call, vec![(change, draft)], StatusCode::NO_CONTENT, &Value::Null).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn put<R: Resource>(
    services: &Shared,
    call: &Call,
    name: Name,
    settings: Value,
    before: Option<Document>,
    dry_run: bool,
) -> Result<Response, Problem> {
    let read: R = from_value(settings)?;
    let mut check = Check::default();
    read.check(&mut check, &services.current.load().config);
    check.done()?;
    if before.is_none() && services.store.documents(R::KIND).await?.len() >= DOCUMENTS_MAX {
        let kind = R::KIND.as_str();
        return Err(Problem::conflict(
            "limit_reached",
            format!("There are {DOCUMENTS_MAX} {kind}s, the most there may be."),
        ));
    }
    let now = services.now();
    let document = Document {
        kind: R::KIND,
        name: name.clone(),
        body: answer::json(&read)?,
        created_at: before.as_ref().map_or(now, |b| b.created_at),
        updated_at: now,
        version: before.as_ref().map_or(1, |b| b.version + 1),
    };
    let body = of_store(&document)?;
    if dry_run {
        return Ok(answer::rehearsed(body));
    }
    let verb = if before.is_some() { "update" } else { "create" };
    let old = before.as_ref().map_or(Value::Null, |b| b.body.clone());
    let changes = differences(&old, &document.body, &[]);
    let draft = call.draft(now, &format!("{}.{verb}", R::KIND.as_str()), target::<R>(&name), changes);
    let expect = before.as_ref().map(|b| b.version);
    let status = if expect.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    services.commit(call, vec![(Change::PutDocument { document, expect }, draft)], status, &body).await?;
    match expect {
        Some(_) => Ok(answer::object(status, body)),
        None => Ok(answer::created(body, &format!("{}/{name}", R::COLLECTION))),
    }
}

fn target<R: Resource>(name: &Name) -> Target {
    Target { r#type: R::KIND.as_str().into(), id: name.to_string(), name: name.to_string() }
}

fn demand_not_of_file<R: Resource>(services: &Shared, name: &Name) -> Result<(), Problem> {
    match R::of_file(&services.current.load().config).get(name) {
        Some((_, origin)) => Err(Problem::managed_by_file(R::KIND.as_str(), name.as_str(), origin)),
        None => Ok(()),
    }
}

/// One that may be changed here.
async fn find_own<R: Resource>(services: &Shared, name: &str) -> Result<Document, Problem> {
    if let Ok(name) = name.parse::<Name>() {
        demand_not_of_file::<R>(services, &name)?;
    }
    find::<R>(services, name).await
}

async fn find<R: Resource>(services: &Shared, name: &str) -> Result<Document, Problem> {
    if let Ok(wanted) = name.parse::<Name>()
        && let Some(document) = services.store.document(R::KIND, wanted.as_str()).await?
    {
        return Ok(document);
    }
    let stored = services.store.documents(R::KIND).await?;
    let in_file = R::of_file(&services.current.load().config);
    let names = stored.iter().map(|d| d.name.as_str()).chain(in_file.keys().map(Name::as_str));
    Err(Problem::not_found(R::KIND.as_str(), name, closest(name, names)))
}
