//! Problems of a configuration: all of them at once, each with its place and its remedy.

use std::fmt;

use serde_json::json;

use super::reference::TABLES;
use super::render;
use super::source::{Place, Sources};
use super::words::without_password;

/// Most errors that are told; a file with more is better fixed in steps.
pub(super) const PROBLEMS_MAX: usize = 100;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, and something about it deserves a look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Names every kind of problem once: number, variant, meaning.
macro_rules! codes {
    ($($number:literal $name:ident $doc:literal,)*) => {
        /// The kind of a problem; numbers are stable for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $doc] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// Its number.
            pub fn number(self) -> u16 {
                match self { $(Code::$name => $number,)* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => $doc,)* }
            }
        }
    };
}

codes! {
    100 File "A configuration file cannot be read.",
    101 UnknownField "A field or table that does not exist.",
    102 Syntax "The text is not TOML.",
    103 Twice "A table or field is defined in two files.",
    104 Type "A value of another type is expected.",
    105 Word "A word that is not among those a field takes.",
    106 Missing "A value lacks a field it cannot do without.",
    107 Name "A table's name is not a name.",
    108 Version "The file is written for another version of the format.",
    110 Variable "A `${…}` cannot be filled in.",
    120 Unit "A number needs a unit.",
    121 Value "A value cannot be read, or is out of range.",
    130 Unsupported "Something this version does not do.",
    201 NoListener "Nothing listens.",
    202 AddressTwice "Two things listen on one address.",
    203 NoRoute "There is no route.",
    210 NoPaths "A route names no paths.",
    211 NoAuth "A route does not say how its callers prove who they are.",
    212 RouteTwice "Two routes are equally specific.",
    213 StripPrefix "`strip_prefix` does not fit the paths of its route.",
    214 NoUpstream "A route has no upstream.",
    215 NoServers "An upstream has no servers.",
    216 MethodWithoutScope "A method of a route demands no scope although others do.",
    220 UpstreamUnknown "An upstream that is not defined.",
    221 PlanUnknown "A plan that is not defined.",
    222 ConditionUnknown "A condition that is not defined.",
    223 TlsUnknown "A `tls` table that is not defined.",
    224 NeedsGeo "A condition needs a database that `[geo]` does not name.",
    225 EnvironmentUnknown "An environment that `[keys]` does not name.",
    305 TrustsEverybody "Every caller could choose its own address.",
    306 KeysForEver "New keys never expire.",
    401 Certificate "A certificate file cannot be used.",
    402 PrivateKey "A private-key file cannot be used.",
    403 KeyMismatch "A private key does not belong to its certificate.",
    404 CertificateTime "A certificate is not valid today, or not for long.",
    405 RevocationList "A file of revocation lists cannot be used.",
    406 RevocationTime "A revocation list has ended.",
    410 SecretFile "A file that holds a secret cannot be read.",
    411 SecretTwice "A secret is given both in the file and by a file.",
    412 SecretReadable "A file that holds a secret can be read by others.",
    413 SecretShape "A secret is too short, too long or not a text.",
    420 GeoFile "A geo database cannot be read.",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C{:03}", self.number())
    }
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Which kind.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// What to put there instead, said beside the caret; may be empty.
    pub label: String,
    /// Remedies; each may run over lines.
    pub help: Vec<String>,
    /// Facts that explain it.
    pub notes: Vec<String>,
    pub(super) place: Option<Place>,
    /// Whether the line is shown; a gap has a place but no line to look at.
    pub(super) snippet: bool,
    /// The field it is about.
    pub(super) path: Vec<String>,
    /// The field that was probably meant, for a misspelled one.
    pub(super) meant: Option<Vec<String>>,
    /// The problem it follows from, by its number of arrival.
    cause: Option<usize>,
}

impl Problem {
    /// Says what to put there instead.
    pub(super) fn label(&mut self, text: impl Into<String>) -> &mut Self {
        self.label = without_password(&text.into());
        self
    }

    /// Adds a remedy.
    pub(super) fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help.push(text.into());
        self
    }

    /// Says where.
    pub(super) fn at(&mut self, place: Place) -> &mut Self {
        self.place = Some(place);
        self
    }

    /// Says that an earlier problem explains this one.
    pub(super) fn follows(&mut self, cause: usize) -> &mut Self {
        self.cause = Some(cause);
        self.snippet = false;
        self
    }

    /// Adds a remedy, unless what this follows from has one.
    pub(super) fn help_unless_follows(&mut self, text: &str) -> &mut Self {
        if self.cause.is_none() { self.help(text) } else { self }
    }

    /// The first field of the path: the table it is about.
    fn table(&self) -> Option<&str> {
        self.path.first().map(String::as_str)
    }
}

/// All problems of a configuration, with the text they point into.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    pub(super) sources: Sources,
    pub(super) files: usize,
    /// Whether there are errors that were not told any more.
    more: bool,
}

impl Problems {
    /// Takes one in. Beyond [`PROBLEMS_MAX`] the last one is overwritten.
    fn push(&mut self, problem: Problem) -> &mut Problem {
        if self.list.len() >= PROBLEMS_MAX {
            self.more = true;
            self.list.truncate(PROBLEMS_MAX - 1);
        }
        self.list.push(problem);
        self.list.last_mut().expect("one was pushed just now")
    }

    /// Records an error about the field at `path`; a field whose error was told before gives a follow-on note instead
    /// of a source line.
    pub(super) fn error(&mut self, code: Code, path: Vec<String>, message: impl Into<String>) -> &mut Problem {
        self.record(Severity::Error, code, path, message.into())
    }

