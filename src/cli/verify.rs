//! `argus verify` and `argus key verify`: whether a key is good. The key comes from a file, standard input or a
//! prompt, never from the command line, where everybody on the machine could read it.

use std::path::PathBuf;

use clap::Args;
use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use zeroize::{Zeroize, Zeroizing};

use super::client::Sent;
use super::exit::{Exit, Failure, Outcome};
use super::field;
use super::output::{Format, safe};
use super::prompt;
use super::session::Session;
use super::words::parse_moment;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus verify
  argus verify mobile.key --url https://api.example.com/v1/orders
  pass show mobile | argus verify - --json";

pub(super) const KEY_EXAMPLES: &str = "\
Examples:
  argus key verify
  argus key verify mobile.key --method POST --url https://api.example.com/v1/orders
  pass show mobile | argus key verify - --json";

/// What to verify.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// File that holds the key; `-` is standard input [default: a prompt on a terminal, else standard input]
    #[arg(value_name = "FILE")]
    pub source: Option<PathBuf>,
    /// For a request with this method
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// For a request to this URL
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// As if it came from this address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<std::net::IpAddr>,
    /// As if it were then
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    pub at: Option<Timestamp>,
    /// Count it like a real request
    #[arg(long)]
    pub consume: bool,
}

/// Does it.
pub async fn run(session: &mut Session, args: VerifyArgs) -> Outcome {
    let key = prompt::secret(session, args.source.as_deref())?;
    let text = std::str::from_utf8(key.expose()).map_err(|_| Failure::usage("a key is text; this is not"))?;
    let mut body = Map::from_iter([("consume".to_owned(), json!(args.consume)), ("key".to_owned(), json!(text))]);
    body.extend(args.method.map(|method| ("method".to_owned(), json!(method))));
    body.extend(args.url.map(|url| ("url".to_owned(), json!(url))));
    body.extend(args.ip.map(|ip| ("ip".to_owned(), json!(ip))));
    body.extend(args.at.map(|at| ("at".to_owned(), json!(at))));
    let client = session.client().await?;
    let sent = {
        let mut value = Value::Object(body);
        let bytes = Zeroizing::new(value.to_string().into_bytes());
        if let Some(Value::String(text)) = value.get_mut("key") {
            text.zeroize();
        }
        Sent { body: Some(("application/json", bytes)), if_match: None }
    };
    let answer = client.call(Method::POST, "/v1/keys/verify", sent).await?.body;
    match session.out.format {
        Format::Json => session.out.json(&answer)?,
        Format::Plain => {
            let line = format!("{}\t{}", field::is_true(&answer, "/valid"), safe(&field::text(&answer, "/code")));
            session.out.result(&line)?;
        }
        Format::Human => {
            let line = told(&answer);
            let paint = session.out.paint;
            let mark = if field::is_true(&answer, "/valid") { paint.good("✓") } else { paint.bad("✗") };
            session.out.result(&format!("{mark} {}", safe(&line)))?;
        }
    }
    Ok(if field::is_true(&answer, "/valid") { Exit::Done } else { Exit::Refused })
}

fn told(answer: &Value) -> String {
    let mut said = vec![field::text_or(answer, "/code", "no code")];
    for pointer in ["/detail", "/key/name", "/name", "/key_id", "/key/id"] {
        let value = field::text(answer, pointer);
        if !value.is_empty() && !said.contains(&value) {
            said.push(value);
        }
    }
    said.join("  ")
}
