//! What is in force and where it comes from, for `argus check --show`.

use super::secrets::SECRET_FIELDS;
use super::source::{Source, Sources};
use super::tree::{Node, Value};
use super::words::without_password;

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

/// Everything that is written, in the order of names.
pub(super) fn shown(tree: &Node, sources: &Sources) -> Vec<Shown> {
    let mut out = Vec::new();
    walk(tree, sources, &mut Vec::new(), &mut out);
    out
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
    let secret = path.last().is_some_and(|field| SECRET_FIELDS.contains(&field.as_str()));
    let value = if secret { "\"••••\"".to_owned() } else { toml_text(node) };
    let from = match sources.get(node.at.source) {
        Some(Source::File { .. }) => sources.shown_line(node.at),
        _ => sources.shown(node.at),
    };
    out.push(Shown { field: path.join("."), value, from });
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

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn key(text: &str) -> String {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { text.to_owned() } else { quoted(text) }
}
