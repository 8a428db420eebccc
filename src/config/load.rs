//! Finding, reading and joining the files; then everything else, in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use toml::de::DeTable;

use super::problem::{Code, Problems};
use super::secrets::{read_bounded, reason};
use super::show::Shown;
use super::source::{Place, Source as Origin};
use super::tree::{self, Node, Value};
use super::written::Written;
use super::{Config, Environment, expand, mount, overrides, read, resolve, show, unsupported};

/// Largest configuration file, in bytes.
pub const FILE_BYTES_MAX: usize = 16 << 20;
/// Most files in `conf.d`.
pub const FILES_MAX: usize = 256;
/// The name that is looked for in the working directory.
const FILE_NAME: &str = "gateway.toml";
/// Where it is looked for after that.
const SYSTEM_FILE: &str = "/etc/argus/gateway.toml";

/// Tables that hold named tables: files may add to them, and only a repeated name is an error.
const SHARED_TABLES: &[&str] = &["listeners", "tls", "upstreams", "routes", "auth", "plans", "conditions"];

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `$ARGUS_CONFIG`, else `./gateway.toml`, else `/etc/argus/gateway.toml`.
    Search,
    /// This file.
    File(PathBuf),
    /// One upstream that every path leads to, and no file.
    CommandLine {
        /// URL of the upstream.
        upstream: String,
        /// Where to listen; `:8080` if absent.
        listen: Option<String>,
    },
    /// A text, such as one that was sent to be checked.
    Text {
        /// How problems name it.
        name: String,
        /// The text.
        text: String,
    },
}

/// A configuration that was read, and all that is to be said about it.
pub struct Loaded {
    /// The configuration; `None` where there is an error.
    pub config: Option<Config>,
    /// Errors and warnings.
    pub problems: Problems,
    /// Files that were read, in order; empty when made from the command line.
    pub files: Vec<PathBuf>,
    /// `gateway.toml is valid: 2 listeners, 3 routes, 2 upstreams (4 ms)`; empty where there is an error.
    pub summary: String,
    /// What deserves saying at every start, though nothing is wrong with the file.
    pub start_notes: Vec<String>,
    watched: Vec<PathBuf>,
    /// Everything that was written, with variables filled in.
    tree: Node,
}

impl std::fmt::Debug for Loaded {
    /// Without the tree: it holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("config", &self.config).field("files", &self.files).finish_non_exhaustive()
    }
}

impl Loaded {
    /// Every value in force and where it comes from, in the order of names. Secrets are dots.
    pub fn shown(&self) -> Vec<Shown> {
        show::shown(&self.tree, &self.problems.sources, self.config.as_ref())
    }

    /// Files and directories whose change is a reason to load again: the configuration itself, `conf.d`, and every
    /// certificate, secret and database that it names.
    pub fn watched_paths(&self) -> &[PathBuf] {
        &self.watched
    }
}

/// Reads the configuration that `source` names. `env` answers for variables of the environment.
pub fn load(source: &Source, env: Environment<'_>) -> Loaded {
    let started = Instant::now();
    let mut reading =
        Reading { root: Node::empty(NOWHERE), problems: Problems::default(), files: Vec::new(), watched: Vec::new() };
    reading.read(source, env);
    overrides::apply(&mut reading.root, env, &mut reading.problems.sources);
    reading.options(source);
    let Reading { mut root, mut problems, files, mut watched } = reading;
    problems.files = files.len().max(usize::from(matches!(source, Source::Text { .. })));
    unsupported::refuse(&mut root, &mut problems);
    expand::expand_all(&mut root, env, &mut problems);
    unsupported::refuse(&mut root, &mut problems);
    let tree = root.clone();
    let mut config = None;
    let mut start_notes: Vec<String> =
        files.iter().filter(|file| mount::is_mount(file)).map(|f| mount::note(f)).collect();
    if let Some(written) = read::read::<Written>(&mut root, &mut problems)
        && !problems.has_unread()
    {
        let resolved = resolve::resolve(&written, &root, env, &mut problems);
        watched.extend(resolved.watched);
        config = resolved.config;
        start_notes.extend(resolved.start_notes);
    }
    problems.keep_what_stands_beside_syntax();
    problems.sort();
    let config = config.filter(|_| problems.errors() == 0).map(|config| Config { files: files.clone(), ..config });
    let took = started.elapsed().as_millis();
    let summary = config.as_ref().map(|c| summary(c, &named(source, &files), took)).unwrap_or_default();
    watched.sort();
    watched.dedup();
    Loaded { config, problems, files, summary, start_notes, watched, tree }
}

