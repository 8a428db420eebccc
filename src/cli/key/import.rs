//! `argus key import`: keys that exist elsewhere, a piece of the file at a time.
//!
//! Each line stands for itself, and sending it again does no harm: keys that exist are reported, not made twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::client::{Client, Sent, with_query};
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::field;
use crate::cli::output::{Format, safe};
use crate::cli::session::Session;
use crate::cli::table::plain;
use crate::cli::words::count;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key import keys.csv --dry-run
  argus key import keys.ndjson --create-owners
  argus key import - --format csv < old-keys.csv";

/// Longest line, in bytes; the server takes no longer ones.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Most lines sent at once.
const PIECE_LINES_MAX: u64 = 5_000;
/// Most bytes sent at once, but for the last line.
const PIECE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What to import.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// File of keys; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the file holds [default: by its name]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Kind>,
    /// Say what would be, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Make owners that do not exist
    #[arg(long)]
    pub create_owners: bool,
    /// Take keys that could be guessed, too; they are marked `weak`
    #[arg(long)]
    pub allow_weak: bool,
}

/// What a file of keys holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A head such as `name,owner,key,scopes`, then a line a key
    Csv,
    /// A JSON object a line
    Ndjson,
}

impl Kind {
    fn content_type(self) -> &'static str {
        match self {
            Kind::Csv => "text/csv",
            Kind::Ndjson => "application/x-ndjson",
        }
    }
}

pub(super) async fn run(session: &mut Session, args: ImportArgs) -> Outcome {
    let kind = match args.format.or_else(|| by_name(&args.file)) {
        Some(kind) => kind,
        None => {
            return Err(Failure::usage(format!("what does `{}` hold?", args.file.display()))
                .hint("--format csv or --format ndjson"));
        }
    };
    let cannot = |e: io::Error| Failure::usage(format!("cannot read `{}`: {e}", args.file.display()));
    let from: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&args.file).map_err(cannot)?)
    };
    let mut pieces = Pieces::new(BufReader::new(from), kind);
    let client = session.client().await?;
    let flag = |on: bool| on.then(|| "true".to_owned());
    let path = with_query(
        "/v1/keys/import",
        [
            ("dry_run", flag(args.dry_run)),
            ("create_owners", flag(args.create_owners)),
            ("allow_weak", flag(args.allow_weak)),
        ],
    );
    let mut sums = Sums::default();
    let mut told = Told::default();
    while let Some(mut piece) = pieces.next().map_err(cannot)? {
        if sums.lines > 0 {
            session.out.detail(&format!("{} lines so far", count(sums.lines)));
        }
        let answer =
            send(&client, &path, kind, std::mem::take(&mut piece.bytes)).await.map_err(|e| with_progress(e, &sums))?;
        sums.add(&answer, piece.lines);
        for result in field::list(&answer, "/results") {
            told.result(session, result, piece.file_line(kind, field::number(result, "/line").unwrap_or(1)))?;
        }
    }
    told.end(session, &sums, args.dry_run)?;
    Ok(if sums.refused > 0 { Exit::Failed } else { Exit::Done })
}

fn by_name(file: &std::path::Path) -> Option<Kind> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Kind::Csv),
        "ndjson" | "jsonl" => Some(Kind::Ndjson),
        _ => None,
    }
}

async fn send(client: &Client, path: &str, kind: Kind, bytes: Zeroizing<Vec<u8>>) -> Result<Value, Failure> {
    let sent = Sent { body: Some((kind.content_type(), bytes)), if_match: None };
    Ok(client.call(Method::POST, path, sent).await?.body)
}

fn with_progress(e: Failure, sums: &Sums) -> Failure {
    if sums.imported == 0 {
        return e;
    }
    let imported = count(sums.imported);
    e.detail(format!("{imported} keys were imported before that"))
        .hint("import the same file again: keys that exist are not made twice")
}

/// How many lines became what.
#[derive(Debug, Default)]
struct Sums {
    lines: u64,
    imported: u64,
    exists: u64,
    refused: u64,
}

impl Sums {
    fn add(&mut self, answer: &Value, lines: u64) {
        let number = |pointer: &str| field::number(answer, pointer).unwrap_or(0);
        self.lines += lines;
        self.imported += number("/imported");
        self.exists += number("/exists");
        self.refused += number("/refused");
    }
}

/// Tells results as they come: for people those that need a look, for programs all of them.
#[derive(Default)]
struct Told {
    any: bool,
}

impl Told {
    fn result(&mut self, session: &mut Session, result: &Value, line: u64) -> Result<(), Failure> {
        let text = |pointer: &str| field::text(result, pointer);
        match session.out.format {
            Format::Human if text("/outcome") == "imported" => {}
            Format::Human => {
                let name = match text("/name") {
                    name if name.is_empty() => String::new(),
                    name => format!(" {name}"),
                };
                let said = safe(&format!("line {line}{name}: {}", text("/message")));
                session.out.result(&said)?;
            }
            Format::Plain => {
                let row = vec![line.to_string(), text("/outcome"), text("/name"), text("/id"), text("/message")];
                session.out.result(&plain([row.as_slice()]))?;
            }
            Format::Json => {
                let mut result = result.clone();
                result["line"] = json!(line);
                session.out.part(if self.any { ",\n" } else { "{\"results\": [\n" })?;
                session.out.json_part(&result.to_string())?;
            }
        }
        self.any = true;
        Ok(())
    }

