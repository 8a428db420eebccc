//! The reference of `gateway.toml`, made from the written form: `docs/configuration.md` and `argus help config`.

use std::fmt::Write as _;

use serde_json::Value;

use super::overrides::{OVERRIDES, variables};
use super::problem::Code;
use super::schema::{Part, root};

/// Every table, in the order a request meets them.
pub(super) const TABLES: &[&str] = &[
    "listeners",
    "tls",
    "clients",
    "routes",
    "upstreams",
    "auth",
    "keys",
    "plans",
    "conditions",
    "geo",
    "store",
    "admin",
    "ops",
    "identity_headers",
    "errors",
    "log",
    "metrics",
    "retention",
    "resources",
];

const INTRODUCTION: &str = "\
# Configuration

Argus is configured by one file of [TOML](https://toml.io), `gateway.toml`. This page is made from the types that read
it; `argus help config TABLE` prints a part of it, and `argus schema` the same as a JSON Schema for editors.

Six lines are enough:

```toml
listen = \":8080\"

[routes.api]
paths = [\"/*\"]
upstream = \"http://127.0.0.1:3000\"
auth = \"api_key\"
```

- **Where it is looked for:** `--config FILE`, `$ARGUS_CONFIG`, `./gateway.toml`, `/etc/argus/gateway.toml`. Then
  `conf.d/*.toml` beside it, in the order of their names. Files may add named tables to each other; a table or field
  that two files define is an error.
- **Everything is checked at once:** `argus check` tells every problem with file, line, column and remedy. Unknown
  fields are errors. A reload that finds an error changes nothing.
- **Order never matters:** the most specific route wins, and two equally specific ones are an error.
- **Numbers with a unit are text:** durations `\"250ms\"`, `\"30s\"`, `\"1h30m\"`, `\"90d\"` (units `ns`, `us`, `ms`, `s`,
  `m`, `h`, `d`); sizes `\"512B\"`, `\"64KiB\"`, `\"10MB\"`; shares `\"10%\"`; rates `\"100/min\"`, `\"50/s\"`,
  `\"5000/day\"`, `\"1/10s\"`.
- **Addresses:** `\":8080\"` listens on every address of the machine (IPv4 and IPv6), `\"127.0.0.1:8080\"` on one.
- **Variables:** any text may hold `${VAR}`, `${VAR:-default}` or `${VAR:?why it is needed}`; `$$` is a dollar sign. They
  are filled in after the file was read, so a value cannot bring structure of its own. A field that wants a number or a
  truth takes one that a variable filled in.
- **Secrets** are written as they are, as `${VAR}`, or by a file (`pepper_file`), whose last newline does not count. They
  are never printed.
- **The environment overrides** the fields marked with a variable below. An option of the command line comes before the
  environment, that before the files, those before the default; `argus check --show` tells where each value comes from.
- **Relative paths** start from the directory of the file they are written in.
- **Files that are named** (certificates, secrets, databases) are read again when they change.
";

/// The whole reference, as Markdown.
pub fn reference() -> String {
    let root = root();
    let whole = Part::whole(&root);
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## top-level\n\nFields before the first table.\n\n");
    let top: Vec<(&str, Part<'_>)> = whole.fields().into_iter().filter(|(name, _)| !TABLES.contains(name)).collect();
    fields_markdown(&mut out, &[], &top);
    for table in TABLES {
        let Some((_, part)) = whole.fields().into_iter().find(|(name, _)| name == table) else { continue };
        section(&mut out, &[table], part);
    }
    out.push_str("\n## Problems\n\nEvery problem has a number that does not change.\n\n| | |\n| --- | --- |\n");
    for code in Code::ALL {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "| {code} | {} |", code.meaning());
    }
    out
}

/// One table and those inside it.
fn section(out: &mut String, path: &[&str], part: Part<'_>) {
    let Some(table) = part.table() else { return };
    let inside = match part.named() {
        Some(_) => [path, &["NAME"]].concat(),
        None => path.to_vec(),
    };
    let _ = write!(out, "\n{} {}\n", if path.len() == 1 { "##" } else { "###" }, path.join("."));
    if path.len() == 1 {
        let _ = write!(out, "\n`[{}]`\n", inside.join("."));
    }
    for description in part.descriptions() {
        let _ = write!(out, "\n{description}\n");
    }
    let fields = table.fields();
    out.push('\n');
    fields_markdown(out, &inside, &fields);
    for (name, field) in fields {
        section(out, &[&inside, &[name][..]].concat(), field);
    }
}

fn fields_markdown(out: &mut String, path: &[&str], fields: &[(&str, Part<'_>)]) {
    out.push_str("| field | type | default | |\n| --- | --- | --- | --- |\n");
    for (name, field) in fields {
        let default = field.default().map(|d| format!("`{}`", toml_text(d))).unwrap_or_default();
        let told = told(path, name, *field).replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(out, "| `{name}` | {} | {default} | {told} |", field.kind());
    }
}

/// What is said about a field: its description, without the example, and its variable.
fn told(path: &[&str], name: &str, field: Part<'_>) -> String {
    let mut told = field.description().unwrap_or_default().split("\n\n").next().unwrap_or_default().to_owned();
    let dotted = [path, &[name]].concat().join(".");
    if OVERRIDES.contains(&dotted.as_str()) {
        let names: Vec<String> = variables(&dotted).iter().map(|v| format!("`{v}`")).collect();
        let _ = write!(told, " ({})", names.join(", "));
    }
    told
}

/// A value of the schema as TOML.
pub(super) fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// `argus help config`, or `argus help config TABLE`; `None` for a table that does not exist.
pub fn help(table: Option<&str>) -> Option<String> {
    let root = root();
    let whole = Part::whole(&root);
    let Some(table) = table else {
        let mut out = String::from("Tables of gateway.toml; `argus help config TABLE` tells their fields.\n\n");
        for name in TABLES {
            let Some((_, part)) = whole.fields().into_iter().find(|(n, _)| n == name) else { continue };
            let first = part.descriptions().next().unwrap_or_default().lines().next().unwrap_or_default();
            let _ = writeln!(out, "  {name:<18}{first}");
        }
        out.push_str("\nFields before the first table:\n");
        let top: Vec<_> = whole.fields().into_iter().filter(|(name, _)| !TABLES.contains(name)).collect();
        fields_text(&mut out, &[], &top);
        return Some(out);
    };
    let (_, part) = whole.fields().into_iter().find(|(name, _)| *name == table && TABLES.contains(name))?;
    let mut out = String::new();
    section_text(&mut out, &[table], part);
    Some(out)
}

fn section_text(out: &mut String, path: &[&str], part: Part<'_>) {
    let Some(table) = part.table() else { return };
    let inside = match part.named() {
        Some(_) => [path, &["NAME"]].concat(),
        None => path.to_vec(),
    };
    let _ = write!(out, "{}[{}]\n\n", if path.len() == 1 { "" } else { "\n" }, inside.join("."));
    for description in part.descriptions() {
        for line in description.lines().filter(|line| *line != "```") {
            let _ = writeln!(out, "{}", if line == "```toml" { "Example:" } else { line });
        }
        out.push('\n');
    }
    let fields = table.fields();
    fields_text(out, &inside, &fields);
    for (name, field) in fields {
        section_text(out, &[&inside, &[name][..]].concat(), field);
    }
}

fn fields_text(out: &mut String, path: &[&str], fields: &[(&str, Part<'_>)]) {
    for (name, field) in fields {
        let default = field.default().map(|d| format!(", default {}", toml_text(d))).unwrap_or_default();
        let _ = writeln!(out, "  {name}  ({}{default})", field.kind().replace('`', ""));
        for line in told(path, name, *field).lines() {
            let _ = writeln!(out, "      {line}");
        }
    }
}
