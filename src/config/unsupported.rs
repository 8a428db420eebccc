//! What the format knows and this version does not do: refused at its place, never silently accepted.

use super::problem::{Code, Problems};
use super::tree::{Node, Value};

/// When a field is refused.
enum When {
    /// Whatever its value is.
    Always,
    /// Where the value, or an item of it, is one of these words or begins with one that ends in `:`.
    Words(&'static [&'static str]),
    /// Where the value is this truth.
    Is(bool),
}

use When::{Always, Is, Words};

const LIMIT_STRATEGIES: When = Words(&["sliding_log", "concurrent", "bandwidth"]);
const LIMIT_BY: When = Words(&["organization", "project", "header:", "claim:"]);

/// Every such field; `*` stands for any key.
const UNSUPPORTED: &[(&str, When)] = &[
    ("anomaly", Always),
    ("audit", Always),
    ("authz", Always),
    ("cache", Always),
    ("policy", Always),
    ("tracing", Always),
    ("webhooks", Always),
    ("auth.introspection", Always),
    ("auth.jwt", Always),
    ("auth.mtls", Always),
    ("auth.oauth2", Always),
    ("auth.signature", Always),
    ("admin.dialects", Words(&["argus-keys", "shield", "argus-admin", "user-auth"])),
    ("admin.session_ttl", Always),
    ("conditions.*.device", Always),
    ("conditions.*.certificate", Always),
    ("conditions.*.network.allow", Words(&["hosting", "anonymous"])),
    ("conditions.*.network.deny", Words(&["hosting", "anonymous"])),
    ("identity_headers.style", Words(&["jwt"])),
    ("keys.require_approval", Always),
    ("keys.exposed_action", Always),
    ("keys.rotation.every", Always),
    ("keys.rotation.notify_before", Always),
    ("listeners.*.http3", Is(true)),
    ("listeners.*.proxy_protocol", Always),
    ("metrics.key_labels", Is(true)),
    ("metrics.prometheus", Is(false)),
    ("ops.pprof", Always),
    ("plans.*.bandwidth", Always),
    ("plans.*.concurrency", Always),
    ("plans.*.limits.*.by", LIMIT_BY),
    ("plans.*.limits.*.count_refused", Always),
    ("plans.*.limits.*.mode", Always),
    ("plans.*.limits.*.strategy", LIMIT_STRATEGIES),
    ("plans.*.limits.*.warn_at", Always),
    ("plans.*.quota.on_exceeded", Always),
    ("plans.*.quota.warn_at", Always),
    ("retention.access_log", Always),
    ("routes.*.auth", Words(&["jwt", "mtls", "signature", "oauth2", "introspection"])),
    ("routes.*.errors.html", Always),
    ("routes.*.limits.*.by", LIMIT_BY),
    ("routes.*.limits.*.count_refused", Always),
    ("routes.*.limits.*.mode", Always),
    ("routes.*.limits.*.strategy", LIMIT_STRATEGIES),
    ("routes.*.limits.*.warn_at", Always),
    ("store.password", Always),
    ("store.password_file", Always),
    ("store.url", Words(&["postgres:", "postgresql:", "mysql:", "redis:", "rediss:"])),
    ("tls.*.acme", Always),
];

/// Refuses every such field, and takes it out of the tree.
pub(super) fn refuse(tree: &mut Node, problems: &mut Problems) {
    for (pattern, when) in UNSUPPORTED {
        let parts: Vec<&str> = pattern.split('.').collect();
        let mut found = Vec::new();
        matching(tree, &parts, &mut Vec::new(), &mut found);
        for path in found {
            refuse_at(tree, problems, path, when);
        }
    }
}

fn matching(node: &Node, pattern: &[&str], path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let Some((first, rest)) = pattern.split_first() else {
        found.push(path.clone());
        return;
    };
    let mut step = |key: &str, child: &Node| {
        path.push(key.to_owned());
        matching(child, rest, path, found);
        path.pop();
    };
    match &node.value {
        Value::Table(table) if *first == "*" => table.iter().for_each(|(key, child)| step(key, child)),
        Value::List(_) if *first == "*" => node.items().for_each(|(n, child)| step(&n.to_string(), child)),
        Value::Table(table) => {
            if let Some((key, child)) = table.get_key_value(*first) {
                step(key, child);
            }
        }
        _ => {}
    }
}

fn refuse_at(tree: &mut Node, problems: &mut Problems, path: Vec<String>, when: &When) {
    let Some(node) = tree.find(&path) else { return };
    match when {
        Always => {
            let key = node.key.unwrap_or(node.at);
            let shown = problems.sources.header_of(key);
            let dotted = path.join(".");
            let what = if shown == key { field(&path) } else { format!("`[{dotted}]`") };
            tell(problems, &path, &what, shown);
            tree.remove(&path);
        }
        Is(truth) => {
            if matches!(node.value, Value::Bool(b) if b == *truth) {
                let what = format!("`{} = {truth}`", path.last().map_or("", String::as_str));
                tell(problems, &path, &what, node.at);
                tree.remove(&path);
            }
        }
        Words(words) => refuse_words(tree, problems, &path, words),
    }
}

/// Refuses the words in a text or in a list of texts. The field itself goes with the last of its words.
fn refuse_words(tree: &mut Node, problems: &mut Problems, path: &[String], words: &[&str]) {
    let refused = |node: &Node| {
        let text = node.text()?;
        words.iter().any(|w| text == *w || (w.ends_with(':') && text.starts_with(w))).then(|| text.to_owned())
    };
    let Some(node) = tree.find(path) else { return };
    if let Some(word) = refused(node) {
        tell(problems, path, &quoted(path, &word), node.at);
        tree.remove(path);
        return;
    }
    let bad: Vec<(usize, String)> = node.items().filter_map(|(n, item)| Some((n, refused(item)?))).collect();
    let whole = !bad.is_empty() && bad.len() == node.items().count();
    for (n, word) in bad {
        let item: Vec<String> = path.iter().cloned().chain([n.to_string()]).collect();
        let Some(node) = tree.find(&item) else { continue };
        tell(problems, path, &quoted(path, &word), node.at);
        tree.remove(&item);
    }
    if whole {
        tree.remove(path);
    }
}

fn quoted(path: &[String], word: &str) -> String {
    // Addresses may hold a password.
    let word =
        if word.contains("//") { format!("{}…", word.split("//").next().unwrap_or("")) } else { word.to_owned() };
    format!("`{} = \"{word}\"`", path.last().map_or("", String::as_str))
}

fn field(path: &[String]) -> String {
    format!("`{}`", path.last().map_or("", String::as_str))
}

fn tell(problems: &mut Problems, path: &[String], what: &str, at: super::source::Place) {
    problems
        .error(Code::Unsupported, path.to_vec(), format!("{what} is not supported in this version"))
        .at(at)
        .label("remove this");
}
