//! Where values come from: files, variables of the environment, options of the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::route::Origin;

/// One place that values were read from.
#[derive(Clone)]
pub(super) enum Source {
    /// A file.
    File {
        /// As the operator would name it.
        shown: Arc<str>,
        /// The directory relative paths in it start from.
        dir: PathBuf,
        /// Its text.
        text: Arc<str>,
        /// Where its lines begin, in bytes: files have as many origins as rules.
        lines: Arc<[u32]>,
    },
    /// A variable of the environment that overrides a field.
    Variable(Arc<str>),
    /// An option of the command line.
    Option(Arc<str>),
}

impl Source {
    /// A file.
    pub fn file(shown: Arc<str>, dir: PathBuf, text: Arc<str>) -> Source {
        let after = text.match_indices('\n').map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX));
        let lines = std::iter::once(0).chain(after).collect();
        Source::File { shown, dir, text, lines }
    }
}

impl std::fmt::Debug for Source {
    /// Without the text: it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File { shown, .. } => write!(f, "File({shown})"),
            Source::Variable(name) => write!(f, "Variable({name})"),
            Source::Option(name) => write!(f, "Option({name})"),
        }
    }
}

/// A stretch of one source. Options and variables have no text, so their stretch is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Number of the source.
    pub source: u16,
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// A place as people count: from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineColumn {
    pub line: u32,
    pub column: u32,
}

/// All sources of one configuration, in the order they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// Takes one more in; its number is what places refer to.
    pub fn add(&mut self, source: Source) -> u16 {
        let number = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
        if number < u16::MAX {
            self.0.push(source);
        }
        number
    }

    pub fn get(&self, number: u16) -> Option<&Source> {
        self.0.get(usize::from(number))
    }

    /// The text of a file, and the number and beginning of the line that holds the byte.
    fn line_at(&self, place: Place) -> Option<(&str, usize, usize)> {
        let Source::File { text, lines, .. } = self.get(place.source)? else { return None };
        let number = lines.partition_point(|begin| *begin <= place.start);
        let begin = *lines.get(number.checked_sub(1)?)? as usize;
        (place.start as usize <= text.len()).then_some((text, number, begin))
    }

    /// The directory that a relative path written at `place` starts from; empty for the working directory.
    pub fn dir_of(&self, place: Place) -> &Path {
        match self.get(place.source) {
            Some(Source::File { dir, .. }) => dir,
            _ => Path::new(""),
        }
    }

    /// Line and column of a place; `None` outside files.
    pub fn line_column(&self, place: Place) -> Option<LineColumn> {
        let (text, line, begin) = self.line_at(place)?;
        let column = text.get(begin..place.start as usize)?.chars().count() + 1;
        Some(LineColumn { line: u32::try_from(line).ok()?, column: u32::try_from(column).ok()? })
    }

    /// The line a place begins in, and the part of the place that lies within it, in bytes of that line.
    pub fn line_of(&self, place: Place) -> Option<(&str, std::ops::Range<usize>)> {
        let (text, _, begin) = self.line_at(place)?;
        let line = text.get(begin..)?.split('\n').next().unwrap_or("").trim_end_matches('\r');
        let clip = |at: u32| line.floor_char_boundary((at as usize).saturating_sub(begin).min(line.len()));
        let (from, to) = (clip(place.start), clip(place.end));
        Some((line, from..to.max(from)))
    }

    /// `gateway.toml:12:5`, or how else the place is named.
    pub fn shown(&self, place: Place) -> String {
        match (self.get(place.source), self.line_column(place)) {
            (Some(Source::File { shown, .. }), Some(at)) => format!("{shown}:{}:{}", at.line, at.column),
            (Some(Source::File { shown, .. }), None) => shown.to_string(),
            (Some(Source::Variable(name)), _) => format!("{name} (environment)"),
            (Some(Source::Option(name)), _) => format!("{name} (command line)"),
            (None, _) => String::new(),
        }
    }

    /// `gateway.toml:12`, without the column.
    pub fn shown_line(&self, place: Place) -> String {
        match (self.get(place.source), self.line_column(place)) {
            (Some(Source::File { shown, .. }), Some(at)) => format!("{shown}:{}", at.line),
            _ => self.shown(place),
        }
    }

    /// The place as the rest of Argus names it.
    pub fn origin(&self, place: Place) -> Origin {
        match (self.get(place.source), self.line_column(place)) {
            (Some(Source::File { shown, .. }), Some(at)) => Origin { file: Some(Arc::clone(shown)), line: at.line },
            _ => Origin::none(),
        }
    }

    /// From a key to the whole `[table.key]` around it; the key itself where it is not in a header.
    pub fn header_of(&self, key: Place) -> Place {
        let Some((line, within)) = self.line_of(key) else { return key };
        let indent = line.len() - line.trim_start().len();
        let end = line[within.end..].find(']').map(|at| within.end + at);
        match end {
            Some(end) if line[indent..].starts_with('[') && !line[..within.start].contains(['{', '=', ',']) => {
                let line_start = key.start - u32::try_from(within.start).unwrap_or(0);
                let at = |offset: usize| line_start + u32::try_from(offset).unwrap_or(0);
                let closing = line[end..].bytes().take_while(|b| *b == b']').count();
                Place { source: key.source, start: at(indent), end: at(end + closing) }
            }
            _ => key,
        }
    }
}
