//! How problems name tables and fields.

/// Longest text of a file that is repeated inside a message.
const SHORT_CHARS_MAX: usize = 80;

/// The start of a text that is too long to repeat.
pub(super) fn short(text: &str) -> String {
    let mut out: String = text.chars().take(SHORT_CHARS_MAX).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// The text with dots for the passwords of URLs in it, character by character so that columns stay true.
pub(super) fn without_password(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (front, tail) = rest.split_at(at + 3);
        out.push_str(front);
        let authority = &tail[..tail.find(['/', '"', '\'', '`', ' ', '?', '#']).unwrap_or(tail.len())];
        let end = authority.rfind('@').unwrap_or(0);
        let from = authority[..end].find(':').map_or(end, |colon| colon + 1);
        out.push_str(&tail[..from]);
        out.extend(tail[from..end].chars().map(|_| '•'));
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

/// The text as TOML, on one line whatever is in it: JSON's escapes are TOML's, but for the delete character.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// What one of a table's named tables is called.
pub(super) fn thing(table: &str) -> Option<&'static str> {
    Some(match table {
        "listeners" => "listener",
        "upstreams" => "upstream",
        "routes" => "route",
        "plans" => "plan",
        "conditions" => "condition",
        "tls" => "tls",
        _ => return None,
    })
}

/// `route "orders"`, `` `log.access` ``, `` `limits` of plan "pro" ``.
pub(super) fn name(path: &[String]) -> String {
    match path {
        [] => "the file".to_owned(),
        [table, name, rest @ ..] if thing(table).is_some() => {
            let named = format!("{} \"{}\"", thing(table).unwrap_or_default(), short(name));
            match dotted(rest) {
                rest if rest.is_empty() => named,
                rest => format!("`{rest}` of {named}"),
            }
        }
        path => format!("`{}`", dotted(path)),
    }
}

/// Joined by dots, without the numbers of list items.
fn dotted(path: &[String]) -> String {
    let words: Vec<String> = path.iter().filter(|p| p.parse::<usize>().is_err()).map(|p| short(p)).collect();
    words.join(".")
}

/// ` in route "orders"`, or nothing at the top.
pub(super) fn within(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!(" in {}", name(path)) }
}

/// `routes take`, `` `log.access` takes ``, `the file takes`.
pub(super) fn subject(path: &[String]) -> String {
    match path {
        [table, _] if thing(table).is_some() && table != "tls" => format!("{table} take"),
        [table, _, rest @ ..] if thing(table).is_some() && !rest.is_empty() => format!("`{}` takes", dotted(rest)),
        path => format!("{} takes", name(path)),
    }
}
