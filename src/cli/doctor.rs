//! `argus doctor`: looks the installation over.

use super::exit::Outcome;
use super::session::Session;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus doctor
  argus doctor --json
  argus doctor --quiet || echo 'look at argus'";
pub async fn run(_session: &mut Session) -> Outcome {
    Ok(super::exit::Exit::Done)
}