/// The place of what no source holds.
const NOWHERE: Place = Place { source: u16::MAX, start: 0, end: 0 };

fn named(source: &Source, files: &[PathBuf]) -> String {
    match (source, files.first()) {
        (Source::Text { name, .. }, _) => name.clone(),
        (_, Some(file)) => file.display().to_string(),
        (_, None) => "the command line".to_owned(),
    }
}

/// `gateway.toml is valid: 2 listeners, 3 routes, 2 upstreams, 2 plans, 2 conditions (4 ms)`.
fn summary(config: &Config, named: &str, took_ms: u128) -> String {
    let written_plans = config.plans.values().filter(|p| p.origin.file.is_some()).count();
    let counts = [
        (config.listeners.len(), "listener"),
        (config.routes.len(), "route"),
        (config.upstreams.len(), "upstream"),
        (written_plans, "plan"),
        (config.conditions.len(), "condition"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, one)| format!("{n} {one}{}", if *n == 1 { "" } else { "s" }))
        .collect();
    format!("{named} is valid: {} ({took_ms} ms)", counts.join(", "))
}

/// What has been read so far.
struct Reading {
    root: Node,
    problems: Problems,
    files: Vec<PathBuf>,
    watched: Vec<PathBuf>,
}

impl Reading {
    fn read(&mut self, source: &Source, env: Environment<'_>) {
        match source {
            Source::Search => match search(env) {
                Some(path) => self.file_and_beside(&path),
                None => {
                    self.problems
                        .error(Code::File, Vec::new(), "there is no configuration")
                        .help(format!("looked for ./{FILE_NAME} and {SYSTEM_FILE}; name another with `--config`"))
                        .help("`argus init` writes one, `argus run --upstream http://127.0.0.1:3000` needs none");
                }
            },
            Source::File(path) => self.file_and_beside(path),
            Source::Text { name, text } => self.text(name.as_str().into(), PathBuf::new(), text.as_str().into()),
            Source::CommandLine { upstream, .. } => {
                let at = self.option("--upstream");
                for (field, text) in [("upstream", upstream.as_str()), ("auth", "api_key"), ("paths", "/*")] {
                    overrides::put(&mut self.root, &format!("routes.api.{field}"), text.to_owned(), at);
                }
                overrides::put(&mut self.root, "listen", ":8080".to_owned(), at);
            }
        }
    }

    /// What comes before the environment.
    fn options(&mut self, source: &Source) {
        if let Source::CommandLine { listen: Some(listen), .. } = source {
            let at = self.option("--listen");
            overrides::put(&mut self.root, "listen", listen.clone(), at);
        }
    }

    fn option(&mut self, name: &str) -> Place {
        let source = self.problems.sources.add(Origin::Option(name.into()));
        Place { source, start: 0, end: 0 }
    }

