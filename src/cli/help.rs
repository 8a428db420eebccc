//! `argus help`: a command's page, or the manual of a table of gateway.toml.

use clap::{Args, ColorChoice};

use super::args;
use super::exit::{Exit, Failure, Outcome};
use super::session::Session;
use super::words::nearest;
use crate::config;

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
    let global = &session.global;
    global.refuse("help", &[("--json", global.json), ("--plain", global.plain)])?;
    let text = match args.topic.split_first() {
        Some((first, rest)) if first == "config" => manual(rest)?,
        _ => page(&args.topic, session.out.paint.is_on())?,
    };
    session.out.result(&text)?;
    Ok(Exit::Done)
}

/// The manual of a table, or the list of tables.
fn manual(path: &[String]) -> Result<String, Failure> {
    let table = match path {
        [] => None,
        [table] => Some(table.as_str()),
        [_, more, ..] => {
            return Err(Failure::usage(format!("one table at a time; what is `{more}`?"))
                .hint("for example `argus help config routes`"));
        }
    };
    config::help(table).ok_or_else(|| {
        let table = table.unwrap_or_default();
        let failure = Failure::new(Exit::NotFound, format!("gateway.toml has no table `{table}`"));
        let schema: serde_json::Value = serde_json::from_str(&config::schema()).unwrap_or_default();
        let known = schema.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten();
        match nearest(table, known.map(|(name, _)| name.as_str())) {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => failure.hint("`argus help config` lists them"),
        }
    })
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
    let page = command.render_help();
    Ok(if colour { page.ansi().to_string() } else { page.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn every_command_and_table_has_a_page() {
        assert!(page(&words(&[]), false).unwrap().contains("Commands:"));
        assert!(page(&words(&["key", "create"]), false).unwrap().contains("Usage: argus key create"));
        assert!(manual(&words(&["routes"])).unwrap().contains("upstream"));
        assert!(manual(&[]).unwrap().contains("routes"));
    }

    #[test]
    fn a_slip_is_met_with_what_was_meant() {
        let hint = |failure: Failure| failure.hints[0].clone();
        assert_eq!(hint(page(&words(&["key", "creat"]), false).unwrap_err()), "did you mean `create`?");
        assert_eq!(hint(page(&words(&["bench"]), false).unwrap_err()), "`argus help` lists the commands");
        assert_eq!(hint(manual(&words(&["route"])).unwrap_err()), "did you mean `routes`?");
        assert_eq!(manual(&words(&["routes", "x"])).unwrap_err().exit, Exit::Usage);
    }
}
