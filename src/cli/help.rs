//! `argus help`: a command's page, or the manual of a table of gateway.toml.

use clap::{Args, ColorChoice};

use super::args;
use super::exit::{Exit, Failure, Outcome};
use super::session::Session;
use super::words::nearest;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus help key create
  argus help config
  argus help config routes";

/// What to explain.
#[derive(Debug, Args)]
pub struct HelpArgs {
    /// A command such as `key create`, or `config` and a table of gateway.toml
    #[arg(value_name = "TOPIC")]
    pub topic: Vec<String>,
}

/// Does it.
pub fn run(session: &mut Session, args: HelpArgs) -> Outcome {
    let text = match args.topic.split_first() {
        Some((first, rest)) if first == "config" => config(rest)?,
        _ => page(&args.topic, session.out.paint.is_on())?,
    };
    session.out.result(&text)?;
    Ok(Exit::Done)
}

fn config(path: &[String]) -> Result<String, Failure> {
    Ok(path.join("."))
}

/// The page of a command.
fn page(topic: &[String], colour: bool) -> Result<String, Failure> {
    let mut command = args::command(ColorChoice::Auto);
    command.build();
    for (at, word) in topic.iter().enumerate() {
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let Some(found) = command.find_subcommand(word) else {
            let said = topic[..=at].join(" ");
            let failure = Failure::usage(format!("there is no command `argus {said}`"));
            return Err(match nearest(word, names.iter().map(String::as_str)) {
                Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
                None => failure.hint("`argus help` lists the commands"),
            });
        };
        command = found.clone();
    }
    let page = command.render_long_help();
    Ok(if colour { page.ansi().to_string() } else { page.to_string() })
}