    fn end(&self, session: &mut Session, sums: &Sums, dry_run: bool) -> Result<(), Failure> {
        let Sums { imported, exists, refused, .. } = sums;
        match session.out.format {
            Format::Human => {
                let would = if dry_run { " would be" } else { "" };
                let (imported, exists, refused) = (count(*imported), count(*exists), count(*refused));
                session.out.note(&format!("{imported}{would} imported, {exists} there already, {refused} refused"));
                Ok(())
            }
            Format::Plain => Ok(()),
            Format::Json => {
                let open = if self.any { "\n" } else { "{\"results\": [" };
                session.out.result(&format!(
                    "{open}], \"dry_run\": {dry_run}, \"imported\": {imported}, \"exists\": {exists}, \"refused\": {refused}}}"
                ))
            }
        }
    }
}

/// A part of a file.
struct Piece {
    bytes: Zeroizing<Vec<u8>>,
    lines: u64,
    /// Line of the file on which it begins, after the head.
    first: u64,
}

impl Piece {
    /// The line of the file for a line of this piece, of which a CSV's first is its head.
    fn file_line(&self, kind: Kind, line: u64) -> u64 {
        match kind {
            Kind::Csv if line <= 1 => 1,
            Kind::Csv => self.first + line - 2,
            Kind::Ndjson => self.first + line.saturating_sub(1),
        }
    }
}

/// A file, piece by piece; every piece of a CSV begins with its head.
struct Pieces<R> {
    from: R,
    kind: Kind,
    head: Zeroizing<Vec<u8>>,
    next_line: u64,
}

impl<R: BufRead> Pieces<R> {
    fn new(from: R, kind: Kind) -> Self {
        Pieces { from, kind, head: Zeroizing::default(), next_line: 1 }
    }

    fn next(&mut self) -> io::Result<Option<Piece>> {
        if self.kind == Kind::Csv && self.next_line == 1 {
            let mut head = Zeroizing::new(Vec::new());
            self.line(&mut head)?;
            self.head = head;
        }
        let mut piece = Piece { bytes: self.head.clone(), lines: 0, first: self.next_line };
        while piece.lines < PIECE_LINES_MAX && piece.bytes.len() < PIECE_BYTES_MAX {
            if !self.line(&mut piece.bytes)? {
                break;
            }
            piece.lines += 1;
        }
        // A head alone is sent once, so that the server can say what is wrong with it.
        let head_alone = piece.lines == 0 && piece.first == 2 && !self.head.is_empty();
        self.next_line += u64::from(head_alone);
        Ok((piece.lines > 0 || head_alone).then_some(piece))
    }

    /// Appends a line and its end; false at the end of the file.
    fn line(&mut self, to: &mut Vec<u8>) -> io::Result<bool> {
        let before = to.len();
        let read = (&mut self.from).take(LINE_BYTES_MAX + 2).read_until(b'\n', to)?;
        if read == 0 {
            return Ok(false);
        }
        if to.last() != Some(&b'\n') {
            if to.len() - before > LINE_BYTES_MAX as usize {
                let message = format!("line {} is longer than {LINE_BYTES_MAX} bytes", self.next_line);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            to.push(b'\n');
        }
        self.next_line += 1;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, kind: Kind) -> Vec<(String, u64, u64)> {
        let mut pieces = Pieces::new(text.as_bytes(), kind);
        let mut out = Vec::new();
        while let Some(piece) = pieces.next().unwrap() {
            out.push((String::from_utf8(piece.bytes.to_vec()).unwrap(), piece.first, piece.lines));
        }
        out
    }

    #[test]
    fn a_long_file_is_sent_in_pieces_that_know_their_place() {
        let lines = PIECE_LINES_MAX * 2 + 1;
        let text: String =
            std::iter::once("name,key\n".to_owned()).chain((0..lines).map(|n| format!("n{n},k\n"))).collect();
        let sent = pieces(&text, Kind::Csv);
        assert_eq!(sent.len(), 3);
        assert!(sent.iter().all(|(text, ..)| text.starts_with("name,key\nn")));
        assert_eq!(sent[1].1, PIECE_LINES_MAX + 2);
        assert_eq!((sent[2].1, sent[2].2), (lines + 1, 1));
        let last = Piece { bytes: Zeroizing::default(), lines: 1, first: sent[2].1 };
        assert_eq!((last.file_line(Kind::Csv, 1), last.file_line(Kind::Csv, 2)), (1, lines + 1));
        assert_eq!(last.file_line(Kind::Ndjson, 1), lines + 1);
    }

    #[test]
    fn short_and_unfinished_files_are_sent_whole() {
        assert_eq!(pieces("{}\n{}", Kind::Ndjson), [("{}\n{}\n".to_owned(), 1, 2)]);
        assert_eq!(pieces("nonsense", Kind::Csv), [("nonsense\n".to_owned(), 2, 0)]);
        assert!(pieces("", Kind::Csv).is_empty() && pieces("", Kind::Ndjson).is_empty());
        let long = "x".repeat(LINE_BYTES_MAX as usize + 1);
        assert!(Pieces::new(long.as_bytes(), Kind::Ndjson).next().is_err());
    }

    #[test]
    fn the_name_tells_what_a_file_holds() {
        for (name, kind) in [("a.csv", Some(Kind::Csv)), ("a.JSONL", Some(Kind::Ndjson)), ("a.txt", None), ("-", None)]
        {
            assert_eq!(by_name(std::path::Path::new(name)), kind, "{name}");
        }
    }
}
