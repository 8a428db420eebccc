//! From the written to the resolved form: defaults, references between tables, and everything that only shows when
//! one looks at the whole.

mod callers;
mod certificate;
mod clash;
mod cors;
mod header_rules;
mod keys;
mod listeners;
mod policy;
mod revocation;
mod route_rules;
mod routes;
mod settings;
mod tls;
mod upstreams;

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use self::route_rules::Around;
use super::nearest::nearest;
use super::problem::{Code, Problem, Problems};
use super::source::Place;
use super::tree::{Node, path};
use super::written::Written;
use super::{Config, Environment, words};
use crate::model::id::Name;
use crate::model::route::Origin;

/// Defined names that are listed beside an undefined one.
const NAMES_LISTED_MAX: usize = 8;

/// What came of it.
pub(super) struct Resolved {
    /// `None` where something is missing without which there is nothing to serve.
    pub config: Option<Config>,
    /// Files the configuration names.
    pub watched: Vec<PathBuf>,
    /// What deserves saying at every start.
    pub start_notes: Vec<String>,
}

/// Resolves everything, recording what is wrong. The outcome is only of use where no error was recorded.
pub(super) fn resolve(written: &Written, tree: &Node, env: Environment<'_>, problems: &mut Problems) -> Resolved {
    let mut context = Context { tree, env, problems, watched: Vec::new(), start_notes: Vec::new() };
    let config = context.config(written);
    Resolved { config, watched: context.watched, start_notes: context.start_notes }
}

/// What every part of the resolution needs.
struct Context<'a> {
    tree: &'a Node,
    env: Environment<'a>,
    problems: &'a mut Problems,
    watched: Vec<PathBuf>,
    start_notes: Vec<String>,
}

