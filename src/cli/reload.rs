//! `argus reload`.

use serde_json::json;

use super::exit::{Exit, Outcome};
use super::field;
use super::output::safe;
use super::session::Session;
use super::words::count;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus check && argus reload
  argus reload --json
  argus reload --quiet || echo 'still running the old one'";

/// Does it.
pub async fn run(session: &mut Session) -> Outcome {
    let report = session.client().await?.post("/v1/reload", &json!({})).await?.body;
    for warning in field::texts(&report, "/warnings") {
        session.out.warn(&safe(&warning));
    }
    if session.is_human() {
        session.out.note(&format!("{} {}", session.out.paint_err.good("✓"), safe(&told(&report))));
    } else {
        super::print_object(session, &report)?;
    }
    Ok(Exit::Done)
}

fn told(report: &serde_json::Value) -> String {
    let files = field::texts(report, "/files");
    let from = if files.is_empty() { String::new() } else { format!(" from {}", files.join(", ")) };
    let generation =
        field::number(report, "/generation").map_or(String::new(), |n| format!(", generation {}", count(n)));
    let ms = report.get("ms").and_then(serde_json::Value::as_f64).map_or(String::new(), |ms| format!(" ({ms:.0} ms)"));
    format!("reloaded{from}{generation}{ms}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_is_told_with_what_is_in_force() {
        let report = json!({"generation": 3, "files": ["gateway.toml"], "ms": 4.2, "warnings": []});
        assert_eq!(told(&report), "reloaded from gateway.toml, generation 3 (4 ms)");
        assert_eq!(told(&json!({})), "reloaded");
    }
}
