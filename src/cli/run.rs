//! `argus run`: starts the gateway.

use std::path::PathBuf;

use clap::Args;

use super::args::Global;
use super::exit::{Exit, Failure, Outcome};
use crate::app::{self, RunOptions};

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
    app::run(RunOptions { config, upstream, listen }).map(|()| Exit::Done).map_err(|e| Failure {
        exit: Exit::Other(e.exit),
        message: e.message,
        details: Vec::new(),
        hints: e.hint.into_iter().collect(),
    })
}
