//! What is in force and where it comes from, for `argus check --show`.

use super::Config;
use super::reference::toml_text as json_text;
use super::schema::{Part, root};
use super::secrets::SECRET_FIELDS;
use super::source::{Source, Sources};
use super::tree::{Node, Value};
use super::words::{quoted, without_password};

/// One value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Dotted path of the field.
    pub field: String,
    /// Its value as TOML; `"••••"` for a secret.
    pub value: String,
    /// `gateway.toml:12`, `ARGUS_STORE_URL (environment)`, `--listen (command line)` or `default`.
    pub from: String,
}

/// Everything that is written and everything that holds by default, in the order of names.
pub(super) fn shown(tree: &Node, sources: &Sources, config: Option<&Config>) -> Vec<Shown> {
    let mut out = Vec::new();
    walk(tree, sources, &mut Vec::new(), &mut out);
    let root = root();
    defaults(Part::whole(&root), Some(tree), &mut Vec::new(), &mut out);
    if let Some(config) = config {
        chosen(config, &mut out);
    }
    out.sort_by(|a, b| a.field.cmp(&b.field));
    out
}

/// Adds what holds because nothing is written.
fn defaults(part: Part<'_>, tree: Option<&Node>, path: &mut Vec<String>, out: &mut Vec<Shown>) {
    for (name, field) in part.fields() {
        let written = tree.and_then(|tree| tree.child(name));
        path.push(name.to_owned());
        if let (Some(default), None) = (field.default(), written) {
            out.push(Shown { field: path.join("."), value: json_text(default), from: "default".to_owned() });
        } else if let Some(named) = field.named() {
            for (name, written) in written.and_then(Node::table).into_iter().flatten() {
                path.push(name.clone());
                defaults(named, Some(written), path, out);
                path.pop();
            }
        } else if !matches!(written.map(|node| &node.value), Some(Value::List(_))) {
            defaults(field, written, path, out);
        }
        path.pop();
    }
}

/// Adds what Argus chooses at start where nothing is written.
fn chosen(config: &Config, out: &mut Vec<Shown>) {
    for (field, value) in [
        ("store.url", quoted(&format!("file:{}", config.store.dir.display()))),
        ("admin.socket", quoted(&config.admin.socket.display().to_string())),
        ("resources.workers", config.workers.to_string()),
    ] {
        if !out.iter().any(|s| s.field == field) {
            out.push(Shown { field: field.to_owned(), value, from: "default".to_owned() });
        }
    }
}

fn walk(node: &Node, sources: &Sources, path: &mut Vec<String>, out: &mut Vec<Shown>) {
    if let Value::Table(table) = &node.value {
        for (key, child) in table {
            path.push(key.clone());
            walk(child, sources, path, out);
            path.pop();
        }
        return;
    }
    let secret = path.last().is_some_and(|field| SECRET_FIELDS.contains(&field.as_str())) || is_sent_upstream(path);
    let value = if secret { "\"••••\"".to_owned() } else { toml_text(node) };
    let from = match sources.get(node.at.source) {
        Some(Source::File { .. }) => sources.shown_line(node.at),
        _ => sources.shown(node.at),
    };
    out.push(Shown { field: path.join("."), value, from });
}

/// Whether this is a field that the upstream is sent, which may be what Argus proves itself with there.
fn is_sent_upstream(path: &[String]) -> bool {
    matches!(path, [routes, _, rules, verb, _]
        if routes == "routes" && rules == "request_headers" && matches!(verb.as_str(), "set" | "add"))
}

/// The value as it could be written.
fn toml_text(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => quoted(&without_password(text)),
        Value::Integer(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Date | Value::Gone => String::new(),
        Value::List(_) => format!("[{}]", node.items().map(|(_, item)| toml_text(item)).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let fields: Vec<String> = table.iter().map(|(k, v)| format!("{} = {}", key(k), toml_text(v))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}

fn key(text: &str) -> String {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { text.to_owned() } else { quoted(text) }
}
