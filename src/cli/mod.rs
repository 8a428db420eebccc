//! The command line.
//!
//! One file a command. A command asks the admin API through `client`, renders what it got by pure functions, and
//! hands the text to `output`, the only place that prints. How it ended is an [`Exit`].

pub mod args;
mod audit;
mod check;
mod client;
mod completions;
mod configured;
mod doctor;
mod events;
pub mod exit;
mod explain;
mod field;
mod health;
mod help;
mod init;
mod key;
mod locate;
mod output;
mod owner;
mod pages;
mod plan;
mod problem;
mod prompt;
mod reload;
mod role;
mod run;
mod runtime;
mod schema;
mod session;
mod show;
mod stats;
mod table;
mod tail;
mod tls;
mod verify;
mod version;
mod words;

use std::process::ExitCode;

use clap::{ColorChoice, FromArgMatches};
use serde_json::{Value, json};

use args::{Cli, Command, Global, Other};
use exit::{Exit, Failure, Outcome};
use output::Format;
use session::Session;

/// Does what the command line asks and gives the exit code.
pub fn main() -> ExitCode {
    let given: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let no_color = given.iter().any(|arg| arg == "--no-color");
    // Colours are taken out where they are not wanted when the message is printed.
    let parsed = args::command(ColorChoice::Auto).try_get_matches_from(given).and_then(|m| Cli::from_arg_matches(&m));
    let Cli { global, command } = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            output::clap_message(&error, no_color);
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let mut session = Session::new(global);
    let outcome = dispatch(&mut session, command);
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if failure.exit != Exit::Done {
                session.out.failure(&failure);
            }
            failure.exit.into()
        }
    }
}

fn dispatch(session: &mut Session, command: Command) -> Outcome {
    match command {
        // The gateway builds its own threads.
        Command::Run(args) => run::run(&session.global, args),
        Command::Other(command) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| Failure::failed(format!("cannot start: {e}")))?;
            runtime.block_on(ask(session, command))
        }
    }
}

async fn ask(session: &mut Session, command: Other) -> Outcome {
    if let Some(name) = asks_nobody(&command) {
        let Global { server, socket, .. } = &session.global;
        session.global.refuse(name, &[("--server", server.is_some()), ("--socket", socket.is_some())])?;
    }
    match command {
        Other::Init(args) => init::run(session, args).await,
        Other::Check(args) => check::run(session, args),
        Other::Schema => schema::run(session),
        Other::Reload => reload::run(session).await,
        Other::Show => show::run(session).await,
        Other::Key(command) => key::run(session, command).await,
        Other::Owner(command) => owner::run(session, command).await,
        Other::Plan(command) => plan::run(session, command).await,
        Other::Role(command) => role::run(session, command).await,
        Other::Explain(args) => explain::run(session, args).await,
        Other::Verify(args) => verify::run(session, args).await,
        Other::Tail(args) => tail::run(session, args).await,
        Other::Stats(args) => stats::run(session, args).await,
        Other::Audit(command) => audit::run(session, command).await,
        Other::Health(args) => health::run(session, args).await,
        Other::Doctor => doctor::run(session).await,
        Other::Completions(args) => completions::run(session, args),
        Other::Version => version::run(session),
        Other::Help(args) => help::run(session, args),
    }
}

/// The name of a command that has no use for an admin side.
fn asks_nobody(command: &Other) -> Option<&'static str> {
    match command {
        Other::Check(_) => Some("check"),
        Other::Schema => Some("schema"),
        Other::Key(key::KeyCommand::ScanRule(_)) => Some("key scan-rule"),
        Other::Health(_) => Some("health"),
        Other::Completions(_) => Some("completions"),
        Other::Version => Some("version"),
        Other::Help(_) => Some("help"),
        _ => None,
    }
}

/// Tells that something is gone.
fn deleted(session: &mut Session, id: &str, name: &str) -> Outcome {
    match session.out.format {
        Format::Human => {
            session.out.note(&format!("{} {} deleted", session.out.paint_err.good("✓"), output::safe(name)))
        }
        Format::Plain => session.out.result(&format!("{}\tdeleted", output::safe(id)))?,
        Format::Json => session.out.json(&json!({"id": id, "deleted": true}))?,
    }
    Ok(Exit::Done)
}

/// Prints an object for programs: as JSON, or its plain fields a line each.
fn print_object(session: &mut Session, object: &Value) -> Result<(), Failure> {
    if session.out.format == Format::Json {
        return session.out.json(object);
    }
    let members = object.as_object().into_iter().flatten();
    let rows: Vec<Vec<String>> = members.map(|(name, value)| vec![name.clone(), flat(value)]).collect();
    session.out.result(&table::plain(rows.iter().map(Vec::as_slice)))
}

/// A value on one line: lists of texts joined by commas, other nested values as JSON.
fn flat(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(Value::is_string) => field::texts(value, "").join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
