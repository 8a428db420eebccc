//! `argus owner`: whom keys belong to.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::client::{Sent, segment};
use super::exit::{Exit, Failure, Outcome};
use super::field;
use super::output::Format;
use super::pages::{self, ROWS_DEFAULT, Wanted, parse_rows};
use super::prompt::confirm;
use super::session::Session;
use super::table::{Cell, Table, Tone, facts, plain};
use super::words::{day, minute, plural};
use crate::model::limit::Rate;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus owner create acme --kind service --external-id cust-4711
  argus owner list
  argus owner edit acme --contact ops@example.com";

const CREATE_EXAMPLES: &str = "\
Examples:
  argus owner create acme
  argus owner create acme --kind service --external-id cust-4711
  argus owner create ada --kind user --contact ada@example.com --limit 1000/min";

const LIST_EXAMPLES: &str = "\
Examples:
  argus owner list
  argus owner list acme
  argus owner list --plain | cut -f1";

const SHOW_EXAMPLES: &str = "\
Examples:
  argus owner show acme
  argus owner show own_42 --json
  argus owner show cust-4711 --plain";

const EDIT_EXAMPLES: &str = "\
Examples:
  argus owner edit acme --name acme-gmbh
  argus owner edit acme --limit 5000/min
  argus owner edit acme --clear limits,contacts";

const DELETE_EXAMPLES: &str = "\
Examples:
  argus owner delete acme
  argus owner delete acme --yes
  argus owner delete own_42 --confirm acme";

/// What is done to owners.
#[derive(Debug, Subcommand)]
pub enum OwnerCommand {
    /// Make an owner.
    #[command(before_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List owners.
    #[command(before_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show an owner.
    #[command(before_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Change an owner.
    #[command(before_help = EDIT_EXAMPLES)]
    Edit(EditArgs),
    /// Delete an owner that has no keys.
    #[command(before_help = DELETE_EXAMPLES)]
    Delete(DeleteArgs),
}

/// The settings that `create` and `edit` share.
#[derive(Debug, Args)]
pub struct Settings {
    /// What it is
    #[arg(long, value_name = "KIND", value_parser = ["user", "service", "application", "system"])]
    pub kind: Option<String>,
    /// Its id in your own system; the upstream gets it as `Argus-Subject`
    #[arg(long, value_name = "ID")]
    pub external_id: Option<String>,
    /// An address of a person
    #[arg(long = "contact", value_name = "ADDRESS", value_delimiter = ',')]
    pub contacts: Vec<String>,
    /// A limit that all its keys share, such as `1000/min`
    #[arg(long = "limit", value_name = "RATE", value_delimiter = ',')]
    pub limits: Vec<Rate>,
    /// A fact to keep with it
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::key::pair)]
    pub meta: Vec<(String, String)>,
}

impl Settings {
    fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.extend(self.kind.as_ref().map(|kind| ("kind".to_owned(), json!(kind))));
        map.extend(self.external_id.as_ref().map(|id| ("external_id".to_owned(), json!(id))));
        if !self.contacts.is_empty() {
            map.insert("contacts".to_owned(), json!(self.contacts));
        }
        if !self.limits.is_empty() {
            // All keys of the owner draw from one counter.
            let limit = |rate: &Rate| json!({"rate": rate.to_string(), "by": "owner"});
            map.insert("limits".to_owned(), self.limits.iter().map(limit).collect());
        }
        if !self.meta.is_empty() {
            let meta: Map<String, Value> = self.meta.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            map.insert("meta".to_owned(), Value::Object(meta));
        }
        map
    }
}

/// The owner to make.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its name
    pub name: String,
    /// Its settings.
    #[command(flatten)]
    pub settings: Settings,
}

/// Which owners to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Text in name or external id
    pub text: Option<String>,
    /// Most rows
    #[arg(long, value_name = "ROWS", value_parser = parse_rows, default_value_t = ROWS_DEFAULT)]
    pub limit: usize,
}

/// The owner to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its id, name or external id
    pub owner: String,
}

/// What to change.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// Its id, name or external id
    pub owner: String,
    /// A new name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Take settings away
    #[arg(long, value_name = "SETTING", value_delimiter = ',', value_parser = ["external-id", "contacts", "limits", "meta"])]
    pub clear: Vec<String>,
    /// What it shall be.
    #[command(flatten)]
    pub settings: Settings,
}

/// The owner to delete.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Its id, name or external id
    pub owner: String,
    /// The owner's name, in place of answering the question
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Does it.
pub async fn run(session: &mut Session, command: OwnerCommand) -> Outcome {
    match command {
        OwnerCommand::Create(args) => create(session, args).await,
        OwnerCommand::List(args) => list(session, args).await,
        OwnerCommand::Show(args) => show(session, args).await,
        OwnerCommand::Edit(args) => edit(session, args).await,
        OwnerCommand::Delete(args) => delete(session, args).await,
    }
}

fn path(owner: &str) -> String {
    format!("/v1/owners/{}", segment(owner))
}

