//! Who may import whom. The table is the house plan; every path of the crate is held against it.

use std::collections::BTreeSet;

use super::support::source::{self, Source};

/// A module, and the modules of ours that it may name besides itself.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("telemetry", &["model"]),
    ("config", &["model"]),
    ("store", &["model", "telemetry"]),
    ("limits", &["model", "telemetry"]),
    ("geo", &["model", "telemetry"]),
    ("snapshot", &["model", "config", "store", "telemetry"]),
    ("admission", &["model", "config", "snapshot", "limits", "geo", "telemetry"]),
    ("record", &["model", "config", "store", "telemetry"]),
    ("proxy", &["model", "config", "snapshot", "admission", "record", "telemetry"]),
    ("admin", &["model", "config", "store", "snapshot", "admission", "record", "limits", "telemetry"]),
    (
        "app",
        &[
            "model",
            "telemetry",
            "config",
            "store",
            "limits",
            "geo",
            "snapshot",
            "admission",
            "record",
            "proxy",
            "admin",
        ],
    ),
    ("cli", &["app", "config", "model"]),
    // The crate's root names the command line, and nothing else.
    ("", &["cli"]),
];

/// Libraries that only some modules may name: SQL, databases of addresses, web frameworks, command lines.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("maxminddb", &["geo"]),
    ("axum", &["admin", "app"]),
    ("clap", &["cli", ""]),
    ("anyhow", &["cli", ""]),
    ("annotate_snippets", &["config"]),
    ("toml", &["config", "cli"]),
    ("prometheus_client", &["record", "telemetry"]),
];

/// What the vocabulary never touches: it does no I/O, reads no clock and logs nothing.
const NOT_IN_MODEL: &[&str] = &[
    "tokio::",
    "hyper::",
    "rusqlite::",
    "tracing::",
    "std::fs",
    "std::process",
    "std::env",
    "TcpStream",
    "TcpListener",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
];

#[test]
fn every_import_is_in_the_table() {
    let mut wrong = Vec::new();
    for source in source::rust("src") {
        let module = source.module();
        let own = module.first().map_or("", String::as_str);
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == own) else {
            wrong.push(format!("{}: module `{own}` is not in the table", source.path));
            continue;
        };
        for (line, named) in named_modules(&source) {
            let known = TABLE.iter().any(|(name, _)| *name == named);
            if known && named != own && !allowed.contains(&named.as_str()) && !below(&source, line, own, &named) {
                wrong.push(format!("{}:{line}: `{own}` may not name `{named}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tests of a module may set the scene with anything that lies below it: the table's order is from the bottom up.
fn below(source: &Source, line: usize, own: &str, named: &str) -> bool {
    let height = |name: &str| TABLE.iter().position(|(n, _)| *n == name);
    source.test[line - 1] && height(named) < height(own)
}

#[test]
fn libraries_stay_in_their_modules() {
    let mut wrong = Vec::new();
    for source in source::rust("src") {
        let module = source.module();
        let own = module.first().map_or("", String::as_str);
        for (line, code) in source.production() {
            for (library, modules) in LIBRARIES {
                if names(code, &format!("{library}::")) && !modules.contains(&own) {
                    wrong.push(format!("{}:{line}: `{own}` may not name {library}", source.path));
                }
            }
            for banned in NOT_IN_MODEL {
                if own == "model" && names(code, banned) {
                    wrong.push(format!("{}:{line}: `model` may not name {banned}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `code` holds `what` as a path of its own, not as the end of a longer name.
fn names(code: &str, what: &str) -> bool {
    code.match_indices(what).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// The top modules that a file names, with the line.
fn named_modules(source: &Source) -> Vec<(usize, String)> {
    let mut found = BTreeSet::new();
    let mut inline: Vec<i32> = Vec::new();
    let mut depth = 0_i32;
    let file_depth = source.module().len();
    for (index, code) in source.code.iter().enumerate() {
        let level = file_depth + inline.len();
        for root in ["crate::", "argus::"] {
            for (at, _) in code.match_indices(root) {
                let before = code[..at].chars().next_back();
                if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    found.extend(heads(source, index, at + root.len()).into_iter().map(|name| (index + 1, name)));
                }
            }
        }
        if let Some((at, supers)) = leading_supers(code)
            && supers >= level
            && level > 0
        {
            found.extend(heads(source, index, at).into_iter().map(|name| (index + 1, name)));
        }
        let opens_module = code.trim_start().trim_start_matches("pub ").starts_with("mod ") && code.contains('{');
        if opens_module {
            inline.push(depth);
        }
        for c in code.chars() {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    if inline.last() == Some(&depth) {
                        inline.pop();
                    }
                }
                _ => {}
            }
        }
    }
    found.into_iter().collect()
}

/// Where the longest chain of `super::` of a line ends, and how long it is.
fn leading_supers(code: &str) -> Option<(usize, usize)> {
    let start = code.find("super::")?;
    let mut at = start;
    let mut count = 0;
    while code[at..].starts_with("super::") {
        at += "super::".len();
        count += 1;
    }
    Some((at, count))
}

/// The first names of the path or of the braced list that begins at `at` of a line, and may go on in the next ones.
fn heads(source: &Source, line: usize, at: usize) -> Vec<String> {
    let rest: String =
        std::iter::once(&source.code[line][at..]).chain(source.code[line + 1..].iter().map(String::as_str)).collect();
    let name =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(list) = rest.strip_prefix('{') else { return vec![name(&rest)] };
    let mut names = Vec::new();
    let (mut depth, mut item) = (0, String::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&std::mem::take(&mut item))),
            _ => {}
        }
        if !(c == ',' && depth == 0) {
            item.push(c);
        }
    }
    names.push(name(&item));
    names.retain(|n| !n.is_empty());
    names
}

#[test]
fn the_check_sees_what_it_should() {
    let check = |path: &str, text: &str, expected: &[&str]| {
        let named: Vec<String> = named_modules(&Source::parse(path, text)).into_iter().map(|(_, n)| n).collect();
        assert_eq!(named, expected, "{text}");
    };
    check("src/model/a.rs", "use crate::store::Page;", &["store"]);
    check("src/model/a.rs", "use crate::{\n    config::Config,\n    store::{Page, Store},\n};", &["config", "store"]);
    check("src/model/a.rs", "fn f(x: &crate::config::Config) {}", &["config"]);
    check("src/model/mod.rs", "use super::store::Page;", &["store"]);
    check("src/model/a.rs", "use super::store::Page;", &[]);
    check("src/model/a.rs", "use super::super::store::Page;", &["store"]);
    check("src/model/mod.rs", "mod tests {\n    use super::key::Key;\n}", &[]);
    check("src/model/mod.rs", "mod tests {\n    use super::super::store::Key;\n}", &["store"]);
    check("src/model/a.rs", "// use crate::store::Page;\nlet text = \"crate::store\";", &[]);
    check("src/main.rs", "use argus::cli::run;", &["cli"]);
}
