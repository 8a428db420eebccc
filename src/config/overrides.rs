//! Fields that a variable of the environment overrides: `ARGUS_<TABLE>_<FIELD>`, for containers.

use super::Environment;
use super::source::{Place, Source, Sources};
use super::tree::{Node, Value};
use std::collections::BTreeMap;

/// Every such field. A test holds this list against the written form: each field that takes one value, in a table of
/// which there is one, is here.
pub(super) const OVERRIDES: &[&str] = &[
    "listen",
    "clients.address_from",
    "clients.forwarded",
    "clients.ipv6_prefix",
    "auth.api_key.forward_credential",
    "auth.api_key.failures",
    "keys.prefix",
    "keys.default_ttl",
    "keys.max_per_owner",
    "keys.default_plan",
    "keys.pepper",
    "keys.pepper_file",
    "keys.rotation.overlap",
    "geo.country_db",
    "geo.asn_db",
    "geo.unknown",
    "geo.warn_if_older_than",
    "store.url",
    "admin.address",
    "admin.socket",
    "admin.key",
    "admin.key_file",
    "ops.address",
    "ops.drain.delay",
    "ops.drain.grace",
    "identity_headers.prefix",
    "log.level",
    "log.format",
    "log.access.enabled",
    "log.access.sample",
    "log.access.query",
    "log.access.ip",
    "metrics.prometheus",
    "metrics.key_labels",
    "errors.type_base",
    "errors.hide_routes",
    "errors.detail",
    "retention.usage_minutes",
    "retention.usage_days",
    "retention.audit",
    "retention.deleted_keys",
    "retention.client_ip.truncate_after",
    "resources.workers",
    "resources.max_requests",
    "resources.max_lag",
    "resources.counters",
    "resources.key_cache",
];

/// The variables that override a field: the whole path, and `ARGUS_DRAIN_…` for short.
pub(super) fn variables(field: &str) -> Vec<String> {
    let name = |path: &str| format!("ARGUS_{}", path.replace('.', "_").to_uppercase());
    let mut out = vec![name(field)];
    if let Some(short) = field.strip_prefix("ops.drain.") {
        out.push(name(&format!("drain.{short}")));
    }
    out
}

/// Puts what the environment says over what the files say.
pub(super) fn apply(tree: &mut Node, env: Environment<'_>, sources: &mut Sources) {
    for field in OVERRIDES {
        for variable in variables(field) {
            let Some(text) = env(&variable) else { continue };
            let source = sources.add(Source::Variable(variable.into()));
            put(tree, field, text, Place { source, start: 0, end: 0 });
            break;
        }
    }
}

/// Sets the field at the dotted path, making tables on the way.
pub(super) fn put(tree: &mut Node, field: &str, text: String, at: Place) {
    let mut node = tree;
    let mut parts = field.split('.').peekable();
    while let Some(part) = parts.next() {
        let Value::Table(table) = &mut node.value else { return };
        let value = if parts.peek().is_some() { Value::Table(BTreeMap::new()) } else { Value::Text(text.clone()) };
        let fresh = Node { value, at, key: Some(at), soft: true };
        if parts.peek().is_none() {
            table.insert(part.to_owned(), fresh);
            return;
        }
        node = table.entry(part.to_owned()).or_insert(fresh);
    }
}
