//! `argus version`.

use serde_json::json;

use super::exit::{Exit, Outcome};
use super::output::Format;
use super::session::Session;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus version
  argus version --plain
  argus version --json";

/// Does it.
pub fn run(session: &mut Session) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    match session.out.format {
        Format::Human => session.out.result(&format!("argus {version}"))?,
        Format::Plain => session.out.result(version)?,
        Format::Json => session.out.json(&json!({"name": "argus", "version": version}))?,
    }
    Ok(Exit::Done)
}