async fn create(session: &mut Session, args: CreateArgs) -> Outcome {
    let mut body = args.settings.to_json();
    body.insert("name".to_owned(), json!(args.name));
    let made = session.client().await?.post("/v1/owners", &Value::Object(body)).await?.body;
    session.out.note(&format!("{} owner {} made", session.out.paint_err.good("✓"), args.name));
    print(session, &made)
}

async fn list(session: &mut Session, args: ListArgs) -> Outcome {
    let wanted = Wanted { path: "/v1/owners", query: vec![("q", args.text)], rows_max: args.limit };
    let zone = session.out.zone.clone();
    let mut table = Table::new(&["NAME", "ID", "KIND", "EXTERNAL ID", "LIMITS", "CREATED"]);
    let line = |owner: &Value| {
        ["/id", "/name", "/kind", "/external_id", "/created_at"].map(|p| field::text(owner, p)).to_vec()
    };
    pages::print(session, wanted, line, |owner| {
        table.row(vec![
            field::text(owner, "/name").into(),
            Cell::toned(field::text(owner, "/id"), Tone::Dim),
            field::text(owner, "/kind").into(),
            field::text_or(owner, "/external_id", "–").into(),
            dash(limits(owner)).into(),
            field::moment(owner, "/created_at").map_or(String::new(), |at| day(at, &zone)).into(),
        ]);
    })
    .await?;
    if session.is_human() {
        let text = table.render(session.out.paint);
        session.out.result(&text)?;
        session.out.note(&plural(table.len(), "owner"));
    }
    Ok(Exit::Done)
}

async fn show(session: &mut Session, args: ShowArgs) -> Outcome {
    let answer = session.client().await?.get(&path(&args.owner)).await?;
    print(session, &answer.body)
}

async fn edit(session: &mut Session, args: EditArgs) -> Outcome {
    let patch = patch(&args)?;
    let client = session.client().await?;
    let path = path(&args.owner);
    let before = client.get(&path).await?;
    let after = client.call(Method::PATCH, &path, Sent::patch(&patch, before.etag)).await?.body;
    session.out.note(&format!("{} {} changed", session.out.paint_err.good("✓"), field::text(&after, "/name")));
    print(session, &after)
}

fn patch(args: &EditArgs) -> Result<Value, Failure> {
    let mut patch: Map<String, Value> =
        args.clear.iter().map(|setting| (setting.replace('-', "_"), Value::Null)).collect();
    for (name, value) in args.settings.to_json() {
        if patch.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(format!("`{name}` is set and cleared at once")));
        }
    }
    patch.extend(args.name.as_ref().map(|name| ("name".to_owned(), json!(name))));
    if patch.is_empty() {
        return Err(Failure::usage("nothing to change was given").hint("`argus owner edit --help` lists the settings"));
    }
    Ok(Value::Object(patch))
}

async fn delete(session: &mut Session, args: DeleteArgs) -> Outcome {
    let client = session.client().await?;
    let found = client.get(&path(&args.owner)).await?;
    let name = field::text(&found.body, "/name");
    let id = field::text_or(&found.body, "/id", &args.owner);
    confirm(session, &name, args.confirm.as_deref(), &format!("Delete the owner {name} ({id})?"))?;
    client.call(Method::DELETE, &path(&id), Sent { body: None, if_match: found.etag }).await?;
    super::deleted(session, &id, &name)
}

fn dash(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}

fn limits(owner: &Value) -> String {
    field::list(owner, "/limits").iter().map(|limit| field::text(limit, "/rate")).collect::<Vec<_>>().join(", ")
}

fn print(session: &mut Session, owner: &Value) -> Outcome {
    let zone = &session.out.zone;
    let moment = |pointer: &str| field::moment(owner, pointer).map_or(String::new(), |at| minute(at, zone));
    let meta = owner.get("meta").and_then(Value::as_object);
    let mut rows = vec![
        ("name", field::text(owner, "/name")),
        ("id", field::text(owner, "/id")),
        ("kind", field::text(owner, "/kind")),
        ("external id", field::text(owner, "/external_id")),
        ("contacts", field::texts(owner, "/contacts").join(", ")),
        ("limits", limits(owner)),
        (
            "meta",
            meta.map_or(String::new(), |map| {
                map.iter()
                    .map(|(name, value)| format!("{name}={}", field::text(value, "")))
                    .collect::<Vec<_>>()
                    .join(", ")
            }),
        ),
        ("created", moment("/created_at")),
        ("updated", moment("/updated_at")),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    match session.out.format {
        Format::Json => session.out.json(owner)?,
        Format::Plain => {
            let lines: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
            session.out.result(&plain(lines.iter().map(Vec::as_slice)))?;
        }
        Format::Human => session.out.result(&facts(&rows, ""))?,
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        edit: EditArgs,
    }

    #[test]
    fn an_edit_names_only_what_changes() {
        let patched = |line: &[&str]| patch(&Line::try_parse_from([&["x", "acme"], line].concat()).unwrap().edit);
        assert_eq!(
            patched(&["--name", "b", "--limit", "5/min", "--clear", "external-id"]).unwrap(),
            json!({"name": "b", "limits": [{"rate": "5/min", "by": "owner"}], "external_id": null})
        );
        assert!(patched(&["--clear", "limits", "--limit", "5/min"]).is_err());
        assert!(patched(&[]).is_err());
    }
}
