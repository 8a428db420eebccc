//! The README's transcripts, line by line, against the real binary.
//!
//! In its ```` ```console ```` blocks a line that begins with `$ ` is typed, and what follows is what is seen; `#` begins
//! a remark. All blocks are one session, in a new folder, with the origin of these tests on port 3000. `…` stands for
//! anything within a line, and a line of nothing else for any number of lines. A key whose secret is written `…` is
//! whatever key the program gives, and from then on that key is meant wherever the same letters stand.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::support::origin::Origin;
use super::support::process::Process;
use super::support::wait::LIMIT;
use super::support::{ports, source, until};

/// Something typed, and what is then seen.
#[derive(Debug)]
struct Step {
    line: usize,
    typed: String,
    seen: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(typed) = line.strip_prefix("$ ").filter(|_| inside) {
            steps.push(Step { line: number + 1, typed: typed.to_owned(), seen: Vec::new() });
        } else if inside && !line.starts_with('#') && !line.trim().is_empty() {
            steps.last_mut().expect("something is typed first").seen.push(line.trim_end().to_owned());
        }
    }
    steps
}

#[test]
fn the_transcript_is_true() {
    let text = std::fs::read_to_string(source::root().join("README.md")).unwrap();
    let steps = steps(&text);
    assert!(steps.len() >= 8, "the README has a transcript");
    let origin = Origin::start_at(ports::free());
    let mut session = Session::start(&origin);
    for step in &steps {
        session.play(step);
    }
}

/// A shell in a folder of its own, with the gateway beside it.
struct Session {
    dir: tempfile::TempDir,
    shell: Shell,
    gateway: Option<Process>,
    /// Ports the README says, and those that are meant here.
    ports: Vec<(String, String)>,
    /// Keys the README says, and those that are meant here; longer texts first.
    keys: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

impl Session {
    fn start(origin: &Origin) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (traffic, admin, ops) = (ports::free(), ports::free(), ports::free());
        let environment = vec![
            ("ARGUS_LISTEN".to_owned(), format!("127.0.0.1:{traffic}")),
            ("ARGUS_ADMIN_ADDRESS".to_owned(), format!("127.0.0.1:{admin}")),
            ("ARGUS_OPS_ADDRESS".to_owned(), format!("127.0.0.1:{ops}")),
            ("NO_COLOR".to_owned(), "1".to_owned()),
        ];
        let ports = [("3000", origin.address().port()), ("8080", traffic), ("9640", admin), ("9642", ops)]
            .map(|(said, port)| (said.to_owned(), port.to_string()))
            .to_vec();
        let shell = Shell::start(dir.path(), &environment);
        Session { dir, shell, gateway: None, ports, keys: Vec::new(), environment }
    }

    /// What the README means here.
    fn meant(&self, text: &str) -> String {
        let here = |text: String, (said, meant): &(String, String)| text.replace(said, meant);
        let text = self.ports.iter().fold(text.to_owned(), here);
        self.keys.iter().fold(text, here)
    }

    fn play(&mut self, step: &Step) {
        let typed = self.meant(&step.typed);
        if typed.starts_with("argus run") {
            self.run_gateway(step, &typed);
            return;
        }
        let seen = self.shell.run(&typed);
        self.compare(step, &seen)
            .unwrap_or_else(|problem| panic!("{problem}\nall that was seen:\n{}", seen.join("\n")));
    }

    /// Starts the gateway, in place of one that runs: Ctrl-C comes before it.
    fn run_gateway(&mut self, step: &Step, typed: &str) {
        if let Some(process) = self.gateway.take() {
            let pid = process.child.id().to_string();
            assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
            let mut process = process;
            until("the gateway to end", || process.ended());
        }
        let mut command = super::support::process::argus();
        command.current_dir(self.dir.path()).args(typed.split_whitespace().skip(1));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut process = Process::spawn(&mut command);
        let mut problem = String::new();
        until(&format!("what line {} of the README shows", step.line), || {
            let said = process.said();
            let lines: Vec<String> = said.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect();
            match self.compare(step, &lines) {
                Ok(()) => Some(()),
                Err(found) if process.ended().is_some() => panic!("{found}\n{said}"),
                Err(found) => {
                    if problem != found {
                        problem = found;
                        eprintln!("{problem}");
                    }
                    None
                }
            }
        });
        self.gateway = Some(process);
    }

