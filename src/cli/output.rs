//! The only place that prints. Results go to standard output, everything else to standard error.
//!
//! A command renders what it has to say into text by pure functions and hands it over here, so that what is printed
//! can be tested without a terminal. Text from a server goes through [`safe`] first: a key's name must not be able
//! to move the cursor of the person who lists keys.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::args::Global;
use super::exit::{Exit, Failure};

/// Whether and how text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// No colours.
    #[cfg(test)]
    pub const OFF: Paint = Paint(false);
    /// Colours, whatever the output is.
    #[cfg(test)]
    pub const ON: Paint = Paint(true);

    /// Decides from the flag, the environment and whether the output is a terminal. `NO_COLOR` wins over
    /// `FORCE_COLOR`; both count only when not empty.
    pub fn decide(no_color: bool, terminal: bool, env: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
        let dumb = env("TERM").is_some_and(|term| term == "dumb");
        let off = no_color || set("NO_COLOR");
        let on = set("FORCE_COLOR") || (terminal && !dumb);
        Paint(on && !off)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Green: good.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Red: bad.
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Yellow: worth a look.
    pub fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Dim: ids, and what matters less.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Whether there are colours at all.
    pub fn is_on(self) -> bool {
        self.0
    }
}

/// How results look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON value.
    Json,
    /// Tab-separated, nothing shortened.
    Plain,
}

/// Where a command's words go.
pub struct Output {
    /// How results look.
    pub format: Format,
    /// Colours of standard output.
    pub paint: Paint,
    /// Colours of standard error.
    pub paint_err: Paint,
    /// When the command began.
    pub now: Timestamp,
    /// The zone in which times are shown to people.
    pub zone: TimeZone,
    quiet: bool,
    verbose: bool,
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Output {
    /// Sets the output up as the global options ask.
    pub fn new(global: &Global) -> Self {
        let env = |name: &str| std::env::var(name).ok();
        let format = match (global.json, global.plain) {
            (true, _) => Format::Json,
            (_, true) => Format::Plain,
            _ => Format::Human,
        };
        let to_file = global.output.as_ref().is_some_and(|path| path.as_os_str() != "-");
        Output {
            format,
            paint: Paint::decide(global.no_color, !to_file && io::stdout().is_terminal(), env),
            paint_err: Paint::decide(global.no_color, io::stderr().is_terminal(), env),
            now: Timestamp::now(),
            zone: TimeZone::system(),
            quiet: global.quiet,
            verbose: global.verbose,
            path: global.output.clone().filter(|_| to_file),
            file: None,
        }
    }

    /// Prints a result and ends its last line.
    pub fn result(&mut self, text: &str) -> Result<(), Failure> {
        let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        self.write(&[text.as_bytes(), newline.as_bytes()])
    }

    /// Prints a result without ending its last line.
    pub fn part(&mut self, text: &str) -> Result<(), Failure> {
        self.write(&[text.as_bytes()])
    }

    /// Prints one JSON value.
    pub fn json(&mut self, value: &serde_json::Value) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Failure::failed(format!("cannot print: {e}")))?;
        self.result(&safe_json(&text))
    }

    /// Prints JSON text as a part of something larger.
    pub fn json_part(&mut self, text: &str) -> Result<(), Failure> {
        self.part(&safe_json(text))
    }

    /// Prints a secret, alone.
    pub fn secret(&mut self, secret: &[u8]) -> Result<(), Failure> {
        self.write(&[secret, b"\n"])
    }

    /// Makes the file of `--output` for a secret, before there is one: new, and for nobody else's eyes. Does nothing
    /// without `--output`.
    pub fn reserve_secret_file(&mut self) -> Result<(), Failure> {
        let Some(path) = &self.path else { return Ok(()) };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        self.file = Some(file.map_err(|e| cannot_write(path, &e))?);
        Ok(())
    }

    /// Removes what [`Output::reserve_secret_file`] made, when there is no secret to put into it after all.
    pub fn release_secret_file(&mut self) {
        if let (Some(path), Some(file)) = (&self.path, self.file.take()) {
            drop(file);
            // Nothing was written; an empty file that stays behind is harmless, and the command's own error matters more.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Tells something that is not the result. Silent with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            to_stderr(&format!("{text}\n"));
        }
    }

    /// Tells something that only `--verbose` shows.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            to_stderr(&format!("{}\n", self.paint_err.dim(text)));
        }
    }

    /// Tells something that deserves a look.
    pub fn warn(&self, text: &str) {
        to_stderr(&format!("{} {text}\n", self.paint_err.warn("warning:")));
    }

    /// Asks, without ending the line.
    pub fn ask(&self, text: &str) {
        to_stderr(text);
    }

    /// Tells why the command failed.
    pub fn failure(&self, failure: &Failure) {
        to_stderr(&render_failure(failure, self.paint_err));
    }

    fn write(&mut self, parts: &[&[u8]]) -> Result<(), Failure> {
        let Some(path) = &self.path else {
            let mut out = io::stdout().lock();
            return parts.iter().try_for_each(|p| out.write_all(p)).and_then(|()| out.flush()).map_err(|e| {
                // Whoever read us has seen enough: not a failure, but there is nothing left to do either.
                let exit = if e.kind() == io::ErrorKind::BrokenPipe { Exit::Done } else { Exit::Failed };
                Failure::new(exit, format!("cannot write the result: {e}"))
            });
        };
        if self.file.is_none() {
            self.file = Some(File::create(path).map_err(|e| cannot_write(path, &e))?);
        }
        match &mut self.file {
            Some(file) => parts.iter().try_for_each(|p| file.write_all(p)).map_err(|e| cannot_write(path, &e)),
            None => Ok(()),
        }
    }
}

