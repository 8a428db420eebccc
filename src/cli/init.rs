//! `argus init`: a commented gateway.toml out of four answers, or out of what runs.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Failure, Outcome};
use super::prompt;
use super::runtime::Runtime;
use super::session::Session;
use crate::config::{Answers, Source, init_template, load};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus init
  argus init --yes --upstream http://localhost:3000 --output gateway.toml
  argus init --from-running > gateway.toml";

/// The file that is written if no other is named.
const FILE: &str = "gateway.toml";

/// What shall stand in the file. What is given is not asked.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Write down what runs, as it was started by `argus run --upstream`
    #[arg(long, conflicts_with_all = ["upstream", "listen", "data", "prefix"])]
    pub from_running: bool,
    /// The API to stand in front of
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Directory for keys and records
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// The word in front of every key
    #[arg(long, value_name = "WORD")]
    pub prefix: Option<String>,
}

/// Does it.
pub async fn run(session: &mut Session, args: InitArgs) -> Outcome {
    session.global.refuse("init", &[("--json", session.global.json), ("--plain", session.global.plain)])?;
    let target = session.global.output.clone().filter(|path| path.as_os_str() != "-");
    let to_stdout = session.global.output.as_ref().is_some_and(|path| path.as_os_str() == "-")
        || (args.from_running && target.is_none());
    let target = (!to_stdout).then(|| target.unwrap_or_else(|| PathBuf::from(FILE)));
    if let Some(path) = target.as_deref().filter(|path| path.exists()) {
        return Err(exists(path));
    }
    let answers = if args.from_running { running(session).await? } else { answers(session, args)? };
    let text = init_template(&answers);
    check(&text)?;
    match target {
        None => session.out.result(&text)?,
        Some(path) => {
            write(&path, &text)?;
            let check = if path.as_os_str() == FILE { String::new() } else { format!(" --config {}", path.display()) };
            let mark = session.out.paint_err.good("✓");
            session
                .out
                .note(&format!("{mark} {} written; next: argus check{check} && argus run{check}", path.display()));
        }
    }
    Ok(Exit::Done)
}

fn answers(session: &Session, args: InitArgs) -> Result<Answers, Failure> {
    let default = Answers::default();
    let asked = [&args.upstream, &args.listen, &args.data, &args.prefix].iter().any(|given| given.is_none());
    if asked && !session.global.yes && !prompt::can_ask(session) {
        return Err(Failure::usage("this asks up to four questions, and there is nobody to ask").hint(
            "`argus init --yes` takes the usual answers; --upstream, --listen, --data and --prefix give others",
        ));
    }
    let ask = |given: Option<String>, question: &str, default: &str| match given {
        Some(given) => Ok(given),
        None if session.global.yes => Ok(default.to_owned()),
        None => prompt::ask(session, question, default),
    };
    let chosen_at_start = "chosen at start";
    Ok(Answers {
        upstream: ask(args.upstream, "Which API shall it stand in front of?", &default.upstream)?,
        listen: ask(args.listen, "Where shall it listen?", &default.listen)?,
        state_dir: Some(ask(args.data, "Which directory for keys and records?", chosen_at_start)?)
            .filter(|dir| dir != chosen_at_start),
        key_prefix: ask(args.prefix, "Which word shall every key begin with?", &default.key_prefix)?,
    })
}

/// The answers that lead to what runs.
async fn running(session: &Session) -> Result<Answers, Failure> {
    let runtime = Runtime::fetch(&session.client().await?).await?;
    let answers = of_runtime(&runtime)?;
    for setting in runtime.settings().iter().filter(|s| s.from.ends_with("(environment)") && s.field != "listen") {
        // It goes on to come from there, so it is not written down; who moves the file elsewhere may want to know.
        session.out.detail(&format!("{} comes from {}, not from the file", setting.field, setting.from));
    }
    Ok(answers)
}

