//! The source tree as text: code without comments and literals, so that a rule can be asked of it line by line.

use std::path::{Path, PathBuf};

/// One file of Rust.
pub struct Source {
    /// Where it is, from the root of the repository.
    pub path: String,
    /// Its lines as written.
    pub lines: Vec<String>,
    /// Its lines without comments, and with literals emptied.
    pub code: Vec<String>,
    /// The contents of the string literals that begin in a line.
    pub strings: Vec<Vec<String>>,
    /// Whether a line belongs to tests.
    pub test: Vec<bool>,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with one of these endings, in order.
pub fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// `path` from the root of the repository.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// Every Rust file below `folder`. Files that a `mod` under `#[cfg(test)]` takes in are tests as a whole.
pub fn rust(folder: &str) -> Vec<Source> {
    let read = |path: &PathBuf| Source::parse(&relative(path), &std::fs::read_to_string(path).unwrap());
    let mut all: Vec<Source> = files(folder, &["rs"]).iter().map(read).collect();
    let only_tests: Vec<Vec<String>> = all.iter().flat_map(Source::test_modules).collect();
    for source in &mut all {
        let module = source.module();
        if only_tests.iter().any(|test| module.starts_with(test)) {
            source.test.fill(true);
        }
    }
    all
}

impl Source {
    /// Takes a file apart.
    pub fn parse(path: &str, text: &str) -> Self {
        let (code, mut strings) = blank(text);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let code: Vec<String> = code.lines().map(str::to_owned).collect();
        strings.resize(lines.len().max(strings.len()), Vec::new());
        let whole = path.ends_with("/tests.rs") || path.contains("/contract") || path.contains("/tests/");
        let test = if whole { vec![true; lines.len()] } else { test_lines(&code) };
        Source { path: path.to_owned(), lines, code, strings, test }
    }

    /// The module the file is, from the root of the crate: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
    pub fn module(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if parts.last().is_some_and(|l| l == "mod" || l == "lib" || l == "main") {
            parts.pop();
        }
        parts
    }

    /// Modules in files of their own that are taken in for tests alone.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let lines = self.code.iter().zip(&self.test).filter(|(_, test)| **test).map(|(code, _)| code.trim());
        let names = lines.filter_map(|code| code.rsplit_once("mod ")?.1.strip_suffix(';'));
        names.map(|name| [self.module(), vec![name.to_owned()]].concat()).collect()
    }

    /// Lines of code outside tests, with their numbers.
    pub fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().enumerate().filter(|(i, _)| !self.test[*i]).map(|(i, line)| (i + 1, line.as_str()))
    }
}

/// Replaces comments by nothing and literals by `""`; newlines stay. Gives the literals' contents by line.
fn blank(text: &str) -> (String, Vec<Vec<String>>) {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::new();
    let mut strings = vec![Vec::new()];
    let mut i = 0;
    while i < chars.len() {
        let next = chars.get(i + 1).copied().unwrap_or(' ');
        match chars[i] {
            '/' if next == '/' => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
            }
            '/' if next == '*' => i = skip_block(&chars, i, &mut code, &mut strings),
            '"' => i = skip_string(&chars, i, 0, true, &mut code, &mut strings),
            'r' if (next == '"' || next == '#') && !continues_name(&code) && raw_hashes(&chars, i + 1).is_some() => {
                let hashes = raw_hashes(&chars, i + 1).unwrap_or(0);
                i = skip_string(&chars, i + 1 + hashes, hashes, false, &mut code, &mut strings);
            }
            '\'' if next == '\\' || chars.get(i + 2) == Some(&'\'') => {
                let start = i + if next == '\\' { 3 } else { 2 };
                i = (start..chars.len()).find(|j| chars[*j] == '\'').map_or(chars.len(), |j| j + 1);
                code.push_str("' '");
            }
            c => {
                code.push(c);
                if c == '\n' {
                    strings.push(Vec::new());
                }
                i += 1;
            }
        }
    }
    (code, strings)
}

fn continues_name(code: &str) -> bool {
    code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') && !code.ends_with(['b', 'c'])
}

/// How many `#` stand before the `"` of a raw string; `None` if it is none.
fn raw_hashes(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from..].iter().take_while(|c| **c == '#').count();
    (chars.get(from + hashes) == Some(&'"')).then_some(hashes)
}

fn skip_block(chars: &[char], from: usize, code: &mut String, strings: &mut Vec<Vec<String>>) -> usize {
    let (mut i, mut depth) = (from, 0);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            (c, _) => {
                if c == '\n' {
                    code.push('\n');
                    strings.push(Vec::new());
                }
                i += 1;
            }
        }
        if depth == 0 {
            return i;
        }
    }
    i
}

fn skip_string(
    chars: &[char],
    quote: usize,
    hashes: usize,
    escapes: bool,
    code: &mut String,
    strings: &mut Vec<Vec<String>>,
) -> usize {
    let line = strings.len() - 1;
    let (mut i, mut content) = (quote + 1, String::new());
    code.push_str("\"\"");
    while i < chars.len() {
        let closes = chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        if closes {
            i += 1 + hashes;
            break;
        }
        if escapes && chars[i] == '\\' {
            content.push(chars[i]);
            i += 1;
        }
        if let Some(c) = chars.get(i) {
            content.push(*c);
            if *c == '\n' {
                code.push('\n');
                strings.push(Vec::new());
            }
        }
        i += 1;
    }
    strings[line].push(content);
    i
}

/// Which lines lie in an item under `#[cfg(test)]`.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut test = vec![false; code.len()];
    let mut line = 0;
    while line < code.len() {
        let attribute = code[line].trim_start();
        if !(attribute.starts_with("#[cfg(test)]") || attribute.starts_with("#[cfg(all(test")) {
            line += 1;
            continue;
        }
        let (mut depth, mut opened) = (0_i32, false);
        while line < code.len() {
            test[line] = true;
            for c in code[line].chars() {
                match c {
                    '{' => (depth, opened) = (depth + 1, true),
                    '}' => depth -= 1,
                    _ => {}
                }
            }
            let ends = if opened { depth == 0 } else { code[line].trim_end().ends_with(';') };
            line += 1;
            if ends {
                break;
            }
        }
    }
    test
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "let a = \"use crate::x\"; // crate::y\n/* crate::z */ let b = r#\"\"crate::w\"#; let c = '\"';\nfn f<'a>() {}\n";
    let source = Source::parse("src/a/mod.rs", text);
    assert_eq!(source.code, ["let a = \"\"; ", " let b = \"\"; let c = ' ';", "fn f<'a>() {}"]);
    assert_eq!(source.strings[0], ["use crate::x"]);
    assert_eq!(source.strings[1], ["\"crate::w"]);
    assert_eq!(source.module(), ["a"]);
}

#[test]
fn items_under_cfg_test_are_tests() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}";
    let test = Source::parse("src/a.rs", text).test;
    assert_eq!(test, [false, true, true, true, true, false, true, true, false]);
}