fn cannot_write(path: &Path, e: &io::Error) -> Failure {
    let shown = path.display();
    if e.kind() == io::ErrorKind::AlreadyExists {
        return Failure::new(Exit::Conflict, format!("`{shown}` exists already"))
            .hint("a secret is never written over a file; name another one with --output");
    }
    Failure::failed(format!("cannot write `{shown}`: {e}"))
}

/// Standard error is where failures are told; when it fails itself there is nobody left to tell.
fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Prints what clap has to say: help and version to standard output, errors to standard error.
pub fn clap_message(error: &clap::Error, no_color: bool) {
    let env = |name: &str| std::env::var(name).ok();
    let to_stdout = !error.use_stderr();
    let terminal = if to_stdout { io::stdout().is_terminal() } else { io::stderr().is_terminal() };
    let rendered = error.render();
    let text =
        if Paint::decide(no_color, terminal, env).is_on() { rendered.ansi().to_string() } else { rendered.to_string() };
    if to_stdout {
        // Help that nobody reads to the end is no failure.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    } else {
        to_stderr(&text);
    }
}

/// `error:` with its lines, then the hints.
pub fn render_failure(failure: &Failure, paint: Paint) -> String {
    let mut out = match &failure.report {
        Some(report) if paint.is_on() => format!("{}\n", report.trim_end()),
        Some(report) => format!("{}\n", without_colours(report.trim_end())),
        None => format!("{} {}\n", paint.bad("error:"), safe(&failure.message)),
    };
    for line in &failure.details {
        out.push_str(&format!("  {}\n", safe(line)));
    }
    for hint in &failure.hints {
        out.push_str(&format!("  {} {}\n", paint.dim("hint:"), safe(hint)));
    }
    out
}

/// A text of ours without the colours it was laid out in.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    // A colour ends in `m`; nothing else of the kind is ever written.
    parts.fold(first, |out, part| out + part.split_once('m').map_or(part, |(_, rest)| rest))
}

/// Text of others with everything escaped that could steer a terminal: control bytes, and the characters that turn
/// the direction of writing.
pub fn safe(text: &str) -> String {
    if !text.chars().any(steers) {
        return text.to_owned();
    }
    text.chars().map(|c| if steers(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// The same for JSON text, whose own escapes are enough for bytes below 0x20 but leave the others alone.
fn safe_json(text: &str) -> String {
    let harmful = |c: char| c != '\n' && steers(c);
    if !text.chars().any(harmful) {
        return text.to_owned();
    }
    text.chars().map(|c| if harmful(c) { format!("\\u{:04x}", c as u32) } else { c.to_string() }).collect()
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn painted(no_color: bool, terminal: bool, vars: &[(&str, &str)], on: bool) {
        let env = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        assert_eq!(Paint::decide(no_color, terminal, env).is_on(), on, "{no_color} {terminal} {vars:?}");
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        painted(false, true, &[], true);
        painted(false, false, &[], false);
        painted(true, true, &[], false);
        painted(false, true, &[("NO_COLOR", "1")], false);
        painted(false, true, &[("NO_COLOR", "")], true);
        painted(false, true, &[("TERM", "dumb")], false);
        painted(false, false, &[("FORCE_COLOR", "1")], true);
        painted(false, false, &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], false);
        painted(true, false, &[("FORCE_COLOR", "1")], false);
    }

    #[test]
    fn server_text_cannot_steer_the_terminal() {
        assert_eq!(safe("plain – ünï"), "plain – ünï");
        assert_eq!(safe("a\u{1b}[2Jb\rc\u{9b}d\u{202e}e"), "a\\u{1b}[2Jb\\u{d}c\\u{9b}d\\u{202e}e");
        let value = serde_json::json!({"name": "a\u{1b}b\u{9b}c\u{7f}"});
        let text = safe_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_failure_tells_what_and_how_to_go_on() {
        let failure = Failure::new(Exit::NotFound, "key \"biling-prod\" was not found")
            .hint("did you mean `billing-prod`? `argus key list` shows all");
        assert_eq!(
            render_failure(&failure, Paint::OFF),
            "error: key \"biling-prod\" was not found\n  hint: did you mean `billing-prod`? `argus key list` shows all\n"
        );
        let report = Some("\u{1b}[1;31merror[C101]\u{1b}[0m: x\n".to_owned());
        let laid_out = Failure { report, ..Failure::usage("") };
        assert_eq!(render_failure(&laid_out, Paint::OFF), "error[C101]: x\n");
        assert_eq!(render_failure(&laid_out, Paint::ON), "\u{1b}[1;31merror[C101]\u{1b}[0m: x\n");
        assert!(render_failure(&failure, Paint::ON).starts_with("\u{1b}[31merror:\u{1b}[0m key"));
    }
}