fn of_runtime(runtime: &Runtime) -> Result<Answers, Failure> {
    if let Some(file) = runtime.files().first() {
        return Err(Failure::failed(format!("what runs is written down already, in `{file}`"))
            .hint("`argus show` prints everything that is in force"));
    }
    let missing = |field: &str| Failure::failed(format!("the running gateway does not tell its `{field}`"));
    let upstream = runtime.setting_text("routes.api.upstream").ok_or_else(|| missing("upstream"))?;
    let listen = runtime.setting_text("listen").ok_or_else(|| missing("listen"))?;
    let default = Answers::default();
    let dir = super::field::text(&runtime.0, "/store/dir");
    // The usual directory is found again by itself; any other must be written down.
    let usual = Path::new(&dir).components().eq(Path::new("argus-data").components())
        || Path::new(&dir).components().eq(Path::new("./argus-data").components());
    Ok(Answers {
        upstream,
        listen,
        state_dir: (!usual && !dir.is_empty()).then_some(dir),
        key_prefix: runtime.setting_text("keys.prefix").unwrap_or(default.key_prefix),
    })
}

/// A file that would not start is not written.
fn check(text: &str) -> Result<(), Failure> {
    let source = Source::Text { name: FILE.to_owned(), text: text.to_owned() };
    let loaded = load(&source, &|name| std::env::var(name).ok());
    if loaded.problems.errors() == 0 {
        return Ok(());
    }
    let mut failure = Failure::usage("these answers make no configuration");
    failure.details = loaded.problems.render(false).lines().map(str::to_owned).collect();
    Err(failure)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::failed(format!("cannot write `{}`: {e}", path.display())),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Conflict, format!("`{}` exists already", path.display()))
        .hint("--output writes another file, `--output -` only prints")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::args::Global;

    #[test]
    fn what_was_started_without_a_file_can_be_written_down() {
        let runtime = Runtime(json!({"config": {"files": [], "values": [
            {"field": "keys.prefix", "value": "\"argus\"", "from": "default"},
            {"field": "listen", "value": "\"127.0.0.1:9000\"", "from": "--listen (command line)"},
            {"field": "routes.api.upstream", "value": "\"http://127.0.0.1:3000\"", "from": "--upstream (command line)"}]},
            "store": {"dir": "./argus-data"}}));
        let answers = of_runtime(&runtime).unwrap();
        let want = Answers { listen: "127.0.0.1:9000".to_owned(), ..Answers::default() };
        assert_eq!(answers, want);
        check(&init_template(&answers)).unwrap();
        let mut elsewhere = runtime.clone();
        elsewhere.0["store"]["dir"] = json!("/srv/argus");
        assert_eq!(of_runtime(&elsewhere).unwrap().state_dir.as_deref(), Some("/srv/argus"));
    }

    #[test]
    fn what_stands_in_a_file_is_not_written_again() {
        let runtime = Runtime(json!({"config": {"files": ["gateway.toml"], "values": []}}));
        assert!(of_runtime(&runtime).unwrap_err().message.contains("gateway.toml"));
    }

    #[tokio::test]
    async fn nothing_is_overwritten_and_nothing_wrong_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.toml");
        let global = Global { yes: true, no_input: true, output: Some(path.clone()), ..Global::default() };
        let args = |upstream: &str| InitArgs {
            from_running: false,
            upstream: Some(upstream.to_owned()),
            listen: None,
            data: None,
            prefix: None,
        };
        let run = async |upstream: &str| run(&mut Session::new(global.clone()), args(upstream)).await;
        let refused = run("not a url").await.unwrap_err();
        assert_eq!((refused.exit, path.exists()), (Exit::Usage, false));
        assert_eq!(run("http://127.0.0.1:3000").await, Ok(Exit::Done));
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, init_template(&Answers::default()));
        assert_eq!(run("http://127.0.0.1:4000").await.unwrap_err().exit, Exit::Conflict);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    }

    #[test]
    fn nobody_to_ask_is_told_how_to_go_on() {
        let session = Session::new(Global { no_input: true, ..Global::default() });
        let args = InitArgs { from_running: false, upstream: None, listen: None, data: None, prefix: None };
        assert_eq!(answers(&session, args).unwrap_err().exit, Exit::Usage);
    }
}
