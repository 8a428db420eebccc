//! `argus completions`: scripts by which shells complete commands and options.

use clap::{Args, ColorChoice};
use clap_complete::Shell;

use super::args;
use super::exit::{Exit, Failure, Outcome};
use super::session::Session;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus completions bash > /etc/bash_completion.d/argus
  argus completions zsh > ~/.zfunc/_argus
  argus completions fish > ~/.config/fish/completions/argus.fish";

/// For which shell.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Does it.
pub fn run(session: &mut Session, args: CompletionsArgs) -> Outcome {
    let global = &session.global;
    global.refuse("completions", &[("--json", global.json), ("--plain", global.plain)])?;
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(ColorChoice::Never), "argus", &mut script);
    let script = String::from_utf8(script).map_err(|e| Failure::failed(format!("cannot print the script: {e}")))?;
    session.out.result(&script)?;
    Ok(Exit::Done)
}
