//! Rules of the house that no compiler knows.

use super::support::source::{self, Source, files, relative, root};

/// Lines a file may have.
const LINES_MAX: usize = 400;

/// Files that are longer, with the lines they may have and why. The list may only shrink: a file that has become short
/// enough leaves it, and none may grow.
const LONGER: &[(&str, usize, &str)] =
    &[("src/model/limit.rs", 443, "one grammar of limits: rate, window, strategy and their texts")];

/// Where answers are made. Everything else passes on what these give.
const ANSWERS: &[&str] =
    &["src/proxy/rejection", "src/proxy/response", "src/proxy/upgrade", "src/admin/", "src/proxy/rules/"];

/// Where the command line writes.
const OUTPUT: &str = "src/cli/output";

#[test]
fn files_are_of_a_size_to_be_read() {
    let mut wrong = Vec::new();
    for source in everything() {
        let lines = source.lines.len();
        match LONGER.iter().find(|(path, _, _)| *path == source.path) {
            None if lines > LINES_MAX => wrong.push(format!("{}: {lines} lines, split it", source.path)),
            Some((path, most, _)) if lines > *most => wrong.push(format!("{path}: grew from {most} to {lines} lines")),
            Some((path, _, _)) if lines <= LINES_MAX => {
                wrong.push(format!("{path}: is short now, take it out of the list"))
            }
            _ => {}
        }
    }
    for (path, _, _) in LONGER {
        if !root().join(path).exists() {
            wrong.push(format!("{path}: in the list, but not in the tree"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sql_is_written_in_the_store_only() {
    const SQL: &[&str] =
        &["SELECT ", "INSERT INTO ", "INSERT OR ", "DELETE FROM ", "CREATE TABLE ", "CREATE INDEX ", "PRAGMA "];
    let update = |text: &str| text.contains("UPDATE ") && text.contains(" SET ");
    let wrong: Vec<String> = source::rust("src")
        .iter()
        .filter(|source| !source.path.starts_with("src/store/"))
        .flat_map(|source| {
            source
                .strings
                .iter()
                .enumerate()
                .filter(|(line, _)| !source.test.get(*line).copied().unwrap_or(false))
                .filter(|(_, strings)| {
                    strings.iter().any(|text| update(text) || SQL.iter().any(|word| text.contains(word)))
                })
                .map(|(line, _)| format!("{}:{}", source.path, line + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "SQL outside src/store:\n{}", wrong.join("\n"));
}

#[test]
fn answers_are_made_in_their_places_only() {
    let wrong = lines_with(&["Response::builder(", "Response::new("], |source| {
        !ANSWERS.iter().any(|place| source.path.starts_with(place))
    });
    assert!(wrong.is_empty(), "answers made outside {ANSWERS:?}:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_prints() {
    let wrong = lines_with(&["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("], |source| {
        !source.path.starts_with(OUTPUT)
    });
    assert!(wrong.is_empty(), "printing outside {OUTPUT}:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_outside_tests_panics_on_purpose() {
    let wrong = lines_with(&[".unwrap()", "panic!(", "todo!(", "unimplemented!("], |_| true);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not hold what it looks for.
    let words =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["for ", "now"], ["not yet ", "implemented"]].map(|w| w.concat());
    let mut wrong = Vec::new();
    let folders = ["src", "tests", "benches", "docs", "geoip", "deploy", "migrations"];
    let endings = ["rs", "md", "toml", "sql", "sh", "yml", "yaml"];
    let mut all: Vec<_> = folders.iter().flat_map(|folder| files(folder, &endings)).collect();
    all.extend(["README.md", "ARCHITECTURE.md", "gateway.toml", "Cargo.toml"].map(|name| root().join(name)));
    for path in all.iter().filter(|path| path.exists()) {
        let text = std::fs::read_to_string(path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let line = &line.replace("for now in ", "");
            if let Some(word) = words.iter().find(|word| has_word(line, word)) {
                wrong.push(format!("{}:{}: {word}", relative(path), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `line` holds `word` with no letter right before or after it.
fn has_word(line: &str, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    line.match_indices(word)
        .any(|(at, _)| !letter(line[..at].chars().next_back()) && !letter(line[at + word.len()..].chars().next()))
}

fn everything() -> Vec<Source> {
    ["src", "tests", "benches", "geoip"].iter().flat_map(|folder| source::rust(folder)).collect()
}

/// Lines of code outside tests, in the files chosen, that hold one of `patterns` not as the end of a longer name.
fn lines_with(patterns: &[&str], chosen: impl Fn(&Source) -> bool) -> Vec<String> {
    let holds = |code: &str, pattern: &str| {
        code.match_indices(pattern).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            pattern.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    };
    source::rust("src")
        .iter()
        .filter(|source| chosen(source))
        .flat_map(|source| {
            source
                .production()
                .filter(|(_, code)| patterns.iter().any(|pattern| holds(code, pattern)))
                .map(|(line, code)| format!("{}:{line}: {}", source.path, code.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}
