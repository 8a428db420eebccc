//! `argus key create`: the secret alone on standard output, everything else on standard error.

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::plan_grants;
use super::settings::Settings;
use super::show::conditions;
use crate::cli::client::{Client, Sent, with_query};
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::field;
use crate::cli::output::{Format, Output, safe};
use crate::cli::session::Session;
use crate::cli::words::{day, until};
use crate::model::id::Name;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key create billing-prod --owner acme --create-owner --scope invoices:read --expires 90d
  argus key create mobile --scope 'orders:*' --country DE,FR --limit 100/min --output mobile.key
  argus key create ci --expires 24h --dry-run";

/// The key to make.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its name
    pub name: Name,
    /// `live`, `test` or another configured word
    #[arg(long, value_name = "WORD", help_heading = "Settings")]
    pub environment: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TYPE", value_parser = ["application", "user", "system"], help_heading = "Settings")]
    pub r#type: Option<String>,
    /// Make the owner too, if there is none of that name
    #[arg(long, requires = "owner", help_heading = "Settings")]
    pub create_owner: bool,
    /// Say what would be made, and make nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Its settings.
    #[command(flatten)]
    pub settings: Settings,
}

pub(super) async fn run(session: &mut Session, args: CreateArgs) -> Outcome {
    let owner = args.settings.owner.clone();
    let mut body = Map::from_iter([("name".to_owned(), json!(args.name))]);
    body.extend(args.environment.map(|word| ("environment".to_owned(), json!(word))));
    body.extend(args.r#type.map(|word| ("type".to_owned(), json!(word))));
    body.extend(args.create_owner.then(|| ("create_owner".to_owned(), json!(true))));
    body.extend(args.settings.to_json());
    let client = session.client().await?;
    let path = with_query("/v1/keys", [("dry_run", args.dry_run.then(|| "true".to_owned()))]);
    if args.dry_run {
        let answer = client.post(&path, &Value::Object(body)).await.map_err(|e| owner_hint(e, owner))?;
        session.out.note("nothing was made; this is what would be");
        return super::show::print(session, &answer.body);
    }
    session.out.reserve_secret_file()?;
    let made = client.call(Method::POST, &path, Sent::json(&Value::Object(body))).await;
    let mut made = made.inspect_err(|_| session.out.release_secret_file()).map_err(|e| owner_hint(e, owner))?.body;
    let grants = grants_of(&client, &made).await;
    hand_over(&mut session.out, &mut made, "created")?;
    let notes = about(&made, &grants, &session.out);
    session.out.note(&notes);
    Ok(Exit::Done)
}

/// Says how to go on in the words of the command line where the owner is missing.
fn owner_hint(mut e: Failure, owner: Option<String>) -> Failure {
    if let Some(owner) = owner.filter(|_| e.details.iter().any(|line| line == "at /owner")) {
        e.hints = vec![format!("add --create-owner, or `argus owner create {owner}` first")];
    }
    e
}

/// Prints the secret of a key that was just made; with `--json` the whole object.
pub(super) fn hand_over(out: &mut Output, key: &mut Value, done: &str) -> Result<(), Failure> {
    let id = field::text(key, "/id");
    let secret = match key.get_mut("secret").map(Value::take) {
        Some(Value::String(secret)) => Zeroizing::new(secret),
        _ => return Err(Failure::failed(format!("`{id}` was {done}, but the server sent no secret"))),
    };
    let printed = if out.format == Format::Json {
        key["secret"] = json!(secret.as_str());
        let printed = out.json(key);
        key["secret"] = Value::Null;
        printed
    } else {
        out.secret(secret.as_bytes())
    };
    printed.map_err(|e| {
        // A key whose secret nobody has is of no use to anybody: say so even if the reader merely went away.
        Failure::failed(e.message)
            .detail(format!("the key was {done}, but its secret is lost"))
            .hint(format!("`argus key revoke {id} --reason unused`, then make another one"))
    })
}

async fn grants_of(client: &Client, key: &Value) -> String {
    match field::text(key, "/plan").as_str() {
        "" => String::new(),
        plan => plan_grants(client, plan).await,
    }
}

/// What is told beside a new key: its facts, two a line, and how to try it.
fn about(key: &Value, grants: &str, out: &Output) -> String {
    let mut facts = vec![
        ("id", field::text(key, "/id")),
        ("owner", field::text_or(key, "/owner_name", &field::text(key, "/owner"))),
    ];
    facts.push(("scopes", field::texts(key, "/scopes").join(", ")));
    facts.push(("roles", field::texts(key, "/roles").join(", ")));
    let plan = field::text(key, "/plan");
    facts.push(("plan", if grants.is_empty() { plan } else { format!("{plan} ({grants})") }));
    facts.push((
        "limits",
        field::list(key, "/limits").iter().map(|l| field::text(l, "/rate")).collect::<Vec<_>>().join(", "),
    ));
    facts.push(("only", conditions(key).join(", ")));
    facts.push((
        "expires",
        match field::moment(key, "/expires_at") {
            Some(at) => format!("{} ({})", day(at, &out.zone), until(out.now, at)),
            None => "never".to_owned(),
        },
    ));
    facts.retain(|(_, value)| !value.is_empty());
    let mut text = String::from("\n  Shown once. Store it now; argus keeps only a hash.\n");
    for pair in facts.chunks(2) {
        let (name, value) = &pair[0];
        let left = format!("  {name:<8} {}", safe(value));
        match pair.get(1) {
            Some((name, value)) => text.push_str(&format!("{left:<34} {name:<8} {}\n", safe(value))),
            None => text.push_str(&format!("{left}\n")),
        }
    }
    let example = field::text(key, "/examples/curl");
    if !example.is_empty() {
        text.push_str(&format!("\n  Try it:  {}\n", safe(&example)));
    }
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Global;

    fn key() -> Value {
        json!({"id": "key_9f3KtWq2Zc", "owner": "acme", "scopes": ["invoices:read"], "plan": "pro", "roles": [],
            "conditions": {"ip": {"allow": ["203.0.113.0/24"]}}, "expires_at": "2026-12-20T12:00:00Z",
            "secret": "argus_live_x", "examples": {"curl": "curl -H \"X-API-Key: $KEY\" http://localhost:8080/"}})
    }

    fn output() -> Output {
        let mut out = Output::new(&Global::default());
        out.now = "2026-09-21T12:00:00Z".parse().unwrap();
        out.zone = jiff::tz::TimeZone::UTC;
        out
    }

    #[test]
    fn a_new_key_is_told_in_few_lines() {
        assert_eq!(
            about(&key(), "3000/min, 2 000 000/month", &output()),
            "\n  Shown once. Store it now; argus keeps only a hash.\n\
             \x20 id       key_9f3KtWq2Zc          owner    acme\n\
             \x20 scopes   invoices:read           plan     pro (3000/min, 2 000 000/month)\n\
             \x20 only     from 203.0.113.0/24     expires  2026-12-20 (in 90 d)\n\
             \n  Try it:  curl -H \"X-API-Key: $KEY\" http://localhost:8080/"
        );
    }

    #[test]
    fn the_file_of_a_secret_holds_it_alone_and_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let global = Global { output: Some(path.clone()), ..Global::default() };
        let mut out = Output::new(&global);
        out.reserve_secret_file().unwrap();
        hand_over(&mut out, &mut key(), "created").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "argus_live_x\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Output::new(&global).reserve_secret_file().unwrap_err().exit, Exit::Conflict);
        assert!(hand_over(&mut out, &mut json!({"id": "key_1", "secret": null}), "created").is_err());
    }
}
