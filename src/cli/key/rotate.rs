//! `argus key rotate`: a new secret, alone on standard output.

use clap::Args;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::create::hand_over;
use super::path;
use crate::cli::client::Sent;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::field;
use crate::cli::session::Session;
use crate::cli::words::{minute, parse_length, span};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key rotate billing-prod
  argus key rotate billing-prod --overlap 24h
  argus key rotate leaked-one --overlap 0 --output new.key";

/// The key to replace.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Its name or id
    pub key: String,
    /// How long the old one works on: `24h`, or `0` for not at all [default: as configured]
    #[arg(long, value_name = "TIME", value_parser = overlap)]
    pub overlap: Option<String>,
}

fn overlap(text: &str) -> Result<String, String> {
    match text {
        "0" | "0s" => Ok("0s".to_owned()),
        text => parse_length(text).map(|_| text.to_owned()),
    }
}

pub(super) async fn run(session: &mut Session, args: RotateArgs) -> Outcome {
    let client = session.client().await?;
    let path = path(&args.key)?;
    let old = field::text_or(&client.get(&path).await?.body, "/id", &args.key);
    session.out.reserve_secret_file()?;
    let body = args.overlap.map_or(json!({}), |overlap| json!({"overlap": overlap}));
    let made = client.call(Method::POST, &format!("{path}/rotate"), Sent::json(&body)).await;
    let mut made = made.inspect_err(|_| session.out.release_secret_file())?.body;
    hand_over(&mut session.out, &mut made, "rotated")?;
    // Asked by id: the name belongs to the new key from now on.
    let old_key = client.get(&super::path(&old)?).await.map(|answer| answer.body).unwrap_or(Value::Null);
    let ends = field::moment(&old_key, "/expires_at");
    session.out.note(&told(&old, ends, session.out.now, &session.out.zone));
    Ok(Exit::Done)
}

fn told(old: &str, ends: Option<Timestamp>, now: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let who = format!("`argus key show {old}` tells who still uses it.");
    match ends {
        Some(at) if at <= now => "  The old key works no more.".to_owned(),
        Some(at) => {
            format!("  The old key works until {} ({}). {who}", minute(at, zone), span(at.duration_since(now)))
        }
        None => format!("  The old key works on. {who}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_old_key_is_told() {
        let now = "2026-09-21T15:33:20Z".parse().unwrap();
        let zone = jiff::tz::TimeZone::UTC;
        assert_eq!(
            told("key_9f3KtWq2Zc", Some("2026-09-22T15:33:20Z".parse().unwrap()), now, &zone),
            "  The old key works until 2026-09-22 15:33 (24 h). `argus key show key_9f3KtWq2Zc` tells who still uses it."
        );
        assert_eq!(told("key_9f3KtWq2Zc", Some(now), now, &zone), "  The old key works no more.");
        assert_eq!(overlap("0"), Ok("0s".to_owned()));
        assert!(overlap("a while").is_err());
    }
}
