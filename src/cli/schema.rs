//! `argus schema`.

use super::exit::{Exit, Outcome};
use super::session::Session;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus schema > gateway.schema.json
  argus schema --output gateway.schema.json
  argus schema | jq .properties.routes";

/// Does it. A schema is JSON whatever is asked for.
pub fn run(session: &mut Session) -> Outcome {
    session.global.refuse("schema", &[("--plain", session.global.plain)])?;
    session.out.result(&crate::config::schema())?;
    Ok(Exit::Done)
}
