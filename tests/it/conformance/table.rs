//! The page that tells what becomes of odd requests names a test for every row, and forgets none.

use std::collections::BTreeSet;

use crate::support::source::{files, root};

/// Rows of each section of the page.
const SECTIONS: &[(&str, usize)] = &[("F", 21), ("T", 11), ("H", 10), ("S", 11), ("U", 11), ("A", 10)];

/// Rows of kinds of credentials that are not served, which have no line here.
const ELSEWHERE: &[&str] = &["A3", "A4"];

#[test]
fn every_row_has_its_tests() {
    let page = std::fs::read_to_string(root().join("docs/http-rules.md")).unwrap();
    let there: BTreeSet<String> = files("tests/it", &["rs"]).iter().flat_map(|path| tests_of(path)).collect();
    let mut wrong = Vec::new();
    let (mut named, mut rows) = (BTreeSet::new(), BTreeSet::new());
    for line in page.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let (row, tests) = (cells[0].trim_start_matches("| "), cells.last().unwrap());
        rows.insert(row.to_owned());
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            wrong.push(format!("{row}: no test is named"));
        }
        for test in tests {
            if !there.contains(test) {
                wrong.push(format!("{row}: there is no test `{test}`"));
            }
            named.insert(test.to_owned());
        }
    }
    for (letter, count) in SECTIONS {
        let missing = (1..=*count).map(|n| format!("{letter}{n}"));
        let missing = missing.filter(|row| !rows.contains(row) && !ELSEWHERE.contains(&row.as_str()));
        wrong.extend(missing.map(|row| format!("{row}: has no line")));
    }
    let unnamed =
        there.iter().filter(|test| test.starts_with("conformance::") && !test.starts_with("conformance::table"));
    wrong.extend(unnamed.filter(|test| !named.contains(*test)).map(|test| format!("{test}: is in no row")));
    assert!(wrong.is_empty(), "docs/http-rules.md:\n{}", wrong.join("\n"));
}

/// The tests of a file of this test program, as the test runner calls them.
fn tests_of(path: &std::path::Path) -> Vec<String> {
    let module = path.strip_prefix(root().join("tests/it")).unwrap().with_extension("");
    let module = module.to_string_lossy().replace('/', "::");
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let tests = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    tests
        .filter_map(|pair| pair[1].strip_prefix("fn ")?.split_once('('))
        .map(|(name, _)| format!("{module}::{name}"))
        .collect()
}
