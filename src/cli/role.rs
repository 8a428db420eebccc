//! `argus role`: named sets of scopes.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::client::{Sent, segment};
use super::exit::{Exit, Outcome};
use super::field;
use super::pages::{self, ROWS_MAX, Wanted};
use super::prompt::confirm;
use super::session::Session;
use super::table::Table;
use crate::model::id::Name;
use crate::model::scope::Scope;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus role set billing --scope invoices:read,invoices:write
  argus role list
  argus role delete billing";

const LIST_EXAMPLES: &str = "\
Examples:
  argus role list
  argus role list --json
  argus role list --plain | cut -f1";

const SET_EXAMPLES: &str = "\
Examples:
  argus role set billing --scope invoices:read
  argus role set billing --scope 'invoices:*' --description 'whoever writes invoices'
  argus role set reader --scope '*:read'";

const DELETE_EXAMPLES: &str = "\
Examples:
  argus role delete billing
  argus role delete billing --yes
  argus role delete billing --confirm billing";

/// What is done to roles.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// List roles.
    #[command(before_help = LIST_EXAMPLES)]
    List,
    /// Make a role, or replace its scopes.
    #[command(before_help = SET_EXAMPLES)]
    Set(SetArgs),
    /// Delete a role that no key has.
    #[command(before_help = DELETE_EXAMPLES)]
    Delete(DeleteArgs),
}

/// The role to set.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Its name
    pub role: Name,
    /// What whoever has it may do
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', required = true)]
    pub scopes: Vec<Scope>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// The role to delete.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Its name
    pub role: String,
    /// The role's name, in place of answering the question
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Does it.
pub async fn run(session: &mut Session, command: RoleCommand) -> Outcome {
    match command {
        RoleCommand::List => list(session).await,
        RoleCommand::Set(args) => set(session, args).await,
        RoleCommand::Delete(args) => delete(session, args).await,
    }
}

fn path(role: &str) -> String {
    format!("/v1/roles/{}", segment(role))
}

async fn list(session: &mut Session) -> Outcome {
    let wanted = Wanted { path: "/v1/roles", query: Vec::new(), rows_max: ROWS_MAX };
    let row = |role: &Value| {
        vec![field::text(role, "/name"), field::texts(role, "/scopes").join(","), field::text(role, "/description")]
    };
    let mut table = Table::new(&["NAME", "SCOPES", "DESCRIPTION"]);
    pages::print(session, wanted, row, |role| table.row(row(role).into_iter().map(Into::into).collect())).await?;
    if session.is_human() {
        let text = table.render(session.out.paint);
        session.out.result(&text)?;
    }
    Ok(Exit::Done)
}

async fn set(session: &mut Session, args: SetArgs) -> Outcome {
    let client = session.client().await?;
    let path = path(args.role.as_str());
    let before = match client.get(&path).await {
        Ok(answer) => Some(answer),
        Err(e) if e.exit == Exit::NotFound => None,
        Err(e) => return Err(e),
    };
    let mut body = json!({"scopes": args.scopes});
    if let Some(text) = &args.description {
        body["description"] = json!(text);
    }
    let done = if before.is_some() { "changed" } else { "made" };
    let after = match before {
        Some(before) => client.call(Method::PATCH, &path, Sent::patch(&body, before.etag)).await?.body,
        None => {
            body["name"] = json!(args.role);
            client.post("/v1/roles", &body).await?.body
        }
    };
    session.out.note(&format!("{} role {} {done}", session.out.paint_err.good("✓"), args.role));
    if !session.is_human() {
        super::print_object(session, &after)?;
    }
    Ok(Exit::Done)
}

async fn delete(session: &mut Session, args: DeleteArgs) -> Outcome {
    let client = session.client().await?;
    let path = path(&args.role);
    let found = client.get(&path).await?;
    let scopes = field::texts(&found.body, "/scopes").join(", ");
    let question = format!("Delete the role {} ({scopes})?", args.role);
    confirm(session, &args.role, args.confirm.as_deref(), &question)?;
    client.call(Method::DELETE, &path, Sent { body: None, if_match: found.etag }).await?;
    super::deleted(session, &args.role, &args.role)
}
