//! `argus plan`: the plans keys can be on. They are written in gateway.toml or made through the API.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::segment;
use super::exit::{Exit, Outcome};
use super::field;
use super::output::Format;
use super::pages::{self, ROWS_MAX, Wanted};
use super::session::Session;
use super::table::{Table, facts, plain};
use super::words::count;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus plan list
  argus plan show pro
  argus plan show pro --json";

const LIST_EXAMPLES: &str = "\
Examples:
  argus plan list
  argus plan list --json
  argus plan list --plain | cut -f1";

const SHOW_EXAMPLES: &str = "\
Examples:
  argus plan show pro
  argus plan show pro --json
  argus plan show free --plain";

/// What is asked of plans.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// List plans.
    #[command(before_help = LIST_EXAMPLES)]
    List,
    /// Show a plan.
    #[command(before_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
}

/// The plan to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its name
    pub plan: String,
}

/// Does it.
pub async fn run(session: &mut Session, command: PlanCommand) -> Outcome {
    match command {
        PlanCommand::List => list(session).await,
        PlanCommand::Show(args) => {
            let answer = session.client().await?.get(&format!("/v1/plans/{}", segment(&args.plan))).await?;
            show(session, &answer.body)
        }
    }
}

async fn list(session: &mut Session) -> Outcome {
    let wanted = Wanted { path: "/v1/plans", query: Vec::new(), rows_max: ROWS_MAX };
    let mut table = Table::new(&["NAME", "GRANTS", "WRITTEN IN"]);
    pages::print(session, wanted, row, |plan| table.row(row(plan).into_iter().map(Into::into).collect())).await?;
    if session.is_human() {
        let text = table.render(session.out.paint);
        session.out.result(&text)?;
    }
    Ok(Exit::Done)
}

fn row(plan: &Value) -> Vec<String> {
    vec![field::text(plan, "/name"), grants(plan), origin(plan)]
}

fn show(session: &mut Session, plan: &Value) -> Outcome {
    let rows = [("name", field::text(plan, "/name")), ("grants", grants(plan)), ("written in", origin(plan))];
    match session.out.format {
        Format::Json => session.out.json(plan)?,
        Format::Plain => {
            let lines: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
            session.out.result(&plain(lines.iter().map(Vec::as_slice)))?;
        }
        Format::Human => session.out.result(&facts(&rows, ""))?,
    }
    Ok(Exit::Done)
}

fn origin(document: &Value) -> String {
    let other = if field::text(document, "/managed_by") == "file" { "built in" } else { "the store" };
    field::text_or(document, "/origin", other)
}

/// What a plan grants: `50/s, 3000/min, 2 000 000/month`; `nothing is limited` where it limits nothing.
pub(super) fn grants(plan: &Value) -> String {
    let mut said: Vec<String> = field::list(plan, "/limits").iter().map(limit).collect();
    if let Some(units) = field::number(plan, "/quota/units") {
        said.push(format!("{}/{}", count(units), field::text(plan, "/quota/every")));
    }
    if said.is_empty() { "no limits".to_owned() } else { said.join(", ") }
}

fn limit(limit: &Value) -> String {
    let by = match limit.get("by") {
        Some(Value::Array(_)) => field::texts(limit, "/by").join("+"),
        _ => field::text(limit, "/by"),
    };
    let rate = field::text(limit, "/rate");
    if by.is_empty() || by == "key" { rate } else { format!("{rate} by {by}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_told_by_what_it_grants() {
        let plan = json!({"name": "pro", "limits": [{"rate": "50/s", "burst": 100}, {"rate": "9/min", "by": ["owner", "route"]}],
            "quota": {"units": 2_000_000, "every": "month"}, "origin": "gateway.toml:96"});
        assert_eq!(row(&plan), ["pro", "50/s, 9/min by owner+route, 2 000 000/month", "gateway.toml:96"]);
        assert_eq!(row(&json!({"name": "x", "managed_by": "api"})), ["x", "no limits", "the store"]);
        assert_eq!(origin(&json!({"managed_by": "file", "origin": ""})), "built in");
    }
}