impl Context<'_> {
    fn config(&mut self, written: &Written) -> Option<Config> {
        if let Some(version) = written.version.filter(|v| *v != 1) {
            self.error(Code::Version, &["version"], format!("version {version} of the format is not known"))
                .label("this version of Argus reads version 1");
        }
        let listeners = self.listeners(written);
        let clients = self.clients(written);
        let mut upstreams = self.upstreams(written);
        let api_key = self.api_key(written);
        let keys = self.keys(written);
        let plans = self.plans(written);
        let conditions = self.conditions(written);
        let identity_prefix = self.identity_prefix(written);
        let around = Around { environments: &keys.environments, api_key: &api_key, identity_prefix: &identity_prefix };
        let routes = self.routes(written, &mut upstreams, around);
        let store = self.store(written);
        let admin = self.admin(written, &store);
        let ops = self.ops(written);
        self.addresses(&listeners, &admin, &ops);
        self.plain_http(&listeners, &clients);
        let (workers, requests_max, counter_bytes_max, key_cache_bytes_max) = self.resources(written);
        Some(Config {
            files: Vec::new(),
            clients,
            upstreams,
            routes,
            log: self.log(written, &api_key),
            api_key,
            keys,
            plans,
            conditions,
            geo: self.geo(written),
            store,
            admin,
            ops,
            errors: self.errors(written),
            ratelimit_headers: self.ratelimit_headers(written),
            identity_prefix,
            retention: self.retention(written),
            workers,
            requests_max,
            lag_max: self.lag(written),
            counter_bytes_max,
            key_cache_bytes_max,
            listeners,
        })
    }

    /// Where the field at the path is shown.
    fn at<S: AsRef<str>>(&self, field: &[S]) -> Place {
        self.tree.place(field, &self.problems.sources)
    }

    /// The same as an origin, for the snapshot, logs and `explain`.
    fn origin<S: AsRef<str>>(&self, field: &[S]) -> Origin {
        self.problems.sources.origin(self.at(field))
    }

    /// Whether something is written at the path.
    fn has(&self, field: &[&str]) -> bool {
        self.tree.find(field).is_some()
    }

    /// The path of the `n`th item of a field that takes one or many, or a list.
    fn item(&self, field: &[&str], n: usize) -> Vec<String> {
        let number = self.tree.find(field).and_then(|node| node.items().nth(n)).map(|(number, _)| number.to_string());
        path(field).into_iter().chain(number).collect()
    }

    fn error<S: AsRef<str>>(&mut self, code: Code, field: &[S], message: impl Into<String>) -> &mut Problem {
        let at = self.at(field);
        self.problems.error(code, field.iter().map(|s| s.as_ref().to_owned()).collect(), message).at(at)
    }

    fn warning(&mut self, code: Code, field: &[&str], message: impl Into<String>) -> &mut Problem {
        let at = self.at(field);
        self.problems.warning(code, path(field), message).at(at)
    }

    /// A field that is not there, told at the table it belongs into.
    fn gap(&mut self, code: Code, field: &[&str], message: impl Into<String>) -> &mut Problem {
        let table = &field[..field.len().saturating_sub(1)];
        let at = self.at(table);
        self.problems.gap(code, path(field), Some(at), message)
    }

    /// A name that refers to nothing.
    fn undefined<'n>(
        &mut self,
        code: Code,
        field: Vec<String>,
        table: &str,
        given: &str,
        defined: impl Iterator<Item = &'n str>,
    ) -> &mut Problem {
        let defined: Vec<&str> = defined.collect();
        let near = nearest(given, defined.iter().copied());
        let thing = words::thing(table).unwrap_or(table);
        let mut label = if defined.is_empty() {
            format!("no {table} are defined")
        } else {
            let more = if defined.len() > NAMES_LISTED_MAX { ", …" } else { "" };
            let list: Vec<&str> = defined.iter().copied().take(NAMES_LISTED_MAX).collect();
            format!("defined {table}: {}{more}", list.join(", "))
        };
        if let Some(near) = near {
            label.push_str(&format!("  (did you mean \"{near}\"?)"));
        }
        let at = self.at(&field);
        let cause = self.problems.cause_of(&path(&[table, given]));
        let message = format!("{thing} \"{}\" is not defined", words::short(given));
        let problem = self.problems.error(code, field, message).at(at);
        match cause {
            Some(cause) => problem.follows(cause),
            None => problem.label(label),
        }
    }

    /// Reads a text into one of the model's types; its error is the message.
    fn parse<T: FromStr>(&mut self, field: &[String], text: &str) -> Option<T>
    where
        T::Err: Display,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(Code::Value, field, error.to_string());
                None
            }
        }
    }

    /// The names of a table's named tables, with their order in the text.
    fn in_order(&self, table: &str) -> Vec<String> {
        let Some(tables) = self.tree.child(table).and_then(Node::table) else { return Vec::new() };
        let mut names: Vec<(Option<Place>, String)> =
            tables.iter().map(|(name, node)| (node.key, name.clone())).collect();
        names.sort();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// The name of a named table.
    fn name(&mut self, table: &str, text: &str) -> Option<Name> {
        match text.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let field = path(&[table, text]);
                let key = self.tree.find(&field).and_then(|n| n.key).unwrap_or_else(|| self.at(&field));
                let message = format!("`{}` is not a name", words::short(text));
                self.problems.error(Code::Name, field, message).at(key).label(error.to_string());
                None
            }
        }
    }

    /// A path as written: relative ones start from the directory of their file.
    fn file_path(&self, field: &[&str], text: &str) -> PathBuf {
        self.problems.sources.dir_of(self.at(field)).join(text)
    }

    /// A file the configuration names; its change is a reason to load again.
    fn watched_file(&mut self, field: &[&str], text: &str) -> PathBuf {
        let path = self.file_path(field, text);
        self.watched.push(path.clone());
        path
    }

    /// A duration that must not be zero.
    fn positive(&mut self, field: &[&str], given: Option<Duration>, default: Duration) -> Duration {
        if given.is_some_and(|d| d.is_zero()) {
            let name = field.last().copied().unwrap_or_default();
            self.error(Code::Value, field, format!("`{name}` must be longer than nothing"));
        }
        given.unwrap_or(default)
    }

    /// A number within bounds.
    fn within<T: PartialOrd + Display + Copy>(
        &mut self,
        field: &[&str],
        given: Option<T>,
        bounds: [T; 2],
        default: T,
    ) -> T {
        let [least, most] = bounds;
        match given {
            Some(n) if n < least || n > most => {
                let name = field.last().copied().unwrap_or_default();
                self.error(Code::Value, field, format!("`{name}` is out of range"))
                    .label(format!("expected {least} to {most}"));
                default
            }
            Some(n) => n,
            None => default,
        }
    }

    /// A size within bounds.
    fn size(&mut self, field: &[&str], given: Option<u64>, bounds: [u64; 2], default: u64) -> u64 {
        let [least, most] = bounds;
        match given {
            Some(n) if n < least || n > most => {
                let name = field.last().copied().unwrap_or_default();
                self.error(Code::Value, field, format!("`{name}` is out of range")).label(format!(
                    "expected \"{}\" to \"{}\"",
                    size_text(least),
                    size_text(most)
                ));
                default
            }
            Some(n) => n,
            None => default,
        }
    }
}

fn size_text(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 && b % (1 << 30) == 0 => format!("{}GiB", b >> 30),
        b if b >= 1 << 20 && b % (1 << 20) == 0 => format!("{}MiB", b >> 20),
        b if b >= 1 << 10 && b % (1 << 10) == 0 => format!("{}KiB", b >> 10),
        b => format!("{b}B"),
    }
}