    /// The file, then `conf.d/*.toml` beside it in the order of their names.
    fn file_and_beside(&mut self, path: &Path) {
        self.file(path);
        let beside = path.parent().unwrap_or(Path::new("")).join("conf.d");
        self.watched.push(beside.clone());
        // An empty parent is the working directory, which `read_dir` wants to be named.
        let entries = match std::fs::read_dir(Path::new(".").join(&beside)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                let message = format!("{} cannot be read: {}", beside.display(), reason(&error));
                self.problems.error(Code::File, Vec::new(), message);
                return;
            }
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| beside.join(entry.file_name()))
            .filter(|p| p.extension().is_some_and(|e| e == "toml") && !hidden(p))
            .collect();
        paths.sort();
        if paths.len() > FILES_MAX {
            let message = format!("conf.d holds {} files, more than {FILES_MAX}", paths.len());
            self.problems.error(Code::File, Vec::new(), message);
            paths.truncate(FILES_MAX);
        }
        for path in paths {
            self.file(&path);
        }
    }

    fn file(&mut self, path: &Path) {
        self.watched.push(path.to_owned());
        let text = read_bounded(path, FILE_BYTES_MAX).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidData))
        });
        match text {
            Ok(text) => {
                self.files.push(path.to_owned());
                let dir = path.parent().unwrap_or(Path::new("")).to_owned();
                self.text(path.display().to_string().into(), dir, text.into());
            }
            Err(error) => {
                let message = format!("{} cannot be read: {}", path.display(), reason(&error));
                self.problems.error(Code::File, Vec::new(), message);
            }
        }
    }

    /// Parses one text and joins it to what was read before.
    fn text(&mut self, shown: Arc<str>, dir: PathBuf, text: Arc<str>) {
        let source = self.problems.sources.add(Origin::file(shown, dir, Arc::clone(&text)));
        let (table, errors) = DeTable::parse_recoverable(&text);
        let byte = |at: usize| u32::try_from(at.min(text.len())).unwrap_or(u32::MAX);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let at = Place { source, start: byte(span.start), end: byte(span.end) };
            self.problems.error(Code::Syntax, Vec::new(), error.message().to_owned()).at(at);
            if self.problems.is_full() {
                break;
            }
        }
        let mut too_large = Vec::new();
        let whole = Place { source, start: 0, end: 0 };
        let node = Node::from_toml(table.get_ref(), whole, &mut too_large);
        for at in too_large {
            self.problems.error(Code::Value, Vec::new(), "the number is too large").at(at);
        }
        self.join(node);
    }

    fn join(&mut self, from: Node) {
        let Value::Table(from) = from.value else { return };
        for (key, node) in from {
            let Value::Table(root) = &mut self.root.value else { return };
            let Some(have) = root.get_mut(&key) else {
                root.insert(key, node);
                continue;
            };
            match (&mut have.value, node.value) {
                (Value::Table(have), Value::Table(more)) if SHARED_TABLES.contains(&key.as_str()) => {
                    for (name, node) in more {
                        match have.get(&name) {
                            Some(first) => twice(&mut self.problems, &[&key, &name], first, &node),
                            None => {
                                have.insert(name, node);
                            }
                        }
                    }
                }
                (_, value) => {
                    let node = Node { value, ..node };
                    let Some(have) = self.root.child(&key) else { continue };
                    twice(&mut self.problems, &[&key], have, &node);
                }
            }
        }
    }
}

/// A table or field that two files define.
fn twice(problems: &mut Problems, path: &[&str], first: &Node, second: &Node) {
    let place = |node: &Node| match node.table() {
        Some(_) => node.head(&problems.sources),
        None => node.key.unwrap_or(node.at),
    };
    let (here, there) = (place(second), problems.sources.shown_line(place(first)));
    let message = format!("`{}` is defined twice", path.join("."));
    problems.error(Code::Twice, tree::path(path), message).at(here).label(format!("first defined at {there}"));
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."))
}

/// The first file there is, or the one the environment names whether it is there or not.
fn search(env: Environment<'_>) -> Option<PathBuf> {
    if let Some(path) = env("ARGUS_CONFIG").filter(|p| !p.is_empty()) {
        return Some(path.into());
    }
    [FILE_NAME, SYSTEM_FILE].into_iter().map(PathBuf::from).find(|p| p.exists())
}
