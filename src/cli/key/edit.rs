//! `argus key edit`: a merge patch (RFC 7396) on the version that was read.

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::path;
use super::settings::Settings;
use crate::cli::client::{Sent, with_query};
use crate::cli::exit::{Failure, Outcome};
use crate::cli::field;
use crate::cli::session::Session;
use crate::model::id::Name;
use crate::model::scope::Scope;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key edit partner-eu --add-scope invoices:write
  argus key edit mobile --expires 90d --country DE,FR
  argus key edit mobile --clear plan,conditions";

/// Settings that can be taken away again.
const CLEARABLE: [&str; 18] = [
    "owner",
    "scopes",
    "roles",
    "plan",
    "limits",
    "quota",
    "expires",
    "not-before",
    "description",
    "tags",
    "meta",
    "conditions",
    "condition-names",
    "ip",
    "country",
    "network",
    "time",
    "referrer",
];

/// What to change.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// The key's name or id
    pub key: String,
    /// A new name
    #[arg(long, value_name = "NAME", help_heading = "Settings")]
    pub name: Option<Name>,
    /// Allow this too
    #[arg(
        long = "add-scope",
        value_name = "SCOPE",
        value_delimiter = ',',
        conflicts_with = "scopes",
        help_heading = "Settings"
    )]
    pub add_scopes: Vec<Scope>,
    /// Allow this no more
    #[arg(
        long = "remove-scope",
        value_name = "SCOPE",
        value_delimiter = ',',
        conflicts_with = "scopes",
        help_heading = "Settings"
    )]
    pub remove_scopes: Vec<Scope>,
    /// Add this role
    #[arg(
        long = "add-role",
        value_name = "ROLE",
        value_delimiter = ',',
        conflicts_with = "roles",
        help_heading = "Settings"
    )]
    pub add_roles: Vec<Name>,
    /// Take this role away
    #[arg(
        long = "remove-role",
        value_name = "ROLE",
        value_delimiter = ',',
        conflicts_with = "roles",
        help_heading = "Settings"
    )]
    pub remove_roles: Vec<Name>,
    /// Take settings away, such as `plan`, `expires` or `ip`
    #[arg(long, value_name = "SETTING", value_delimiter = ',', value_parser = CLEARABLE, help_heading = "Settings")]
    pub clear: Vec<String>,
    /// Say what would be, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What it shall be; lists replace what was there.
    #[command(flatten)]
    pub settings: Settings,
}

pub(super) async fn run(session: &mut Session, args: EditArgs) -> Outcome {
    let client = session.client().await?;
    let path = path(&args.key)?;
    let before = client.get(&path).await?;
    let patch = patch(&args, &before.body)?;
    let query = with_query(&path, [("dry_run", args.dry_run.then(|| "true".to_owned()))]);
    let after = client.call(Method::PATCH, &query, Sent::patch(&patch, before.etag)).await?.body;
    let name = field::text(&after, "/name");
    if args.dry_run {
        session.out.note("nothing was changed; this is what would be");
    } else {
        session.out.note(&format!("{} {name} changed", session.out.paint_err.good("✓")));
    }
    super::show::print(session, &after)
}

fn patch(args: &EditArgs, before: &Value) -> Result<Value, Failure> {
    let mut patch = Map::new();
    patch.extend(args.name.as_ref().map(|name| ("name".to_owned(), json!(name))));
    for setting in &args.clear {
        let (member, within) = match setting.as_str() {
            "expires" => ("expires_at", None),
            "not-before" => ("not_before", None),
            "condition-names" => ("condition_names", None),
            "ip" | "country" | "network" | "time" | "referrer" => ("conditions", Some(setting.as_str())),
            other => (other, None),
        };
        match within {
            None => {
                patch.insert(member.to_owned(), Value::Null);
            }
            Some(condition) => {
                let conditions = patch.entry(member).or_insert_with(|| json!({}));
                if let Value::Object(conditions) = conditions {
                    conditions.insert(condition.to_owned(), Value::Null);
                }
            }
        }
    }
    for (name, value) in args.settings.to_json() {
        if patch.get(&name).is_some_and(|cleared| cleared.is_null() || name != "conditions") {
            return Err(Failure::usage(format!("`{name}` is set and cleared at once")));
        }
        match (patch.get_mut(&name), value) {
            (Some(Value::Object(cleared)), Value::Object(set)) => {
                if let Some(both) = set.keys().find(|kind| cleared.contains_key(*kind)) {
                    return Err(Failure::usage(format!("`{both}` is set and cleared at once")));
                }
                cleared.extend(set);
            }
            (_, value) => {
                patch.insert(name, value);
            }
        }
    }
    let lists = [
        ("scopes", words(&args.add_scopes), words(&args.remove_scopes)),
        ("roles", words(&args.add_roles), words(&args.remove_roles)),
    ];
    for (name, add, remove) in lists {
        if add.is_empty() && remove.is_empty() {
            continue;
        }
        let mut list = if patch.contains_key(name) { Vec::new() } else { field::texts(before, &format!("/{name}")) };
        list.retain(|word| !remove.contains(word));
        for word in add {
            if !list.contains(&word) {
                list.push(word);
            }
        }
        patch.insert(name.to_owned(), json!(list));
    }
    if patch.is_empty() {
        return Err(Failure::usage("nothing to change was given").hint("`argus key edit --help` lists the settings"));
    }
    Ok(Value::Object(patch))
}

fn words<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
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

    fn patched(line: &[&str]) -> Result<Value, Failure> {
        let line = Line::try_parse_from([&["x", "mobile"], line].concat()).unwrap();
        patch(&line.edit, &json!({"scopes": ["orders:read", "a:b"], "roles": ["billing"]}))
    }

    #[track_caller]
    fn check(line: &[&str], want: Value) {
        assert_eq!(patched(line).unwrap(), want);
    }

    #[test]
    fn only_what_was_named_is_changed() {
        check(&["--add-scope", "invoices:write,a:b"], json!({"scopes": ["orders:read", "a:b", "invoices:write"]}));
        check(
            &["--remove-scope", "a:b", "--add-role", "x"],
            json!({"scopes": ["orders:read"], "roles": ["billing", "x"]}),
        );
        check(&["--scope", "z:z", "--name", "new"], json!({"scopes": ["z:z"], "name": "new"}));
        check(&["--clear", "plan,expires,ip"], json!({"plan": null, "expires_at": null, "conditions": {"ip": null}}));
        check(&["--clear", "ip", "--country", "DE"], json!({"conditions": {"ip": null, "country": {"allow": ["DE"]}}}));
        check(&["--clear", "scopes", "--add-scope", "n:w"], json!({"scopes": ["n:w"]}));
    }

    #[test]
    fn contradictions_are_refused() {
        for bad in [
            &["--clear", "plan", "--plan", "pro"][..],
            &["--clear", "ip", "--ip", "10.0.0.0/8"],
            &["--clear", "conditions", "--ip", "10.0.0.0/8"],
            &[],
        ] {
            assert!(patched(bad).is_err(), "{bad:?}");
        }
        for bad in [&["--clear", "name"][..], &["--scope", "a:b", "--add-scope", "c:d"]] {
            assert!(Line::try_parse_from([&["x", "mobile"], bad].concat()).is_err(), "{bad:?}");
        }
    }
}
