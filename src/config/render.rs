//! How problems are printed: file, line and column that a terminal can open, the line itself with a caret, the remedy.

use std::fmt::Write as _;

use super::problem::{Problem, Problems, Severity};
use super::secrets::SECRET_FIELDS;
use super::words::without_password;

/// Characters of a source line that are shown: a file on one line must not flood the terminal.
const SNIPPET_CHARS_MAX: usize = 160;
/// Characters shown before the caret where a line is longer than that.
const SNIPPET_CHARS_BEFORE: usize = 60;

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const BLUE: &str = "\u{1b}[34m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// Writes in colour, or not.
#[derive(Clone, Copy)]
struct Ink {
    on: bool,
}

impl Ink {
    fn paint(self, colour: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

/// All problems, one blank line between, and the count.
pub(super) fn render(problems: &Problems, colour: bool) -> String {
    let ink = Ink { on: colour };
    let mut out = String::new();
    for problem in problems.iter() {
        one(&mut out, problems, problem, ink);
        out.push('\n');
    }
    if problems.has_more() {
        out.push_str("more errors were found than are told here\n\n");
    }
    if !problems.is_empty() {
        out.push_str(&problems.count_line());
        out.push('\n');
    }
    out
}

fn one(out: &mut String, problems: &Problems, p: &Problem, ink: Ink) {
    let tone = match p.severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
    };
    let head = ink.paint(tone, &format!("{}[{}]", p.severity.as_str(), p.code));
    out.push_str(&format!("{head}: {}\n", ink.paint(BOLD, &visible(&p.message))));
    let position = p.place.and_then(|place| problems.sources.line_column(place));
    let number = position.map(|at| at.line.to_string()).unwrap_or_default();
    let width = number.len().max(2);
    let gutter = " ".repeat(width);
    let bar = ink.paint(BLUE, "│");
    if let Some(place) = p.place {
        out.push_str(&format!("{gutter}{} {}\n", ink.paint(BLUE, "┌─"), visible(&problems.sources.shown(place))));
    }
    let roomy = !p.help.is_empty();
    if let Some((line, within)) = p.place.filter(|_| p.snippet).and_then(|at| problems.sources.line_of(at)) {
        let snippet = Snippet::cut(line, within);
        let blank = if roomy { format!("{gutter}{bar}\n") } else { String::new() };
        out.push_str(&blank);
        out.push_str(&format!("{}{bar} {}\n", ink.paint(BLUE, &format!("{number:>width$}")), snippet.text));
        let label = if p.label.is_empty() { String::new() } else { format!(" {}", visible(&p.label)) };
        out.push_str(&format!(
            "{gutter}{bar} {}{}\n",
            snippet.before,
            ink.paint(tone, &format!("{}{label}", snippet.carets))
        ));
        out.push_str(&blank);
    } else if !p.label.is_empty() {
        tail(out, &gutter, "help", &p.label);
    }
    for note in &p.notes {
        tail(out, &gutter, "note", note);
    }
    for help in &p.help {
        tail(out, &gutter, "help", help);
    }
}

/// `  = help: first line`, the others below its text.
fn tail(out: &mut String, gutter: &str, word: &str, text: &str) {
    for (n, line) in text.lines().enumerate() {
        let front = if n == 0 { format!("= {word}: ") } else { " ".repeat(word.len() + 4) };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{gutter}{front}{}", visible(line));
    }
}

/// What is shown of a source line.
struct Snippet {
    text: String,
    before: String,
    carets: String,
}

impl Snippet {
    /// Cuts a long line around the place, hides what is secret, and makes control characters visible: the file may
    /// hold what a terminal would obey.
    fn cut(line: &str, within: std::ops::Range<usize>) -> Snippet {
        let start = line[..within.start].chars().count();
        let end = start + line[within.clone()].chars().count();
        let (shown, hidden_from) = hide_secrets(line);
        let shown: Vec<char> = visible(&shown).chars().collect();
        // What lies in the hidden part is pointed at as a whole.
        let (start, end) = match hidden_from {
            Some(from) if start >= from => (from + 1, shown.len()),
            Some(from) => (start, end.min(from)),
            None => (start, end),
        };
        let skip = if shown.len() > SNIPPET_CHARS_MAX { start.saturating_sub(SNIPPET_CHARS_BEFORE) } else { 0 };
        let before = start - skip;
        Snippet {
            text: shown.iter().skip(skip).take(SNIPPET_CHARS_MAX).collect(),
            before: shown.iter().skip(skip).take(before).map(|c| if *c == '\t' { '\t' } else { ' ' }).collect(),
            carets: "^".repeat((end.saturating_sub(start)).clamp(1, SNIPPET_CHARS_MAX.saturating_sub(before).max(1))),
        }
    }
}

/// Puts dots in place of everything after `pepper =` and the like up to the end of the line, and of the passwords of
/// URLs. Also the character from which the former hides.
fn hide_secrets(line: &str) -> (String, Option<usize>) {
    match SECRET_FIELDS.iter().filter_map(|field| secret_at(line, field)).min() {
        Some(from) => (format!("{} \"••••\"", &line[..from]), Some(line[..from].chars().count())),
        None => (without_password(line), None),
    }
}

/// Where the value of `field` begins in `line`, if the line sets it.
fn secret_at(line: &str, field: &str) -> Option<usize> {
    line.match_indices(field).find_map(|(at, _)| {
        let alone = !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let rest = &line[at + field.len()..];
        let value = rest.trim_start_matches(['"', '\'', ' ', '\t']).strip_prefix('=')?;
        (alone && !line[..at].contains('#')).then(|| line.len() - value.len())
    })
}

/// Control characters as a mark, so that no text from a file moves the cursor.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}
