//! `argus key list`.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cli::exit::{Exit, Outcome};
use crate::cli::field;
use crate::cli::pages::{self, ROWS_DEFAULT, Wanted, parse_rows};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::words::{after, ago, bar, before, parse_length, parse_moment, plural, until};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key list --owner acme
  argus key list --status active --unused-for 30d
  argus key list --expires-within 14d --plain | cut -f1";

/// A key that ends within this time is worth a look.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// A key nobody used for this time is worth a look.
const UNUSED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Scopes that are shown before the rest is only counted.
const SCOPES_SHOWN: usize = 2;

/// Which keys to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Text in name, prefix, description or tags
    pub text: Option<String>,
    /// Only this owner's
    #[arg(long, value_name = "OWNER")]
    pub owner: Option<String>,
    /// Only in this state
    #[arg(long, value_name = "STATUS", value_parser = ["revoked", "disabled", "scheduled", "expired", "rotating", "active"])]
    pub status: Option<String>,
    /// Only on this plan
    #[arg(long, value_name = "PLAN")]
    pub plan: Option<String>,
    /// Only with this scope
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<String>,
    /// Only those not used for so long, such as `30d`
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    pub unused_for: Option<SignedDuration>,
    /// Only those that end within so long, such as `14d`
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    pub expires_within: Option<SignedDuration>,
    /// Only those that end before then
    #[arg(long, value_name = "WHEN", value_parser = parse_moment, conflicts_with = "expires_within")]
    pub expires_before: Option<Timestamp>,
    /// Most rows
    #[arg(long, value_name = "ROWS", value_parser = parse_rows, default_value_t = ROWS_DEFAULT)]
    pub limit: usize,
}

pub(super) async fn run(session: &mut Session, args: ListArgs) -> Outcome {
    let now = session.out.now;
    let ends_before = args.expires_before.or(args.expires_within.map(|span| after(now, span)));
    let wanted = Wanted {
        path: "/v1/keys",
        query: vec![
            ("q", args.text),
            ("owner", args.owner),
            ("status", args.status),
            ("plan", args.plan),
            ("scope", args.scope),
            ("unused_since", args.unused_for.map(|span| before(now, span).to_string())),
            ("expires_before", ends_before.map(|at| at.to_string())),
        ],
        rows_max: args.limit,
    };
    let mut listing = Listing::new(now);
    pages::print(session, wanted, plain_row, |key| listing.add(key)).await?;
    if session.is_human() {
        let table = listing.table.render(session.out.paint);
        session.out.result(&table)?;
        session.out.note(&listing.footer());
    }
    Ok(Exit::Done)
}

fn plain_row(key: &Value) -> Vec<String> {
    let joined = |pointer: &str| field::texts(key, pointer).join(",");
    vec![
        field::text(key, "/id"),
        field::text(key, "/name"),
        field::text(key, "/prefix"),
        field::text(key, "/status"),
        field::text(key, "/environment"),
        field::text(key, "/owner"),
        joined("/scopes"),
        joined("/roles"),
        field::text(key, "/plan"),
        field::text(key, "/expires_at"),
        field::text(key, "/last_used/at"),
    ]
}

/// The table for people and what stands below it.
struct Listing {
    now: Timestamp,
    table: Table,
    ending: usize,
    unused: usize,
}

impl Listing {
    fn new(now: Timestamp) -> Self {
        let head = ["NAME", "KEY", "SCOPES", "CONDITIONS", "PLAN", "QUOTA", "LAST USED", "EXPIRES", "STATUS"];
        Listing { now, table: Table::new(&head), ending: 0, unused: 0 }
    }

    fn add(&mut self, key: &Value) {
        let now = self.now;
        let status = field::text(key, "/status");
        let valid = matches!(status.as_str(), "active" | "rotating");
        let expires = field::moment(key, "/expires_at");
        let ends_soon = valid && expires.is_some_and(|at| at > now && at.duration_since(now) <= SOON);
        let used = field::moment(key, "/last_used/at");
        let seen = used.or(field::moment(key, "/created_at"));
        self.ending += usize::from(ends_soon);
        self.unused += usize::from(valid && seen.is_some_and(|at| now.duration_since(at) >= UNUSED));
        self.table.row(vec![
            field::text(key, "/name").into(),
            Cell::toned(format!("{}…", field::text(key, "/prefix")), Tone::Dim),
            scopes(key).into(),
            conditions(key).into(),
            field::text_or(key, "/plan", "–").into(),
            quota(key).into(),
            used.map_or("never".to_owned(), |at| ago(now, at)).into(),
            expires.map_or("never".to_owned(), |at| until(now, at)).into(),
            state(key, &status, ends_soon),
        ]);
    }

    fn footer(&self) -> String {
        let mut parts = vec![plural(self.table.len(), "key")];
        if self.ending > 0 {
            parts.push(format!("{} expire{} within 14 days", self.ending, if self.ending == 1 { "s" } else { "" }));
        }
        if self.unused > 0 {
            parts.push(format!("{} unused for 30 days", self.unused));
        }
        parts.join(" · ")
    }
}

