//! `argus tail`: decisions as they are made, a line each.

use std::time::Duration;

use clap::Args;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use super::client::with_query;
use super::events::{Event, Reader};
use super::exit::{Exit, Failure, Outcome};
use super::field;
use super::output::{Format, Output, Paint, safe};
use super::session::Session;
use super::table::{Tone, plain};
use super::words::second;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus tail
  argus tail --filter 'code!=ok owner=acme'
  argus tail --filter route=orders --json | jq .client_ip";

/// Longest time without a byte: where nothing happens, the server says so every 15 seconds.
const QUIET_MAX: Duration = Duration::from_secs(60);

fn silent() -> Failure {
    Failure::new(Exit::Unreachable, format!("nothing came for {} s", QUIET_MAX.as_secs()))
}

/// What to watch.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Only decisions for which all of this holds, such as `code!=ok owner=acme path=/v1/*`
    #[arg(long, value_name = "TERMS")]
    pub filter: Option<String>,
}

/// Does it, until it is interrupted.
pub async fn run(session: &mut Session, args: TailArgs) -> Outcome {
    let client = session.client().await?;
    let mut body = client.stream(&with_query("/v1/stream", [("filter", args.filter)])).await?;
    let mut reader = Reader::default();
    session.out.detail("watching; Ctrl-C ends");
    loop {
        let Some(frame) = timeout(QUIET_MAX, body.frame()).await.map_err(|_| silent())? else { break };
        let frame = frame.map_err(|e| Failure::new(Exit::Unreachable, format!("the stream broke off: {e}")))?;
        let Ok(piece) = frame.into_data() else { continue };
        for event in reader.take(&piece).map_err(|e| Failure::failed(e.to_string()))? {
            print(&mut session.out, &event)?;
        }
    }
    Err(Failure::new(Exit::Unreachable, "the server ended the stream").hint("was it stopped? start again to go on"))
}

fn print(out: &mut Output, event: &Event) -> Result<(), Failure> {
    let Ok(decision) = serde_json::from_str::<Value>(&event.data) else { return Ok(()) };
    match event.kind.as_str() {
        "decision" => {}
        "lagged" => {
            out.warn(&format!("too fast to follow: {} were not shown", field::text_or(&decision, "/missed", "some")));
            return Ok(());
        }
        _ => return Ok(()),
    }
    match out.format {
        Format::Json => {
            out.json_part(&decision.to_string())?;
            out.part("\n")
        }
        Format::Plain => out.result(&plain([plain_row(&decision).as_slice()])),
        Format::Human => {
            let line = line(&decision, out.paint, &out.zone);
            out.result(&line)
        }
    }
}

fn plain_row(decision: &Value) -> Vec<String> {
    let code = field::text_or(decision, "/code", "ok");
    let mut row: Vec<String> = ["/ts", "/status", "/method", "/path", "/key_id", "/client_ip", "/country", "/route"]
        .map(|p| field::text(decision, p))
        .to_vec();
    row.push(code);
    row
}

/// `14:02:11  403  POST /v1/invoices     partner-eu   203.0.113.9 DE   insufficient_scope: invoices:write`.
fn line(decision: &Value, paint: Paint, zone: &jiff::tz::TimeZone) -> String {
    let text = |pointer: &str| safe(&field::text(decision, pointer));
    let time = field::moment(decision, "/ts").map_or("--:--:--".to_owned(), |at| second(at, zone));
    let status = field::number(decision, "/status").unwrap_or(0);
    let tone = match status {
        200..=399 => Tone::Good,
        400..=499 => Tone::Warn,
        _ => Tone::Bad,
    };
    let request = format!("{} {}", text("/method"), text("/path"));
    let who = safe(&field::text_or(decision, "/key", &field::text_or(decision, "/key_id", "–")));
    let from = format!("{} {}", text("/client_ip"), text("/country"));
    let mut why = safe(&field::text_or(decision, "/code", "ok"));
    let detail = text("/detail");
    if !detail.is_empty() {
        why.push_str(&format!(": {detail}"));
    }
    format!("{time}  {}  {request:<28}  {who:<14}  {:<18}  {why}", tone.paint(paint, &status.to_string()), from.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal() -> Value {
        json!({"ts": "2026-09-21T14:02:11.123Z", "status": 403, "method": "POST", "path": "/v1/invoices",
            "key_id": "9f3KtWq2Zc", "client_ip": "203.0.113.9", "country": "DE", "code": "insufficient_scope", "owner": "acme"})
    }

    #[test]
    fn a_decision_is_a_line() {
        assert_eq!(
            line(&refusal(), Paint::OFF, &jiff::tz::TimeZone::UTC),
            "14:02:11  403  POST /v1/invoices             9f3KtWq2Zc      203.0.113.9 DE      insufficient_scope"
        );
        let hostile = json!({"path": "/\u{1b}[2J", "code": null});
        assert!(!line(&hostile, Paint::OFF, &jiff::tz::TimeZone::UTC).contains('\u{1b}'));
        assert_eq!(plain_row(&refusal()).join(" "), {
            "2026-09-21T14:02:11.123Z 403 POST /v1/invoices 9f3KtWq2Zc 203.0.113.9 DE  insufficient_scope"
        });
    }
}