    /// Holds what was seen against what the README shows, and learns the keys that are in it.
    fn compare(&mut self, step: &Step, seen: &[String]) -> Result<(), String> {
        // The ports of this test are not what a reader has, so what is said about them is left out.
        let about_ports = |line: &str| line.contains(" is set by ARGUS_") && line.contains("(environment)");
        let mut seen = seen.iter().filter(|line| !line.trim().is_empty() && !about_ports(line));
        for (at, shown) in step.seen.iter().enumerate() {
            if shown.trim() == "…" {
                match step.seen.get(at + 1) {
                    None => return Ok(()),
                    Some(next) => {
                        let mut rest = seen.clone();
                        while rest.clone().next().is_some_and(|line| self.matches(next, line).is_none()) {
                            rest.next();
                        }
                        seen = rest;
                        continue;
                    }
                }
            }
            let line = seen.next().map_or("", String::as_str);
            let Some(learnt) = self.matches(shown, line) else {
                return Err(format!("README line {}: `{}`\nshows {shown:?}\n seen {line:?}", step.line, step.typed));
            };
            self.keys.extend(learnt);
            self.keys.sort_by_key(|(said, _)| std::cmp::Reverse(said.len()));
        }
        match seen.next() {
            Some(more) => {
                Err(format!("README line {}: `{}`\nshows nothing more\n seen {more:?}", step.line, step.typed))
            }
            None => Ok(()),
        }
    }

    /// Whether `line` is what `shown` means; the keys it tells.
    fn matches(&self, shown: &str, line: &str) -> Option<Vec<(String, String)>> {
        let shown = self.ports.iter().fold(shown.to_owned(), |text, (said, meant)| text.replace(said, meant));
        let mut learnt = Vec::new();
        let (mut shown, mut line) = (shown.as_str(), line.trim_end());
        loop {
            let (key, anything) = (key_at(shown), shown.find('…'));
            let Some(at) = key.into_iter().chain(anything).min() else {
                return (shown == line).then_some(learnt);
            };
            line = line.strip_prefix(&shown[..at])?;
            shown = &shown[at..];
            if key == Some(at) {
                let whole = shown[SHORT..].starts_with("_…");
                let (said, length) =
                    if whole { (&shown[..SHORT + "_…".len()], WHOLE) } else { (&shown[..SHORT], SHORT) };
                let found = line.get(..length).filter(|key| is_key(key))?;
                match self.keys.iter().find(|(known, _)| known == said) {
                    Some((_, meant)) if meant != found => return None,
                    Some(_) => {}
                    None => {
                        learnt.push((said.to_owned(), found.to_owned()));
                        if whole {
                            learnt.push((said[..SHORT].to_owned(), found[..SHORT].to_owned()));
                        }
                        learnt.push((format!("key_{}", &said[ID..SHORT]), format!("key_{}", &found[ID..SHORT])));
                    }
                }
                (shown, line) = (&shown[said.len()..], &line[length..]);
                continue;
            }
            shown = &shown['…'.len_utf8()..];
            let end = key_at(shown).into_iter().chain(shown.find('…')).min().unwrap_or(shown.len());
            if end == 0 {
                return shown.is_empty().then_some(learnt);
            }
            line = &line[line.find(&shown[..end])?..];
        }
    }
}

/// Where the public id of a key begins, where it ends, and how long a whole key is.
const ID: usize = 11;
const SHORT: usize = 21;
const WHOLE: usize = 60;

/// Where the first made-up key of a text begins.
fn key_at(text: &str) -> Option<usize> {
    ["argus_test_", "argus_live_"].iter().filter_map(|word| text.find(word)).filter(|at| text.len() >= at + SHORT).min()
}

/// Whether this is a key, or the part of one that may be shown.
fn is_key(text: &str) -> bool {
    key_at(text) == Some(0) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A shell that lives as long as the session, so that variables keep their values.
struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    /// Stands for the end of what a command prints.
    const END: &'static str = "--- that was all ---";

    fn start(dir: &Path, environment: &[(String, String)]) -> Self {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_argus"));
        let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .args(["--norc", "--noprofile"])
            .current_dir(dir)
            .env("PATH", path)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        writeln!(input, "exec 2>&1; alias curl='curl --silent --show-error'; shopt -s expand_aliases").unwrap();
        Shell { child, input, lines }
    }

    /// The lines a command prints.
    fn run(&mut self, typed: &str) -> Vec<String> {
        writeln!(self.input, "{typed}\nstatus=$?; echo; echo '{}'; (exit $status)", Shell::END).unwrap();
        let mut seen = Vec::new();
        loop {
            let line =
                self.lines.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("`{typed}` printed {seen:?} and hangs"));
            if line == Shell::END {
                return seen;
            }
            seen.push(line.trim_end_matches('\r').to_owned());
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