    /// Records a warning about the field at `path`.
    pub(super) fn warning(&mut self, code: Code, path: Vec<String>, message: impl Into<String>) -> &mut Problem {
        self.record(Severity::Warning, code, path, message.into())
    }

    fn record(&mut self, severity: Severity, code: Code, path: Vec<String>, message: String) -> &mut Problem {
        self.push(Problem {
            severity,
            code,
            message: without_password(&message),
            label: String::new(),
            help: Vec::new(),
            notes: Vec::new(),
            place: None,
            snippet: true,
            path,
            meant: None,
            cause: None,
        })
    }

    /// Records an error about a field that is not there. Where an earlier error explains its absence, it says so.
    pub(super) fn gap(
        &mut self,
        code: Code,
        path: Vec<String>,
        place: Option<Place>,
        message: impl Into<String>,
    ) -> &mut Problem {
        let cause = self.cause_of(&path);
        let problem = self.record(Severity::Error, code, path, message.into());
        problem.cause = cause;
        problem.place = place;
        problem.snippet = cause.is_none();
        problem
    }

    /// The error that explains why the field at `path` is missing: it, or something around it, could not be read, or
    /// it was misspelled.
    pub(super) fn cause_of(&self, path: &[String]) -> Option<usize> {
        self.list.iter().position(|p| {
            p.severity == Severity::Error
                && p.cause.is_none()
                && ((!p.path.is_empty() && path.starts_with(&p.path)) || p.meant.as_deref() == Some(path))
        })
    }

    /// Whether an error was recorded at `path` or anywhere below it.
    pub(super) fn any_below(&self, path: &[String]) -> bool {
        self.list.iter().any(|p| p.severity == Severity::Error && p.path.starts_with(path))
    }

    /// Whether no more can be told. Who asks stops looking then, so there may be more.
    pub(super) fn is_full(&mut self) -> bool {
        self.more |= self.list.len() >= PROBLEMS_MAX;
        self.more
    }

    /// Where the text is not TOML, what is missing elsewhere may be missing because of that, and so may whatever is
    /// wrong on the same line: only the rest is told.
    pub(super) fn keep_what_stands_beside_syntax(&mut self) {
        let line = |p: &Problem| p.place.and_then(|at| Some((at.source, self.sources.line_column(at)?.line)));
        let broken: Vec<_> = self.list.iter().filter(|p| p.code == Code::Syntax).map(line).collect();
        if broken.is_empty() {
            return;
        }
        let keep = |p: &Problem| p.code == Code::Syntax || (p.code != Code::Missing && !broken.contains(&line(p)));
        let kept = self.list.iter().filter(|p| keep(p)).cloned().collect();
        self.list = kept;
    }

    /// Whether a file, or a part of one, could not be read: what is missing then may only not have been seen.
    pub(super) fn has_unread(&self) -> bool {
        self.list.iter().any(|p| matches!(p.code, Code::File | Code::Syntax))
    }

    /// Puts errors and warnings in the order of the text, and what follows from an error right after it.
    pub(super) fn sort(&mut self) {
        let key = |at: usize| {
            let p = &self.list[at];
            (p.place.is_none(), p.place, at)
        };
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|at| match self.list[*at].cause {
            Some(cause) => (key(cause), 1, *at),
            None => (key(*at), 0, *at),
        });
        let first = order.first().copied();
        for at in 0..self.list.len() {
            let Some(cause) = self.list[at].cause else { continue };
            let note = match self.list[cause].place {
                _ if first == Some(cause) => "this follows from the first error".to_owned(),
                Some(place) => format!("this follows from the error at {}", self.sources.shown_line(place)),
                None => "this follows from an error above".to_owned(),
            };
            self.list[at].notes.insert(0, note);
        }
        let mut slots: Vec<Option<Problem>> = std::mem::take(&mut self.list).into_iter().map(Some).collect();
        self.list = order.into_iter().filter_map(|at| slots[at].take()).collect();
        for problem in &mut self.list {
            problem.cause = None;
        }
    }

    /// All of them, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|p| p.severity == Severity::Error).count()
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.list.iter().filter(|p| p.severity == Severity::Warning).count()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Everything for people, with source lines and carets; ends with a count where there are errors.
    pub fn render(&self, colour: bool) -> String {
        render::render(self, colour)
    }

    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    /// `checked 1 file: 2 errors, 0 warnings — the running configuration was not touched`.
    pub fn count_line(&self) -> String {
        let n = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let what = if self.files == 0 { "the command line".to_owned() } else { n(self.files, "file") };
        let end = if self.errors() > 0 { " — the running configuration was not touched" } else { "" };
        format!("checked {what}: {}, {}{end}", n(self.errors(), "error"), n(self.warnings(), "warning"))
    }

    /// Everything for programs: a list of `{severity, code, message, file, line, column, span, help, docs}`.
    pub fn to_json(&self) -> serde_json::Value {
        let one = |p: &Problem| {
            let position = p.place.and_then(|place| self.sources.line_column(place));
            let file = p.place.map(|place| match self.sources.origin(place).file {
                Some(file) => file.to_string(),
                None => self.sources.shown(place),
            });
            let mut help = p.help.clone();
            if !p.label.is_empty() {
                help.insert(0, p.label.clone());
            }
            json!({
                "severity": p.severity.as_str(),
                "code": p.code.to_string(),
                "message": p.message,
                "file": file,
                "line": position.map(|at| at.line),
                "column": position.map(|at| at.column),
                "span": p.place.filter(|_| position.is_some()).map(|at| json!({"start": at.start, "end": at.end})),
                "help": help,
                "notes": p.notes,
                "docs": format!("docs/configuration.md#{}", p.table().filter(|t| TABLES.contains(t)).unwrap_or("top-level")),
            })
        };
        self.list.iter().map(one).collect()
    }
}
