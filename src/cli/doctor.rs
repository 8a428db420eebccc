//! `argus doctor`: looks the installation over, one line a finding, each with its remedy.

use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::client::Client;
use super::exit::{Exit, Failure, Outcome};
use super::output::{Format, Paint, safe};
use super::runtime::Runtime;
use super::session::Session;
use super::table::plain;
use super::words::{count, plural, span, until};
use super::{field, health};
use crate::config::{CERTIFICATE_SOON, Loaded, Source, load};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus doctor
  argus doctor --json
  argus doctor --quiet || echo 'look at argus'";

/// Clocks further apart than this are worth a look.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);
/// Decisions slower than this, in microseconds at the 99th percentile, are worth a look.
const DECISION_P99_US: f64 = 1_000.0;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Warning,
    Bad,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Good => "ok",
            State::Warning => "warning",
            State::Bad => "failed",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    state: State,
    detail: String,
    remedy: Option<String>,
}

impl Finding {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Finding { check, state: State::Good, detail: detail.into(), remedy: None }
    }

    fn warning(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { check, state: State::Warning, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    fn bad(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { check, state: State::Bad, detail: detail.into(), remedy: Some(remedy.into()) }
    }
}

/// Does it.
pub async fn run(session: &mut Session) -> Outcome {
    let loaded = load(&Source::Search, &|name| std::env::var(name).ok());
    let mut findings = Vec::new();
    match session.client().await {
        Ok(client) => ask(&client, session.out.now, &loaded, &mut findings).await,
        Err(e) => {
            findings.extend(configuration(&loaded, false));
            findings.push(unreachable(&e));
            findings.extend(exposure(loaded.config.as_ref().and_then(|c| c.admin.address)));
        }
    }
    findings.push(probes().await);
    print(session, &findings)?;
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

fn unreachable(e: &Failure) -> Finding {
    let remedy = e.hints.first().cloned().unwrap_or_else(|| "start it with `argus run`".to_owned());
    Finding::bad("gateway", e.message.clone(), remedy)
}

/// What a running gateway says of itself.
async fn ask(client: &Client, now: Timestamp, loaded: &Loaded, findings: &mut Vec<Finding>) {
    let runtime = match Runtime::fetch(client).await {
        Ok(runtime) => runtime,
        Err(e) => {
            findings.extend(configuration(loaded, false));
            findings.push(unreachable(&e));
            return;
        }
    };
    findings.extend(configuration(loaded, runtime.files().is_empty()));
    findings.push(gateway(&runtime.0, now));
    // Its own failure is an answer too: 503 while the store cannot be used.
    match client.get("/v1/health").await {
        Ok(answer) => {
            findings.push(store(&runtime.0, &answer.body));
            findings.extend(answer.date.map(|there| clock(now, there)));
        }
        Err(e) => findings.push(Finding::bad("store", e.message, "look at the log of the gateway for the cause")),
    }
    findings.extend(geo(&runtime.0, loaded, now));
    findings.extend(certificates(&runtime.0, now));
    findings.extend(decisions(&runtime.0));
    let address = field::text(&runtime.0, "/admin/address");
    let address = address.parse().ok().or(loaded.config.as_ref().and_then(|c| c.admin.address));
    findings.extend(exposure(address));
}

/// The configuration on this machine; `bare` if the gateway runs without one.
fn configuration(loaded: &Loaded, bare: bool) -> Option<Finding> {
    let (errors, warnings) = (loaded.problems.errors(), loaded.problems.warnings());
    if errors > 0 && loaded.files.is_empty() {
        return Some(if bare {
            Finding::good("config", "from the command line, no file")
        } else {
            Finding::warning("config", "no gateway.toml here", "argus init")
        });
    }
    let problems = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    Some(match (errors, warnings) {
        (0, 0) => Finding::good("config", loaded.summary.clone()),
        (0, _) => Finding::warning("config", format!("valid, {}", plural(warnings, "warning")), "argus check"),
        _ => Finding::bad("config", problems, "argus check"),
    })
}

fn gateway(runtime: &Value, now: Timestamp) -> Finding {
    let version = field::text(runtime, "/version");
    let up = field::moment(runtime, "/node/started_at").map(|at| format!(", up {}", span(now.duration_since(at))));
    let listeners = match field::list(runtime, "/listeners").len() {
        0 => String::new(),
        n => format!(", {} bound", plural(n, "listener")),
    };
    let detail = format!("argus {version}{}{listeners}", up.unwrap_or_default());
    let ours = env!("CARGO_PKG_VERSION");
    if version == ours || version.is_empty() {
        Finding::good("gateway", detail)
    } else {
        Finding::warning("gateway", format!("{detail}; this command is {ours}"), "restart it to run what is installed")
    }
}

fn store(runtime: &Value, health: &Value) -> Finding {
    let error = field::text(health, "/store_error");
    if !error.is_empty() {
        return Finding::bad("store", error, "look at the log of the gateway for the cause");
    }
    let mut said = vec![field::text_or(runtime, "/store/kind", "answers")];
    let dir = field::text(runtime, "/store/dir");
    said.extend((!dir.is_empty()).then(|| format!("in {dir}")));
    said.extend(field::number(health, "/revision").map(|n| format!("revision {}", count(n))));
    Finding::good("store", said.join(", "))
}

fn clock(here: Timestamp, there: Timestamp) -> Finding {
    // The field has no fractions of a second, and the answer took a moment.
    let apart = here.duration_since(there).abs();
    if apart <= CLOCK_SKEW {
        Finding::good("clock", "agrees with the gateway's")
    } else {
        Finding::warning("clock", format!("{} apart from the gateway's", span(apart)), "set both by NTP")
    }
}

/// The databases that say where addresses are, by the age of what they hold.
fn geo(runtime: &Value, loaded: &Loaded, now: Timestamp) -> Vec<Finding> {
    let limit = loaded.config.as_ref().and_then(|c| c.geo.warn_if_older_than);
    let limit = limit.and_then(|limit| SignedDuration::try_from(limit).ok());
    let database = |database: &Value| {
        let path = field::text(database, "/file");
        let Some(built) = field::moment(database, "/built_at") else {
            return Finding::bad("geo db", format!("{path} is not loaded"), "`[geo]` names a file in MaxMind's format");
        };
        let age = now.duration_since(built);
        let detail = format!("{path} is {} old", span(age));
        match limit {
            Some(limit) if age > limit => {
                Finding::warning("geo db", detail, "fetch a newer one; it is read when it changes")
            }
            _ => Finding::good("geo db", detail),
        }
    };
    field::list(runtime, "/geo").iter().map(database).collect()
}

fn certificates(runtime: &Value, now: Timestamp) -> Vec<Finding> {
    let certificate = |certificate: &Value| {
        let file = field::text(certificate, "/file");
        let ends = field::moment(certificate, "/expires_at")?;
        let detail = format!("{file} ends {}", until(now, ends));
        Some(if ends <= now {
            Finding::bad("tls", format!("{file} ended {}", until(now, ends)), "renew it; it is read when it changes")
        } else if ends.duration_since(now) <= CERTIFICATE_SOON {
            Finding::warning("tls", detail, "renew it; it is read when it changes")
        } else {
            Finding::good("tls", detail)
        })
    };
    field::list(runtime, "/certificates").iter().filter_map(certificate).collect()
}

fn decisions(runtime: &Value) -> Option<Finding> {
    let p99 = runtime.pointer("/decision/p99_us")?.as_f64()?;
    let detail = format!("p99 {p99:.0} µs");
    Some(if p99 <= DECISION_P99_US {
        Finding::good("decision", detail)
    } else {
        Finding::warning("decision", detail, "is the machine short of processors?")
    })
}

fn exposure(address: Option<SocketAddr>) -> Option<Finding> {
    let Some(address) = address else { return Some(Finding::good("admin", "on its socket alone")) };
    Some(if address.ip().is_loopback() {
        Finding::good("admin", format!("on {address}, this machine only"))
    } else {
        let remedy = format!("set admin.address = \"127.0.0.1:{}\"", address.port());
        Finding::bad("admin", format!("reachable from elsewhere at {address} without TLS"), remedy)
    })
}

async fn probes() -> Finding {
    let address = match health::address() {
        Ok(address) => address,
        Err(e) => {
            return Finding::warning("probes", e.message, e.hints.first().cloned().unwrap_or_default());
        }
    };
    match health::ask(address, "/readyz").await {
        Ok((true, _)) => Finding::good("probes", format!("ready, on {address}")),
        Ok((false, _)) => Finding::bad("probes", format!("{address} is not ready"), "argus health --ready"),
        Err(e) => Finding::bad("probes", e.message, "is another program on that port?"),
    }
}

fn print(session: &mut Session, findings: &[Finding]) -> Result<(), Failure> {
    match session.out.format {
        Format::Human => {
            let text = render(findings, session.out.paint);
            session.out.result(&text)
        }
        Format::Plain => {
            let row = |f: &Finding| {
                vec![
                    f.check.to_owned(),
                    f.state.as_str().to_owned(),
                    f.detail.clone(),
                    f.remedy.clone().unwrap_or_default(),
                ]
            };
            let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
            session.out.result(&plain(rows.iter().map(Vec::as_slice)))
        }
        Format::Json => {
            let list = findings.iter().map(
                |f| json!({"check": f.check, "outcome": f.state.as_str(), "detail": f.detail, "remedy": f.remedy}),
            );
            session.out.json(&list.collect())
        }
    }
}

fn render(findings: &[Finding], paint: Paint) -> String {
    let line = |f: &Finding| {
        let mark = match f.state {
            State::Good => paint.good("✓"),
            State::Warning => paint.warn("!"),
            State::Bad => paint.bad("✗"),
        };
        let remedy = f.remedy.as_ref().map_or(String::new(), |remedy| format!("  →  {}", safe(remedy)));
        format!("{mark} {:<10}  {}{remedy}\n", f.check, safe(&f.detail))
    };
    findings.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