fn scopes(key: &Value) -> String {
    let mut all = field::texts(key, "/scopes");
    all.extend(field::texts(key, "/roles").into_iter().map(|role| format!("@{role}")));
    match all.len() {
        0 => "none".to_owned(),
        n if n <= SCOPES_SHOWN => all.join(", "),
        n => format!("{}, +{}", all[..SCOPES_SHOWN].join(", "), n - SCOPES_SHOWN),
    }
}

fn conditions(key: &Value) -> String {
    let mut said = Vec::new();
    let listed = |kind: &str| {
        ["allow", "deny"]
            .iter()
            .map(|list| field::list(key, &format!("/conditions/{kind}/{list}")).len())
            .sum::<usize>()
    };
    match listed("ip") {
        0 => {}
        n => said.push(plural(n, "network")),
    }
    let countries = field::texts(key, "/conditions/country/allow");
    match (countries.len(), listed("country")) {
        (_, 0) => {}
        (1..=3, _) => said.extend(countries),
        (_, n) => said.push(if n == 1 { "1 country".to_owned() } else { format!("{n} countries") }),
    }
    match listed("network") {
        0 => {}
        n => said.push(format!("{n} AS")),
    }
    if key.pointer("/conditions/time").is_some_and(|t| !t.is_null() && t.as_array().is_none_or(|a| !a.is_empty())) {
        said.push("time".to_owned());
    }
    if listed("referrer") > 0 {
        said.push("referrer".to_owned());
    }
    said.extend(field::texts(key, "/condition_names"));
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

fn quota(key: &Value) -> String {
    let quota = field::list(key, "/counters").iter().find(|counter| field::text(counter, "/kind") == "quota");
    let number = |pointer: &str| quota.and_then(|quota| field::number(quota, pointer));
    match (number("/used"), number("/units")) {
        (Some(used), Some(units)) => bar(used, units),
        _ => "–".to_owned(),
    }
}

fn state(key: &Value, status: &str, ends_soon: bool) -> Cell {
    let successor = field::text(key, "/rotation/replaced_by");
    match status {
        "rotating" if !successor.is_empty() => Cell::toned(format!("rotating → {successor}"), Tone::Warn),
        "active" if ends_soon => Cell::toned("expires soon", Tone::Warn),
        "active" => Cell::toned(status, Tone::Good),
        "rotating" | "scheduled" => Cell::toned(status, Tone::Warn),
        "revoked" | "expired" => Cell::toned(status, Tone::Bad),
        _ => Cell::toned(status, Tone::Dim),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::output::Paint;

    #[test]
    fn keys_are_listed_a_line_each() {
        let mut listing = Listing::new("2026-09-21T13:33:20Z".parse().unwrap());
        listing.add(&json!({"name": "billing-prod", "prefix": "argus_live_9f3KtWq2Zc", "scopes": ["invoices:read"],
            "conditions": {"ip": {"allow": ["203.0.113.0/24"]}}, "plan": "pro", "status": "active",
            "counters": [{"kind": "rate", "units": 9, "used": 1}, {"kind": "quota", "units": 100, "used": 85}], "last_used": {"at": "2026-09-21T13:33:16Z"},
            "expires_at": "2026-12-12T14:00:00Z", "created_at": "2026-01-01T00:00:00Z"}));
        listing.add(&json!({"name": "mobile-app", "prefix": "argus_live_P0aa81LmQe", "scopes": ["a:b", "c:d", "e:f"],
            "roles": ["billing"], "conditions": {"country": {"allow": ["DE", "FR"]}, "time": [{"days": "mon"}]},
            "plan": null, "status": "active", "expires_at": "2026-09-22T11:33:20Z", "created_at": "2026-01-01T00:00:00Z"}));
        listing.add(&json!({"name": "batch", "prefix": "argus_live_u5Ws7HhYxB", "status": "rotating",
            "rotation": {"replaced_by": "key_7YtQ0pWn3L"}, "created_at": "2026-09-21T00:00:00Z"}));
        assert_eq!(
            listing.table.render(Paint::OFF),
            "\
NAME          KEY                     SCOPES         CONDITIONS    PLAN  QUOTA          LAST USED  EXPIRES  STATUS
billing-prod  argus_live_9f3KtWq2Zc…  invoices:read  1 network     pro   ▓▓▓▓▓▓▓▓░ 85%  4 s ago    in 82 d  active
mobile-app    argus_live_P0aa81LmQe…  a:b, c:d, +2   DE, FR, time  –     –              never      in 22 h  expires soon
batch         argus_live_u5Ws7HhYxB…  none           none          –     –              never      never    rotating → key_7YtQ0pWn3L
"
        );
        assert_eq!(listing.footer(), "3 keys · 1 expires within 14 days · 1 unused for 30 days");
    }

    #[test]
    fn plain_rows_shorten_nothing() {
        let row = plain_row(&json!({"id": "key_1", "name": "n", "scopes": ["a:b", "c:d", "e:f"], "expires_at": null}));
        assert_eq!(row.join("\t"), "key_1\tn\t\t\t\t\ta:b,c:d,e:f\t\t\t\t");
    }
}
