//! The command line as a whole: the options every command takes, and the commands.

use std::path::PathBuf;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, ColorChoice, Command as ClapCommand, CommandFactory, Parser, Subcommand};

use super::exit::Failure;
use super::{
    audit, check, completions, doctor, explain, health, help, init, key, owner, plan, reload, role, run, schema, show,
    stats, tail, verify, version,
};

/// What every help page looks like: purpose, examples, usage, options.
const HELP_TEMPLATE: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// An authenticating gateway in front of your API: who is calling, may they, how often, and why not.
#[derive(Debug, Parser)]
#[command(name = "argus", version, disable_help_subcommand = true, before_help = EXAMPLES, styles = STYLES)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  argus run --upstream http://localhost:3000
  argus key create mobile --scope orders:read --limit 100/min --expires 90d
  argus explain 'POST http://localhost:8080/orders' --key mobile";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default())
    .invalid(AnsiColor::Yellow.on_default());

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Print results as JSON
    #[arg(long, global = true, conflicts_with = "plain")]
    pub json: bool,
    /// Print results tab-separated, with nothing shortened
    #[arg(long, global = true)]
    pub plain: bool,
    /// Print results and failures only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Tell also what is done on the way
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Never ask: fail where a question would be asked
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Admin side elsewhere; its key is read from the file ARGUS_ADMIN_KEY_FILE names
    #[arg(long, global = true, value_name = "URL", conflicts_with = "socket")]
    pub server: Option<String>,
    /// Admin socket, if it is not where it usually is
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Write results into a file instead of standard output
    #[arg(long, global = true, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Global {
    /// Fails if an option was given that means nothing to `command`, rather than ignoring it.
    pub fn refuse(&self, command: &str, given: &[(&str, bool)]) -> Result<(), Failure> {
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::usage(format!("`{option}` means nothing to `argus {command}`"))),
            None => Ok(()),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the gateway.
    #[command(before_help = run::EXAMPLES)]
    Run(run::RunArgs),
    /// Everything else.
    #[command(flatten)]
    Other(Other),
}

/// The commands that come to an end by themselves.
#[derive(Debug, Subcommand)]
pub enum Other {
    /// Write a commented gateway.toml.
    #[command(before_help = init::EXAMPLES)]
    Init(init::InitArgs),
    /// Say everything that is wrong with the configuration, without touching what runs.
    #[command(before_help = check::EXAMPLES)]
    Check(check::CheckArgs),
    /// Print the JSON Schema of gateway.toml, for editors.
    #[command(before_help = schema::EXAMPLES)]
    Schema,
    /// Make the running gateway read its configuration again, whole or not at all.
    #[command(before_help = reload::EXAMPLES)]
    Reload,
    /// Show what is in force in the running gateway, with secrets masked.
    #[command(before_help = show::EXAMPLES)]
    Show,
    /// Make, change, replace and revoke keys.
    #[command(subcommand, before_help = key::EXAMPLES)]
    Key(key::KeyCommand),
    /// Manage whom keys belong to.
    #[command(subcommand, before_help = owner::EXAMPLES)]
    Owner(owner::OwnerCommand),
    /// See the plans that keys can be on.
    #[command(subcommand, before_help = plan::EXAMPLES)]
    Plan(plan::PlanCommand),
    /// Manage named sets of scopes.
    #[command(subcommand, before_help = role::EXAMPLES)]
    Role(role::RoleCommand),
    /// Say step by step whether a request would be let through, and why not.
    #[command(before_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Say whether a key is good, reading it from a file, standard input or a prompt.
    #[command(before_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// Watch decisions as they are made.
    #[command(before_help = tail::EXAMPLES)]
    Tail(tail::TailArgs),
    /// Sum up what was let through and refused.
    #[command(before_help = stats::EXAMPLES)]
    Stats(stats::StatsArgs),
    /// Read and verify the record of who changed what.
    #[command(subcommand, before_help = audit::EXAMPLES)]
    Audit(audit::AuditCommand),
    /// Say whether the gateway is alive; for container health checks.
    #[command(before_help = health::EXAMPLES)]
    Health(health::HealthArgs),
    /// Look the installation over and say what deserves attention.
    #[command(before_help = doctor::EXAMPLES)]
    Doctor,
    /// Print the completion script of a shell.
    #[command(before_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArgs),
    /// Print the version.
    #[command(before_help = version::EXAMPLES)]
    Version,
    /// Explain a command, or a table of gateway.toml.
    #[command(before_help = help::EXAMPLES)]
    Help(help::HelpArgs),
}

/// The command line with one layout of help for all commands.
pub fn command(color: ColorChoice) -> ClapCommand {
    laid_out(Cli::command()).color(color)
}

fn laid_out(command: ClapCommand) -> ClapCommand {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = command.help_template(HELP_TEMPLATE).disable_help_subcommand(true);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, laid_out))
}
