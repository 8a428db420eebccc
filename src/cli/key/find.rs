//! `argus key find`: looks through files for text that is a key of ours, by shape and checksum, asking nobody; then,
//! if the server can be reached, says which of them are live. Secrets are not printed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::path;
use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::field;
use crate::cli::output::Format;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table, Tone, plain};
use crate::cli::words::plural;
use crate::model::key_format::{
    ADMIN_PREFIX, CHECKSUM_LEN, ENVIRONMENT_LEN_MAX, PREFIX_LEN, PUBLIC_ID_LEN, SECRET_LEN, parse,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key find .env app.log
  git ls-files -z | xargs -0 argus key find
  git log -p | argus key find -";

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Longest key.
const KEY_LEN_MAX: usize =
    *PREFIX_LEN.end() + 1 + ENVIRONMENT_LEN_MAX + 1 + PUBLIC_ID_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;
/// Most finds that are kept: 100,000 of about 150 bytes are 15 MB.
const FINDS_MAX: usize = 100_000;
/// Most keys the server is asked about.
const ASKED_MAX: usize = 1_000;

/// Where to look.
#[derive(Debug, Args)]
pub struct FindArgs {
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Do not ask the server which keys are live
    #[arg(long)]
    pub offline: bool,
}

/// A key that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Find {
    file: String,
    line: u64,
    column: u64,
    id: String,
    /// What may be shown: `argus_live_9f3KtWq2Zc`.
    shown: String,
    admin: bool,
}

pub(super) async fn run(session: &mut Session, args: FindArgs) -> Outcome {
    let mut finds = Vec::new();
    let mut unread = 0;
    for file in &args.files {
        if let Err(e) = look_into(file, &mut finds) {
            unread += 1;
            let hint = if e.kind() == io::ErrorKind::IsADirectory {
                "; name its files, for example with `git ls-files -z | xargs -0 argus key find`"
            } else {
                ""
            };
            session.out.warn(&format!("cannot read `{}`: {e}{hint}", file.display()));
        }
        if finds.len() >= FINDS_MAX {
            session.out.warn(&format!("more than {FINDS_MAX} keys: the rest is not looked at"));
            break;
        }
    }
    let states = if args.offline || finds.is_empty() { BTreeMap::new() } else { states(session, &finds).await };
    print(session, &finds, &states)?;
    if finds.is_empty() {
        let files = args.files.len() - unread;
        session.out.note(&format!("no keys in {}", plural(files, "file")));
    } else {
        session.out.note(&format!("{} found", plural(finds.len(), "key")));
    }
    if unread > 0 {
        return Err(Failure::failed(format!("{} could not be read", plural(unread, "file"))));
    }
    Ok(if finds.is_empty() { Exit::Done } else { Exit::Failed })
}

fn look_into(file: &Path, finds: &mut Vec<Find>) -> io::Result<()> {
    let shown = if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
    if file.as_os_str() == "-" {
        scan(io::stdin().lock(), &shown, finds)
    } else {
        let opened = File::open(file)?;
        if opened.metadata()?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        scan(opened, &shown, finds)
    }
}

/// Reads to the end and keeps every key. Needs the same little memory for a file of any size.
fn scan(mut from: impl Read, file: &str, finds: &mut Vec<Find>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut word = Word::new();
    loop {
        let n = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        for byte in &chunk[..n] {
            word.take(*byte, file, finds);
        }
        if finds.len() >= FINDS_MAX {
            return Ok(());
        }
    }
    word.end(file, finds);
    Ok(())
}

/// The run of letters, digits and `_` being read, and where it is.
struct Word {
    /// Its last bytes, enough for a key and the byte before it.
    tail: Vec<u8>,
    /// Whether bytes were dropped from its front.
    cut: bool,
    line: u64,
    column: u64,
}

impl Word {
    fn new() -> Self {
        Word { tail: Vec::with_capacity(4 * KEY_LEN_MAX), cut: false, line: 1, column: 1 }
    }

    fn take(&mut self, byte: u8, file: &str, finds: &mut Vec<Find>) {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            // A key may be followed by `_` and more, as in a file name: its end is looked for at every `_`.
            if byte == b'_' {
                self.look(file, finds);
            }
            if self.tail.len() == self.tail.capacity() {
                let from = self.tail.len() - (KEY_LEN_MAX + 1);
                self.tail.drain(..from);
                self.cut = true;
            }
            self.tail.push(byte);
        } else {
            self.end(file, finds);
        }
        if byte == b'\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }

