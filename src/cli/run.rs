//! `argus run`: starts the gateway.

use std::path::PathBuf;

use clap::Args;

use super::args::Global;
use super::exit::{Exit, Failure, Outcome};
use crate::app::{self, RunError, RunOptions};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus run --upstream http://localhost:3000
  argus run
  argus run --config /etc/argus/gateway.toml";

/// How to start.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration file [default: $ARGUS_CONFIG, ./gateway.toml, /etc/argus/gateway.toml]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["upstream", "listen"])]
    pub config: Option<PathBuf>,
    /// Put the gateway in front of this API, without any file
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Where to listen [default: :8080]
    #[arg(long, value_name = "ADDRESS", requires = "upstream")]
    pub listen: Option<String>,
}

/// Does it; returns when the gateway has stopped.
pub fn run(global: &Global, args: RunArgs) -> Outcome {
    global.refuse(
        "run",
        &[
            ("--json", global.json),
            ("--plain", global.plain),
            ("--quiet", global.quiet),
            ("--verbose", global.verbose),
            ("--yes", global.yes),
            ("--server", global.server.is_some()),
            ("--socket", global.socket.is_some()),
            ("--output", global.output.is_some()),
        ],
    )?;
    let RunArgs { config, upstream, listen } = args;
    app::run(RunOptions { config, upstream, listen }).map(|()| Exit::Done).map_err(failure)
}

fn failure(e: RunError) -> Failure {
    // All problems of a configuration come as a text that is laid out already.
    let laid_out = e.message.contains('\n');
    let (message, report) = if laid_out { (String::new(), Some(e.message)) } else { (e.message, None) };
    Failure { exit: Exit::Other(e.exit), message, details: Vec::new(), hints: e.hint.into_iter().collect(), report }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{Paint, render_failure};

    #[test]
    fn problems_of_a_configuration_are_told_as_they_are_laid_out() {
        let error = |message: &str, hint: Option<&str>, exit| {
            let failure = failure(RunError { message: message.to_owned(), hint: hint.map(str::to_owned), exit });
            (failure.exit.code(), render_failure(&failure, Paint::OFF))
        };
        assert_eq!(error("error[C101]: x\n  ^ y\n", None, 2), (2, "error[C101]: x\n  ^ y\n".to_owned()));
        assert_eq!(
            error("port 8080 is taken", Some("--listen :8081"), 78),
            (78, "error: port 8080 is taken\n  hint: --listen :8081\n".to_owned())
        );
    }
}
