//! `argus key show`: one key in full.

use clap::Args;
use serde_json::Value;

use super::path;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::field;
use crate::cli::output::{Format, Output};
use crate::cli::session::Session;
use crate::cli::table::{facts, plain};
use crate::cli::words::{ago, count, minute, until};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key show billing-prod
  argus key show key_9f3KtWq2Zc --json
  argus key show billing-prod --plain | grep ^status";

/// The key to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its name or id
    pub key: String,
}

pub(super) async fn run(session: &mut Session, args: ShowArgs) -> Outcome {
    let answer = session.client().await?.get(&path(&args.key)?).await?;
    print(session, &answer.body)
}

/// Prints a key as the output asks.
pub(super) fn print(session: &mut Session, key: &Value) -> Outcome {
    match session.out.format {
        Format::Json => session.out.json(key)?,
        Format::Plain => {
            let rows: Vec<Vec<String>> =
                render(key, &session.out).into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
            session.out.result(&plain(rows.iter().map(Vec::as_slice)))?;
        }
        Format::Human => {
            let text = facts(&render(key, &session.out), "");
            session.out.result(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// The facts that are there, in the order people ask for them.
fn render(key: &Value, out: &Output) -> Vec<(&'static str, String)> {
    let moment = |pointer: &str| {
        field::moment(key, pointer).map(|at| {
            if out.format == Format::Plain {
                at.to_string()
            } else {
                format!("{} ({})", minute(at, &out.zone), until(out.now, at))
            }
        })
    };
    let joined = |pointer: &str| field::texts(key, pointer).join(", ");
    let mut rows = vec![
        ("name", field::text(key, "/name")),
        ("id", field::text(key, "/id")),
        ("uuid", field::text(key, "/uuid")),
        ("prefix", field::text(key, "/prefix")),
        ("status", field::text(key, "/status")),
        ("description", field::text(key, "/description")),
        ("environment", field::text(key, "/environment")),
        ("type", field::text(key, "/type")),
        ("owner", owner(key)),
        ("scopes", joined("/scopes")),
        ("roles", joined("/roles")),
        ("plan", field::text(key, "/plan")),
        ("limits", field::list(key, "/limits").iter().map(|l| field::text(l, "/rate")).collect::<Vec<_>>().join(", ")),
        ("quota", quota(key)),
        ("used", used(key)),
        ("only", conditions(key).join(", ")),
        ("not before", moment("/not_before").unwrap_or_default()),
        ("expires", moment("/expires_at").unwrap_or_else(|| "never".to_owned())),
        ("replaced by", field::text(key, "/rotation/replaced_by")),
        ("replaces", field::text(key, "/rotation/replaces")),
        ("last used", last_used(key, out)),
        ("calls", calls(key)),
        ("flags", flags(key).join(", ")),
        ("tags", joined("/tags")),
        ("meta", meta(key)),
        ("created", by(moment("/created_at"), &field::text(key, "/created_by"))),
        ("updated", moment("/updated_at").unwrap_or_default()),
        ("revoked", by(moment("/revoked/at"), &field::text(key, "/revoked/by"))),
        ("reason", field::text(key, "/revoked/reason")),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    rows
}

fn by(at: Option<String>, who: &str) -> String {
    match (at, who) {
        (None, _) => String::new(),
        (Some(at), "") => at,
        (Some(at), who) => format!("{at} by {who}"),
    }
}

/// `acme (own_42)`.
fn owner(key: &Value) -> String {
    match (field::text(key, "/owner_name"), field::text(key, "/owner")) {
        (name, id) if name.is_empty() => id,
        (name, id) => format!("{name} ({id})"),
    }
}

/// `1204, 7 refused`.
fn calls(key: &Value) -> String {
    match (field::number(key, "/usage/total"), field::number(key, "/usage/refused")) {
        (Some(total), Some(refused)) if refused > 0 => format!("{}, {} refused", count(total), count(refused)),
        (Some(total), _) => count(total),
        (None, _) => String::new(),
    }
}

fn quota(key: &Value) -> String {
    let Some(units) = field::number(key, "/quota/units") else { return String::new() };
    format!("{}/{}", count(units), field::text(key, "/quota/every"))
}

/// What is taken from each limit it meets: `month 517 887 of 2 000 000`.
fn used(key: &Value) -> String {
    let counter = |counter: &Value| {
        let number = |pointer: &str| count(field::number(counter, pointer).unwrap_or(0));
        format!("{} {} of {}", field::text(counter, "/name"), number("/used"), number("/units"))
    };
    field::list(key, "/counters").iter().map(counter).collect::<Vec<_>>().join(", ")
}

fn last_used(key: &Value, out: &Output) -> String {
    let Some(at) = field::moment(key, "/last_used/at") else { return String::new() };
    let when = if out.format == Format::Plain { at.to_string() } else { ago(out.now, at) };
    let mut said = vec![when];
    for (pointer, word) in [("ip", "from "), ("country", ""), ("route", "on "), ("status", "→ ")] {
        let value = field::text(key, &format!("/last_used/{pointer}"));
        if !value.is_empty() {
            said.push(format!("{word}{value}"));
        }
    }
    said.join(" ")
}

fn flags(key: &Value) -> Vec<&'static str> {
    [("/flags/exposed", "exposed"), ("/flags/weak", "weak")]
        .into_iter()
        .filter(|(pointer, _)| field::is_true(key, pointer))
        .map(|(_, word)| word)
        .collect()
}

fn meta(key: &Value) -> String {
    let Some(map) = key.get("meta").and_then(Value::as_object) else { return String::new() };
    map.iter().map(|(name, value)| format!("{name}={}", field::text(value, ""))).collect::<Vec<_>>().join(", ")
}

/// A key's conditions in words, its own first: `from 203.0.113.0/24`, `in DE, FR`, `office_hours`.
pub(super) fn conditions(key: &Value) -> Vec<String> {
    let mut said = Vec::new();
    for (kind, allowed, denied) in [
        ("ip", "from", "not from"),
        ("country", "in", "not in"),
        ("network", "in", "not in"),
        ("referrer", "on pages of", "not on pages of"),
    ] {
        for (list, word) in [("allow", allowed), ("deny", denied)] {
            let values = field::texts(key, &format!("/conditions/{kind}/{list}"));
            if !values.is_empty() {
                said.push(format!("{word} {}", values.join(" ")));
            }
        }
    }
    let time = key.pointer("/conditions/time");
    // One window may be written without a list around it.
    let windows = match time {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    for window in windows {
        let part = |name: &str| field::text(window, &format!("/{name}"));
        said.push(format!("{} {}–{} {}", part("days"), part("from"), part("to"), part("zone")));
    }
    said.extend(field::texts(key, "/condition_names"));
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::args::Global;

    #[test]
    fn a_key_is_told_in_full() {
        let key = json!({"id": "key_9f3KtWq2Zc", "prefix": "argus_live_9f3KtWq2Zc", "name": "billing-prod",
            "status": "active", "environment": "live", "type": "application", "owner": "own_42", "owner_name": "acme", "usage": {"total": 1204, "refused": 7},
            "scopes": ["invoices:read", "orders:*"], "plan": "pro",
            "conditions": {"ip": {"allow": ["203.0.113.0/24"], "deny": ["203.0.113.7/32"]}, "country": {"allow": ["DE"]},
                "time": {"days": "mon-fri", "from": "07:00", "to": "19:00", "zone": "Europe/Berlin"}},
            "limits": [{"rate": "100/min"}], "quota": {"units": 2_000_000, "every": "month"},
            "counters": [{"name": "month", "kind": "quota", "units": 2_000_000, "used": 517_887}],
            "expires_at": "2026-12-01T00:00:00Z",
            "last_used": {"at": "2026-09-21T13:33:16Z", "ip": "203.0.113.9", "country": "DE", "route": "orders", "status": 200},
            "flags": {"exposed": true, "weak": false}, "meta": {"tenant": "acme\u{1b}"},
            "created_at": "2026-03-03T09:00:00Z", "created_by": "adm_ada", "revoked": null});
        let mut out = Output::new(&Global::default());
        out.now = "2026-09-21T13:33:20Z".parse().unwrap();
        out.zone = jiff::tz::TimeZone::UTC;
        assert_eq!(
            facts(&render(&key, &out), ""),
            "name         billing-prod\n\
             id           key_9f3KtWq2Zc\n\
             prefix       argus_live_9f3KtWq2Zc\n\
             status       active\n\
             environment  live\n\
             type         application\n\
             owner        acme (own_42)\n\
             scopes       invoices:read, orders:*\n\
             plan         pro\n\
             limits       100/min\n\
             quota        2 000 000/month\n\
             used         month 517 887 of 2 000 000\n\
             only         from 203.0.113.0/24, not from 203.0.113.7/32, in DE, mon-fri 07:00–19:00 Europe/Berlin\n\
             expires      2026-12-01 00:00 (in 70 d)\n\
             last used    4 s ago from 203.0.113.9 DE on orders → 200\n\
             calls        1204, 7 refused\n\
             flags        exposed\n\
             meta         tenant=acme\\u{1b}\n\
             created      2026-03-03 09:00 (202 d ago) by adm_ada\n"
        );
    }
}