    fn end(&mut self, file: &str, finds: &mut Vec<Find>) {
        self.look(file, finds);
        self.tail.clear();
        self.cut = false;
    }

    /// Takes the last four parts between `_` as a key, if they are one.
    fn look(&self, file: &str, finds: &mut Vec<Find>) {
        let Some(from) = self.tail.iter().enumerate().rev().filter(|(_, b)| **b == b'_').nth(3).map(|(at, _)| at + 1)
        else {
            // With fewer than four `_` the key begins where the word does, unless its front was dropped.
            if !self.cut {
                self.keep(0, file, finds);
            }
            return;
        };
        self.keep(from, file, finds);
    }

    fn keep(&self, from: usize, file: &str, finds: &mut Vec<Find>) {
        let text = &self.tail[from..];
        let Some(parts) = parse(text) else { return };
        if finds.len() < FINDS_MAX {
            finds.push(Find {
                file: file.to_owned(),
                line: self.line,
                column: self.column - text.len() as u64,
                id: parts.id.to_string(),
                shown: format!("{}_{}_{}", parts.prefix, parts.environment, parts.id.public()),
                admin: parts.prefix == ADMIN_PREFIX,
            });
        }
    }
}

/// What the server says of each key; those it was not asked about are absent.
async fn states(session: &Session, finds: &[Find]) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    let client = match session.client().await {
        Ok(client) => client,
        Err(e) => {
            session.out.note(&format!("which of them are live is not known: {}", e.message));
            return states;
        }
    };
    for find in finds.iter().filter(|find| !find.admin) {
        if states.len() >= ASKED_MAX {
            session.out.warn(&format!("only the first {ASKED_MAX} were asked about"));
            break;
        }
        if !states.contains_key(&find.id) {
            match state(&client, &find.id).await {
                Ok(state) => states.insert(find.id.clone(), state),
                Err(e) => {
                    session.out.warn(&format!("which of the others are live is not known: {}", e.message));
                    break;
                }
            };
        }
    }
    states
}

async fn state(client: &Client, id: &str) -> Result<String, Failure> {
    match client.get(&path(id)?).await {
        Ok(answer) => Ok(field::text(&answer.body, "/status")),
        Err(e) if e.exit == Exit::NotFound => Ok("unknown here".to_owned()),
        Err(e) => Err(e),
    }
}

fn print(session: &mut Session, finds: &[Find], states: &BTreeMap<String, String>) -> Result<(), Failure> {
    let state = |find: &Find| states.get(&find.id).cloned();
    match session.out.format {
        Format::Json => {
            let list: Vec<Value> = finds
                .iter()
                .map(|find| {
                    json!({"file": find.file, "line": find.line, "column": find.column, "id": find.id,
                        "prefix": find.shown, "admin": find.admin, "status": state(find)})
                })
                .collect();
            session.out.json(&Value::Array(list))
        }
        Format::Plain => {
            let rows: Vec<Vec<String>> = finds
                .iter()
                .map(|find| {
                    vec![
                        find.file.clone(),
                        find.line.to_string(),
                        find.column.to_string(),
                        find.id.clone(),
                        find.shown.clone(),
                        state(find).unwrap_or_default(),
                    ]
                })
                .collect();
            session.out.result(&plain(rows.iter().map(Vec::as_slice)))
        }
        Format::Human => {
            let mut table = Table::new(&["WHERE", "KEY", "STATUS"]);
            for find in finds {
                let (status, tone) = match state(find) {
                    _ if find.admin => ("administrator's key".to_owned(), Tone::Bad),
                    Some(status) if matches!(status.as_str(), "active" | "rotating" | "scheduled") => {
                        (status, Tone::Bad)
                    }
                    Some(status) => (status, Tone::Dim),
                    None => ("not known".to_owned(), Tone::Warn),
                };
                table.row(vec![
                    format!("{}:{}:{}", find.file, find.line, find.column).into(),
                    format!("{}_…", find.shown).into(),
                    Cell::toned(status, tone),
                ]);
            }
            let text = table.render(session.out.paint);
            session.out.result(&text)
        }
    }
}

#[cfg(test)]
mod tests;
