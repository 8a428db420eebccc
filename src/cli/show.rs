//! `argus show`: the configuration in force, in the form of gateway.toml, each value with the place it comes from.

use super::exit::{Exit, Outcome};
use super::output::{Format, Paint, safe};
use super::runtime::{Runtime, Setting};
use super::session::Session;
use super::table::plain;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus show
  argus show --json
  argus show --plain | grep ^routes";

/// Does it.
pub async fn run(session: &mut Session) -> Outcome {
    let runtime = Runtime::fetch(&session.client().await?).await?;
    match session.out.format {
        Format::Json => session.out.json(&runtime.0)?,
        Format::Plain => {
            let rows: Vec<Vec<String>> =
                runtime.settings().into_iter().map(|s| vec![s.field, s.value, s.from]).collect();
            session.out.result(&plain(rows.iter().map(Vec::as_slice)))?;
        }
        Format::Human => {
            let text = render(runtime.settings(), session.out.paint);
            session.out.result(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// One line a value: `routes.api.upstream = "…"   # gateway.toml:5`.
pub(super) fn render(settings: impl IntoIterator<Item = Setting>, paint: Paint) -> String {
    let line = |s: Setting| {
        let setting = format!("{} = {}", safe(&s.field), safe(&s.value));
        format!("{setting:<48}  {}\n", paint.dim(&format!("# {}", safe(&s.from))))
    };
    settings.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_shown_is_toml_with_origins() {
        let runtime = Runtime(json!({"config": {"files": [], "values": [
            {"field": "listen", "value": "\":8080\"", "from": "--listen (command line)"},
            {"field": "routes.api.upstream", "value": "\"http://127.0.0.1:3000\"", "from": "--upstream (command line)"}]}}));
        let text = render(runtime.settings(), Paint::OFF);
        assert_eq!(
            text,
            "\
listen = \":8080\"                                  # --listen (command line)
routes.api.upstream = \"http://127.0.0.1:3000\"     # --upstream (command line)
"
        );
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["routes"]["api"]["upstream"].as_str(), Some("http://127.0.0.1:3000"));
        assert_eq!(runtime.setting_text("listen").as_deref(), Some(":8080"));
        assert_eq!(runtime.setting_text("none"), None);
    }
}
