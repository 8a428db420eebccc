//! `argus key disable`, `enable`, `revoke` and `delete`.

use clap::Args;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::path;
use crate::cli::client::{Client, Sent, with_query};
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::field;
use crate::cli::output::Format;
use crate::cli::prompt::confirm;
use crate::cli::session::Session;
use crate::cli::table::plain;
use crate::cli::words::{before, count};

pub(super) const DISABLE_EXAMPLES: &str = "\
Examples:
  argus key disable partner-eu
  argus key disable key_Zk3M90dTqa
  argus key disable partner-eu --json";

pub(super) const ENABLE_EXAMPLES: &str = "\
Examples:
  argus key enable partner-eu
  argus key enable key_Zk3M90dTqa
  argus key enable partner-eu --json";

pub(super) const REVOKE_EXAMPLES: &str = "\
Examples:
  argus key revoke partner-eu --reason leaked
  argus key revoke partner-eu --reason offboarding --yes
  argus key revoke key_Zk3M90dTqa --confirm partner-eu";

pub(super) const DELETE_EXAMPLES: &str = "\
Examples:
  argus key delete partner-eu
  argus key delete partner-eu --yes
  argus key delete key_Zk3M90dTqa --confirm partner-eu";

/// A key by name.
#[derive(Debug, Args)]
pub struct NamedArgs {
    /// Its name or id
    pub key: String,
}

/// The key to revoke.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its name or id
    pub key: String,
    /// Why
    #[arg(long, value_name = "REASON", default_value = "other",
        value_parser = ["leaked", "unused", "replaced", "offboarding", "policy", "other"])]
    pub reason: String,
    /// The key's name, in place of answering the question
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// The key to delete.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Its name or id
    pub key: String,
    /// The key's name, in place of answering the question
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

pub(super) async fn disable(session: &mut Session, args: NamedArgs) -> Outcome {
    switch(session, &args.key, "disable", "disabled").await
}

pub(super) async fn enable(session: &mut Session, args: NamedArgs) -> Outcome {
    switch(session, &args.key, "enable", "enabled").await
}

async fn switch(session: &mut Session, key: &str, verb: &str, done: &str) -> Outcome {
    let client = session.client().await?;
    let answer = client.post(&format!("{}/{verb}", path(key)?), &json!({})).await?.body;
    tell(session, &answer, done)
}

pub(super) async fn revoke(session: &mut Session, args: RevokeArgs) -> Outcome {
    let client = session.client().await?;
    let found = client.get(&path(&args.key)?).await?;
    ask(session, &client, "Revoke", &found.body, args.confirm.as_deref()).await?;
    // By id, so that what was asked about is what is revoked.
    let id = field::text_or(&found.body, "/id", &args.key);
    let body = json!({"reason": args.reason});
    let answer = client.post(&format!("{}/revoke", path(&id)?), &body).await?.body;
    tell(session, &answer, "revoked")
}

pub(super) async fn delete(session: &mut Session, args: DeleteArgs) -> Outcome {
    let client = session.client().await?;
    let found = client.get(&path(&args.key)?).await?;
    ask(session, &client, "Delete", &found.body, args.confirm.as_deref()).await?;
    let id = field::text_or(&found.body, "/id", &args.key);
    let sent = Sent { body: None, if_match: found.etag };
    client.call(Method::DELETE, &path(&id)?, sent).await?;
    crate::cli::deleted(session, &id, &field::text(&found.body, "/name"))
}

async fn ask(
    session: &Session,
    client: &Client,
    verb: &str,
    key: &Value,
    confirmed: Option<&str>,
) -> Result<(), Failure> {
    let name = field::text(key, "/name");
    let prefix = field::text(key, "/prefix");
    let busy = match recent_requests(session, client, &field::text(key, "/id")).await {
        Some(0) => " No requests in the last hour.".to_owned(),
        Some(1) => " 1 request in the last hour.".to_owned(),
        Some(n) => format!(" {} requests in the last hour.", count(n)),
        None => String::new(),
    };
    confirm(session, &name, confirmed, &format!("{verb} {name} ({prefix}…)?{busy}"))
}

/// How often the key was used in the last hour, if that can be learnt.
async fn recent_requests(session: &Session, client: &Client, id: &str) -> Option<u64> {
    let from = before(session.out.now, SignedDuration::from_hours(1));
    let query = [("key", Some(id.to_owned())), ("from", Some(from.to_string())), ("group_by", Some("key".to_owned()))];
    let answer = client.get(&with_query("/v1/usage", query)).await.ok()?;
    crate::cli::stats::total(&answer.body, "requests")
}

fn tell(session: &mut Session, answer: &Value, done: &str) -> Outcome {
    match session.out.format {
        Format::Human => {
            let text = told(answer, done);
            session.out.note(&format!("{} {text}", session.out.paint_err.good("✓")));
        }
        Format::Plain => {
            let row = ["/id", "/name", "/status"].map(|pointer| field::text(answer, pointer));
            session.out.result(&plain([row.as_slice()]))?;
        }
        Format::Json => session.out.json(answer)?,
    }
    Ok(Exit::Done)
}

/// `revoked — 1 of 1 nodes confirmed in 4 ms`, where the server tells.
fn told(answer: &Value, done: &str) -> String {
    let at = |name: &str| field::number(answer, &format!("/propagated/{name}"));
    match (at("acknowledged"), at("nodes"), at("ms")) {
        (Some(acknowledged), Some(nodes), Some(ms)) => {
            format!("{done} — {acknowledged} of {nodes} node{} confirmed in {ms} ms", if nodes == 1 { "" } else { "s" })
        }
        // Nothing was done, so nobody had to be told.
        _ if done == "revoked" => "revoked already".to_owned(),
        _ => done.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_is_told_with_its_proof() {
        let proof = |nodes: u64| json!({"propagated": {"nodes": nodes, "acknowledged": nodes, "ms": 38}});
        assert_eq!(told(&proof(3), "revoked"), "revoked — 3 of 3 nodes confirmed in 38 ms");
        assert_eq!(told(&proof(1), "revoked"), "revoked — 1 of 1 node confirmed in 38 ms");
        assert_eq!(told(&json!({"status": "revoked"}), "revoked"), "revoked already");
        assert_eq!(told(&json!({"status": "disabled"}), "disabled"), "disabled");
    }
}
