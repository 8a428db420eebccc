//! `argus check`: everything that is wrong with the configuration, at once.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::exit::{Exit, Outcome};
use super::field;
use super::output::{Format, safe};
use super::runtime::Setting;
use super::session::Session;
use super::table::plain;
use crate::config::{Loaded, Source, load};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus check
  argus check --config new.toml --strict
  argus check --show";

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Configuration file [default: $ARGUS_CONFIG, ./gateway.toml, /etc/argus/gateway.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Fail also where there are only warnings
    #[arg(long)]
    pub strict: bool,
    /// Print every value in force and where it comes from, with secrets masked
    #[arg(long)]
    pub show: bool,
}

/// Does it.
pub fn run(session: &mut Session, args: CheckArgs) -> Outcome {
    let source = args.config.map_or(Source::Search, Source::File);
    let loaded = load(&source, &|name| std::env::var(name).ok());
    if args.show {
        show(session, &loaded)?;
    }
    match session.out.format {
        Format::Json if args.show => {}
        Format::Json => session.out.json(&loaded.problems.to_json())?,
        Format::Plain => {
            let problems = loaded.problems.to_json();
            let rows: Vec<Vec<String>> = field::list(&problems, "").iter().map(plain_row).collect();
            session.out.result(&plain(rows.iter().map(Vec::as_slice)))?;
        }
        Format::Human => {
            let problems = loaded.problems.render(session.out.paint.is_on());
            session.out.result(&problems)?;
            session.out.result(&safe(&loaded.summary))?;
        }
    }
    Ok(exit(loaded.problems.errors(), loaded.problems.warnings(), args.strict))
}

fn exit(errors: usize, warnings: usize, strict: bool) -> Exit {
    match (errors, warnings) {
        (1.., _) => Exit::Usage,
        (0, 1..) if strict => Exit::Failed,
        (0, _) => Exit::Done,
    }
}

fn plain_row(problem: &Value) -> Vec<String> {
    ["/severity", "/code", "/file", "/line", "/column", "/message"].map(|p| field::text(problem, p)).to_vec()
}

fn show(session: &mut Session, loaded: &Loaded) -> Result<(), super::exit::Failure> {
    match session.out.format {
        Format::Json => {
            let list = loaded.shown().into_iter().map(|s| json!({"field": s.field, "value": s.value, "from": s.from}));
            session.out.json(&list.collect())
        }
        Format::Plain => {
            let rows = loaded.shown().into_iter().map(|s| vec![s.field, s.value, s.from]);
            let rows: Vec<Vec<String>> = rows.collect();
            session.out.result(&plain(rows.iter().map(Vec::as_slice)))
        }
        Format::Human => {
            let settings = loaded.shown().into_iter().map(|s| Setting { field: s.field, value: s.value, from: s.from });
            let text = super::show::render(settings, session.out.paint);
            session.out.result(&text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_for_supervisors_and_warnings_for_the_strict() {
        for (errors, warnings, strict, want) in [
            (0, 0, true, Exit::Done),
            (0, 1, false, Exit::Done),
            (0, 1, true, Exit::Failed),
            (1, 0, false, Exit::Usage),
            (1, 1, true, Exit::Usage),
        ] {
            assert_eq!(exit(errors, warnings, strict), want);
        }
    }
}
