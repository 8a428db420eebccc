//! `argus audit`: who changed what, and whether the record of it is whole.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::exit::{Exit, Outcome};
use super::field;
use super::output::{Format, safe};
use super::pages::{self, Wanted, parse_rows};
use super::session::Session;
use super::table::{Cell, Table, Tone};
use super::words::{count, minute};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus audit log
  argus audit log --target key_9f3KtWq2Zc
  argus audit verify";

const LOG_EXAMPLES: &str = "\
Examples:
  argus audit log --limit 200
  argus audit log --target key_9f3KtWq2Zc
  argus audit log --json > audit.json";

const VERIFY_EXAMPLES: &str = "\
Examples:
  argus audit verify
  argus audit verify --json
  argus audit verify --quiet && echo whole";

/// Records if nothing is said.
const ROWS_DEFAULT: usize = 50;

/// What is asked of the audit.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List changes, newest first.
    #[command(before_help = LOG_EXAMPLES)]
    Log(LogArgs),
    /// Walk the whole chain and say whether a record was changed, removed or moved.
    #[command(before_help = VERIFY_EXAMPLES)]
    Verify,
}

/// Which records to list.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Only about this thing, by its id
    #[arg(long, value_name = "ID")]
    pub target: Option<String>,
    /// Most rows
    #[arg(long, value_name = "ROWS", value_parser = parse_rows, default_value_t = ROWS_DEFAULT)]
    pub limit: usize,
}

/// Does it.
pub async fn run(session: &mut Session, command: AuditCommand) -> Outcome {
    match command {
        AuditCommand::Log(args) => log(session, args).await,
        AuditCommand::Verify => verify(session).await,
    }
}

async fn log(session: &mut Session, args: LogArgs) -> Outcome {
    let wanted = Wanted { path: "/v1/audit", query: vec![("target", args.target)], rows_max: args.limit };
    let zone = session.out.zone.clone();
    let mut table = Table::new(&[">SEQ", "TIME", "WHO", "VIA", "WHAT", "TO", "CHANGED"]);
    pages::print(session, wanted, plain_row, |record| {
        table.row(vec![
            Cell::toned(field::text(record, "/seq"), Tone::Dim),
            field::moment(record, "/time").map_or(String::new(), |at| minute(at, &zone)).into(),
            field::text_or(record, "/actor/name", &field::text(record, "/actor/id")).into(),
            field::text(record, "/actor/via").into(),
            Cell::toned(field::text(record, "/action"), outcome_tone(record)),
            field::text_or(record, "/target/name", &field::text(record, "/target/id")).into(),
            changed(record).into(),
        ]);
    })
    .await?;
    if session.is_human() {
        let text = table.render(session.out.paint);
        session.out.result(&text)?;
    }
    Ok(Exit::Done)
}

fn outcome_tone(record: &Value) -> Tone {
    if field::text(record, "/outcome") == "failure" { Tone::Bad } else { Tone::Normal }
}

/// The fields that changed, and the reason if one was given.
fn changed(record: &Value) -> String {
    let mut said: Vec<String> = field::list(record, "/changes")
        .iter()
        .map(|change| field::text(change, "/path").trim_start_matches('/').to_owned())
        .collect();
    if said.len() > 4 {
        let more = said.len() - 3;
        said.truncate(3);
        said.push(format!("+{more}"));
    }
    let reason = field::text(record, "/reason");
    if !reason.is_empty() {
        said.push(format!("({reason})"));
    }
    said.join(", ")
}

fn plain_row(record: &Value) -> Vec<String> {
    [
        "/seq",
        "/time",
        "/actor/id",
        "/actor/via",
        "/action",
        "/target/type",
        "/target/id",
        "/outcome",
        "/reason",
        "/hash",
    ]
    .map(|pointer| field::text(record, pointer))
    .to_vec()
}

async fn verify(session: &mut Session) -> Outcome {
    let verdict = session.client().await?.get("/v1/audit/verify").await?.body;
    let whole = field::text(&verdict, "/verdict") == "ok";
    match session.out.format {
        Format::Json => session.out.json(&verdict)?,
        Format::Plain => {
            let line = ["/verdict", "/seq"].map(|pointer| safe(&field::text(&verdict, pointer))).join("\t");
            session.out.result(line.trim_end())?;
        }
        Format::Human => {
            let paint = session.out.paint;
            let mark = if whole { paint.good("✓") } else { paint.bad("✗") };
            session.out.result(&format!("{mark} {}", safe(&told(&verdict))))?;
        }
    }
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

fn told(verdict: &Value) -> String {
    let number = |pointer: &str| field::number(verdict, pointer).unwrap_or(0);
    let seq = number("/seq");
    match field::text(verdict, "/verdict").as_str() {
        "ok" => match number("/records") {
            0 => "the audit is whole: it holds no records yet".to_owned(),
            records => {
                let s = if records == 1 { "" } else { "s" };
                let (first, last) = (number("/first_seq"), number("/last_seq"));
                let head = field::text(verdict, "/head");
                format!("the audit is whole: {} record{s}, {first} to {last}, head {head}", count(records))
            }
        },
        "altered" => format!("altered at {seq}: the record was changed, or stands where another belongs"),
        "gap" => format!("gap at {seq}: the record is missing"),
        other => format!("the audit is not whole: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_broken_chain_is_told_with_the_record() {
        for (verdict, said) in [
            (
                json!({"verdict": "ok", "records": 12_000, "first_seq": 1, "last_seq": 12_000, "head": "e90f"}),
                "the audit is whole: 12 000 records, 1 to 12000, head e90f",
            ),
            (json!({"verdict": "ok", "records": 0}), "the audit is whole: it holds no records yet"),
            (
                json!({"verdict": "altered", "seq": 7}),
                "altered at 7: the record was changed, or stands where another belongs",
            ),
            (json!({"verdict": "gap", "seq": 7}), "gap at 7: the record is missing"),
        ] {
            assert_eq!(told(&verdict), said);
        }
    }

    #[test]
    fn changes_are_named() {
        let record = json!({"changes": [{"path": "/plan"}, {"path": "/scopes/0"}], "reason": "leaked"});
        assert_eq!(changed(&record), "plan, scopes/0, (leaked)");
        let many = json!({"changes": [{"path": "/a"}, {"path": "/b"}, {"path": "/c"}, {"path": "/d"}, {"path": "/e"}]});
        assert_eq!(changed(&many), "a, b, c, +2");
    }
}
