//! Explanations: the same verdicts, step by step, and nothing taken.

use super::explain::{Caller, ExplainInput, StepOutcome, Target};
use super::*;
use crate::snapshot::tests::key;

const TOML: &str = r#"
[routes.invoices]
paths = ["/v1/invoices/*"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
scopes = { GET = "invoices:read", POST = "invoices:write" }
conditions = ["office_hours"]

[routes.open]
paths = ["/open"]
upstream = "http://127.0.0.1:3000"
auth = "none"

[conditions.office_hours]
time = { days = "mon-fri", from = "07:00", to = "19:00", zone = "Europe/Berlin" }

[plans.tiny]
limits = [{ rate = "2/min" }]
"#;

fn question(line: &str, caller: Caller) -> ExplainInput {
    let (method, path) = line.split_once(' ').unwrap();
    ExplainInput {
        caller,
        target: Some(Target {
            method: method.parse().unwrap(),
            host: "api.example.com".to_owned(),
            path: path.to_owned(),
            query: None,
        }),
        headers: HeaderMap::new(),
        ip: "203.0.113.9".parse().unwrap(),
        at: None,
        now: ManualClock::new(NOW.parse().unwrap()).now(),
    }
}

fn partner() -> Key {
    Key {
        scopes: vec!["invoices:read".parse().unwrap()],
        conditions: json(r#"{"ip":{"allow":["203.0.113.0/24"]}}"#),
        expires_at: at("2026-12-01T00:00:00Z"),
        plan: Some("tiny".parse().unwrap()),
        ..key("partner-eu")
    }
}

async fn explained(gate: &Gate, input: ExplainInput) -> (Vec<String>, Explanation) {
    let explanation = gate.engine.explain(&gate.snapshot, input).await;
    let mark = |o| match o {
        StepOutcome::Passed => '✓',
        StepOutcome::Failed => '✗',
        StepOutcome::NotReached => '–',
    };
    let line =
        |s: &Step| format!("{} {}: {} {}", mark(s.outcome), s.name, s.detail, s.origin.as_deref().unwrap_or("-"));
    (explanation.steps.iter().map(line).collect(), explanation)
}

#[tokio::test]
async fn every_step_says_what_it_saw_and_where_the_rule_stands() {
    let gate = Gate::new(TOML).await;
    let record = partner();
    gate.put(&record);
    let (steps, explanation) = explained(&gate, question("POST /v1/invoices", Caller::Id(record.id))).await;
    assert_eq!(
        steps,
        [
            "✓ route: invoices gateway.toml:3",
            &format!("✓ credential: whoever holds {} -", record.id),
            &format!("✓ key: partner-eu ({}), active, expires 2026-12-01 -", record.id),
            "✓ time: Mon 15:33 Europe/Berlin, inside mon-fri 07:00–19:00 Europe/Berlin gateway.toml:15",
            "✓ ip: 203.0.113.9 is allowed -",
            "✗ scope: needs invoices:write, has invoices:read gateway.toml:7",
            "– limits: not reached -",
        ]
    );
    assert_eq!(explanation.refusal.unwrap().reason, Reason::InsufficientScope);
    assert_eq!(
        explanation.fix,
        [
            "argus key edit partner-eu --add-scope invoices:write",
            "let POST on route \"invoices\" accept invoices:read (gateway.toml:7)",
        ]
    );
    assert!(explanation.steps.iter().all(|s| s.us >= 0.0 && s.us < 1_000_000.0));
}

#[tokio::test]
async fn explaining_takes_nothing_and_counts_no_failures() {
    let gate = Gate::new(TOML).await;
    let record = partner();
    let secret = gate.put(&record);
    for _ in 0..20 {
        let (steps, explanation) = explained(&gate, question("GET /v1/invoices", Caller::Id(record.id))).await;
        assert!(explanation.refusal.is_none(), "{steps:#?}");
        assert_eq!(steps.last().unwrap(), "✓ limits: minute 2/min: 1 left -");
    }
    for _ in 0..200 {
        let (_, explanation) =
            explained(&gate, question("GET /v1/invoices", Caller::Presented(PresentedKey::new(b"wrong").unwrap())))
                .await;
        assert_eq!(explanation.refusal.unwrap().reason, Reason::InvalidCredentials);
    }
    let call = || call("GET /v1/invoices").key(&secret).from("203.0.113.9");
    for expected in ["ok", "ok", "rate_limited"] {
        assert_eq!(code(&gate.ask(&call()).await), expected);
    }
}

/// What an explanation says is what a decision does.
#[tokio::test]
async fn explanations_agree_with_decisions() {
    let gate = Gate::new(TOML).await;
    let good = partner();
    let expired = Key { expires_at: at("2026-09-01T00:00:00Z"), ..key("expired") };
    let elsewhere = Key { conditions: json(r#"{"ip":{"allow":["192.0.2.0/24"]}}"#), ..key("elsewhere") };
    let secrets = [&good, &expired, &elsewhere].map(|record| gate.put(record));
    for line in ["GET /v1/invoices", "POST /v1/invoices", "PUT /v1/invoices", "GET /open", "GET /nowhere"] {
        for secret in secrets.iter().map(Some).chain([None]) {
            let mut asked = call(line).from("203.0.113.9");
            let mut input = question(line, Caller::Headers);
            if let Some(secret) = secret {
                asked = asked.key(secret);
                input.headers = asked.headers.clone();
            }
            let explanation = gate.engine.explain(&gate.snapshot, input).await;
            let decision = gate.ask(&asked).await;
            let explained = explanation.refusal.as_ref().map_or("ok", |r| r.reason.code());
            if code(&decision) != "rate_limited" {
                assert_eq!(explained, code(&decision), "{line}");
            }
            if explained != "ok" {
                assert!(!explanation.fix.is_empty(), "{line}: {explained} has a remedy");
                let failed = explanation.steps.iter().filter(|s| s.outcome == StepOutcome::Failed).count();
                assert_eq!(failed, 1, "{line}: {explained}");
            }
        }
    }
}

#[tokio::test]
async fn operators_see_what_callers_do_not() {
    let gate = Gate::new(TOML).await;
    let live = key("live");
    let secret = gate.put(&live);
    let mut damaged = secret.expose().to_vec();
    damaged.swap(30, 31);
    damaged[32] = if damaged[32] == b'x' { b'y' } else { b'x' };
    for (credential, told) in [
        (&b"hunter2"[..], "not shaped like a key"),
        (&damaged, "checksum"),
        (crate::snapshot::tests::secret_of(&key("nobody")).expose(), "no such key"),
    ] {
        let caller = Caller::Presented(PresentedKey::new(credential).unwrap());
        let (steps, _) = explained(&gate, question("GET /v1/invoices", caller)).await;
        assert!(steps.iter().any(|s| s.starts_with("✗ key") && s.contains(told)), "{steps:#?}");
        assert!(!steps.concat().contains(std::str::from_utf8(credential).unwrap()), "no credential is told back");
    }
}

#[tokio::test]
async fn another_moment_and_no_target() {
    let gate = Gate::new(TOML).await;
    let record = partner();
    gate.put(&record);
    let mut sunday = question("GET /v1/invoices", Caller::Id(record.id));
    sunday.at = at("2026-09-20T12:00:00Z");
    let (_, explanation) = explained(&gate, sunday).await;
    assert_eq!(explanation.refusal.unwrap().reason, Reason::OutsideTimeWindow);
    let mut alone = question("GET /v1/invoices", Caller::Id(record.id));
    alone.target = None;
    let (steps, explanation) = explained(&gate, alone).await;
    assert!(explanation.refusal.is_none() && explanation.route.is_none(), "{steps:#?}");
}

#[tokio::test]
async fn verifying_takes_units_if_asked_to() {
    let gate = Gate::new(TOML).await;
    let record = partner();
    let secret = gate.put(&record);
    let ask = |consume| {
        let presented = PresentedKey::new(secret.expose()).unwrap();
        let input = question("GET /v1/invoices", Caller::Presented(presented));
        let gate = &gate;
        async move {
            let verified = gate.engine.verify(&gate.snapshot, input, consume).await;
            verified.refusal.map_or("ok", |r| r.reason.code())
        }
    };
    for (consume, expected) in [
        (false, "ok"),
        (false, "ok"),
        (false, "ok"),
        (true, "ok"),
        (true, "ok"),
        (true, "rate_limited"),
        (false, "rate_limited"),
    ] {
        assert_eq!(ask(consume).await, expected);
    }
}
