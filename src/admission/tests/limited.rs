//! Limits, costs, failed credentials, and the headers that tell of them.

use super::*;
use crate::snapshot::RateLimitHeaders;
use crate::snapshot::tests::{key, owner, secret_of};

const BOTH: RateLimitHeaders = RateLimitHeaders { ietf: true, legacy: true };

const TOML: &str = r#"
[routes.orders]
paths = ["/orders"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
cost = { GET = 1, POST = 5 }

[routes.reports]
paths = ["/reports"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
limits = [{ rate = "2/min" }]

[routes.open]
paths = ["/open"]
upstream = "http://127.0.0.1:3000"
auth = "none"
limits = [{ rate = "2/min", by = "key" }]

[routes.shared]
paths = ["/shared"]
upstream = "http://127.0.0.1:3000"
auth = "none"
limits = [{ rate = "3/min", by = "route" }]

[plans.pro]
limits = [
  { name = "burst",  rate = "50/s", burst = 10, strategy = "token_bucket" },
  { name = "steady", rate = "3000/min" },
]
quota = { units = 12, every = "month" }

[plans.tiny]
limits = [{ rate = "3/min" }]
"#;

fn on_plan(name: &str, plan: &str) -> Key {
    Key { plan: Some(plan.parse().unwrap()), ..key(name) }
}

fn headers(decision: &Decision, gate: &Gate) -> Vec<String> {
    let mut out = HeaderMap::new();
    decision.limits.headers(BOTH, gate.clock.now(), &mut out);
    out.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

#[tokio::test]
async fn the_default_plan_is_a_hundred_a_minute() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&key("one"));
    for _ in 0..100 {
        assert_eq!(code(&gate.ask(&call("GET /orders").key(&secret)).await), "ok");
    }
    let decision = gate.ask(&call("GET /orders").key(&secret)).await;
    let told = refusal(&decision);
    assert_eq!((told.reason, &told.violated[..]), (Reason::RateLimited, &["minute".parse().unwrap()][..]));
    // 13:33:20: 40 s of the minute are left, and then a hundredth of the next until one unit is free.
    assert_eq!(told.retry_after_s, Some(41));
    let other = gate.put(&key("two"));
    assert_eq!(code(&gate.ask(&call("GET /orders").key(&other)).await), "ok", "others are not touched");
    gate.clock.advance(Duration::from_secs(40));
    assert_eq!(code(&gate.ask(&call("GET /orders").key(&secret)).await), "rate_limited");
    gate.clock.advance(Duration::from_secs(1));
    assert_eq!(code(&gate.ask(&call("GET /orders").key(&secret)).await), "ok", "waiting as told is enough");
}

#[tokio::test]
async fn cost_and_quota() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&on_plan("one", "pro"));
    let decision = gate.ask(&call("POST /orders").key(&secret)).await;
    assert_eq!((code(&decision), decision.cost), ("ok", 5));
    assert_eq!(code(&gate.ask(&call("POST /orders").key(&secret)).await), "ok");
    let decision = gate.ask(&call("POST /orders").key(&secret)).await;
    assert_eq!(code(&decision), "quota_exceeded", "12 a month: ten are gone");
    assert_eq!(refusal(&decision).violated.iter().map(|n| n.as_str()).collect::<Vec<_>>(), ["burst", "month"]);
    assert_eq!(code(&gate.ask(&call("HEAD /orders").key(&secret)).await), "rate_limited", "the bucket is empty");
    gate.clock.advance(Duration::from_secs(1));
    assert_eq!(code(&gate.ask(&call("HEAD /orders").key(&secret)).await), "ok", "two are left, and cost one each");
}

#[tokio::test]
async fn headers_tell_the_tightest_first() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&on_plan("one", "pro"));
    let decision = gate.ask(&call("GET /orders").key(&secret)).await;
    assert_eq!(
        headers(&decision, &gate),
        [
            "ratelimit-policy: \"burst\";q=10;w=1, \"steady\";q=3000;w=60, \"month\";q=12;w=2592000",
            // The bucket fills in 20 ms, the month ends in 9 days, 10 h, 26 min and 40 s, and the one unit taken in
            // this minute counts until the end of the next.
            "ratelimit: \"burst\";r=9;t=1, \"month\";r=11;t=815200, \"steady\";r=2999;t=100",
            "x-ratelimit-limit: 10",
            "x-ratelimit-remaining: 9",
            "x-ratelimit-reset: 1789997601",
        ]
    );
    let mut out = HeaderMap::new();
    decision.limits.headers(RateLimitHeaders { ietf: false, legacy: false }, gate.clock.now(), &mut out);
    assert!(out.is_empty());
}

#[tokio::test]
async fn the_upstreams_own_limits_are_never_widened() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&key("one"));
    let decision = gate.ask(&call("GET /orders").key(&secret)).await;
    for (theirs, legacy) in [("7", "7"), ("500", "99"), ("many", "99")] {
        let mut out = HeaderMap::new();
        out.insert("ratelimit", HeaderValue::from_static("\"theirs\";r=1;t=1"));
        out.insert("x-ratelimit-remaining", HeaderValue::from_str(theirs).unwrap());
        decision.limits.headers(BOTH, gate.clock.now(), &mut out);
        assert_eq!(out["x-ratelimit-remaining"], legacy);
        assert_eq!(out.get_all("ratelimit").iter().count(), 2);
    }
}

#[tokio::test]
async fn a_routes_limit_is_told_by_its_name_and_counts_its_route_alone() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&key("one"));
    for _ in 0..2 {
        assert_eq!(code(&gate.ask(&call("GET /reports").key(&secret)).await), "ok");
    }
    let decision = gate.ask(&call("GET /reports").key(&secret)).await;
    assert_eq!(refusal(&decision).violated[0].as_str(), "reports.minute");
    let told = headers(&decision, &gate);
    assert_eq!(told[0], "ratelimit-policy: \"minute\";q=100;w=60");
    assert_eq!(told[1], "ratelimit-policy: \"reports.minute\";q=2;w=60");
    assert!(
        told[2].starts_with("ratelimit: \"reports.minute\";r=0;t=") && told[2].contains("\"minute\";r=98;t="),
        "{told:?}"
    );
    assert_eq!(code(&gate.ask(&call("GET /orders").key(&secret)).await), "ok");
}

#[tokio::test]
async fn public_routes_count_addresses() {
    let gate = Gate::new(TOML).await;
    for _ in 0..2 {
        assert_eq!(code(&gate.ask(&call("GET /open")).await), "ok");
    }
    assert_eq!(code(&gate.ask(&call("GET /open")).await), "rate_limited");
    assert_eq!(code(&gate.ask(&call("GET /open").from("198.51.100.8")).await), "ok");
    for host in 1..=2 {
        let from = format!("2001:db8:1:2::{host}");
        assert_eq!(code(&gate.ask(&call("GET /open").from(&from)).await), "ok");
    }
    assert_eq!(
        code(&gate.ask(&call("GET /open").from("2001:db8:1:2:ffff::1")).await),
        "rate_limited",
        "one home is one client"
    );
    assert_eq!(code(&gate.ask(&call("GET /open").from("2001:db8:1:3::1")).await), "ok");
    for n in 1..=3 {
        assert_eq!(code(&gate.ask(&call("GET /shared").from(&format!("203.0.113.{n}"))).await), "ok");
    }
    assert_eq!(code(&gate.ask(&call("GET /shared").from("203.0.113.99")).await), "rate_limited");
}

#[tokio::test]
async fn an_owners_keys_share_its_limits() {
    let gate = Gate::new(TOML).await;
    let mut acme = owner("own_acme");
    acme.limits = json(r#"[{"rate":"3/min","by":"key"}]"#);
    gate.store.owners.lock().insert(acme.id.clone(), acme.clone());
    let [a, b] = ["a", "b"].map(|name| gate.put(&Key { owner: Some(acme.id.clone()), ..key(name) }));
    for secret in [&a, &b, &a] {
        assert_eq!(code(&gate.ask(&call("GET /orders").key(secret)).await), "ok");
    }
    let decision = gate.ask(&call("GET /orders").key(&b)).await;
    assert_eq!(refusal(&decision).violated[0].as_str(), "owner.minute");
}

#[tokio::test]
async fn a_keys_own_limits_replace_the_plans() {
    let gate = Gate::new(TOML).await;
    let own_rate = Key { limits: json(r#"[{"rate":"1/h"}]"#), ..on_plan("one", "pro") };
    let own_quota = Key { quota: Some(json(r#"{"units":1,"every":"day"}"#)), ..on_plan("two", "pro") };
    for (record, names) in [(own_rate, ["month", "hour"].as_slice()), (own_quota, &["burst", "steady", "day"])] {
        let secret = gate.put(&record);
        let decision = gate.ask(&call("GET /orders").key(&secret)).await;
        let met: Vec<&str> = decision.limits.iter().map(|(bound, _)| bound.label.as_str()).collect();
        assert_eq!(met, names);
        assert_eq!(code(&decision), "ok");
        assert_ne!(code(&gate.ask(&call("GET /orders").key(&secret)).await), "ok");
    }
}

#[tokio::test]
async fn refused_calls_take_nothing() {
    let gate =
        Gate::new(&TOML.replace("cost = { GET = 1, POST = 5 }", "scopes = { GET = \"a:b\", POST = \"c:d\" }")).await;
    let secret = gate.put(&Key { scopes: vec!["a:b".parse().unwrap()], ..on_plan("one", "tiny") });
    for _ in 0..20 {
        let decision = gate.ask(&call("POST /orders").key(&secret)).await;
        assert_eq!(code(&decision), "insufficient_scope");
        assert!(headers(&decision, &gate).is_empty(), "nor do they tell what is left");
    }
    for expected in ["ok", "ok", "ok", "rate_limited", "rate_limited"] {
        assert_eq!(code(&gate.ask(&call("GET /orders").key(&secret)).await), expected);
    }
}

#[tokio::test]
async fn what_never_fits_says_so() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&on_plan("one", "tiny"));
    let decision = gate.ask(&call("POST /orders").key(&secret)).await;
    assert!(refusal(&decision).detail.contains("costs 5 units"), "{}", refusal(&decision).detail);
}

#[tokio::test]
async fn a_full_table_is_overload() {
    let gate = Gate::with(TOML, Documents::default(), GeoDbs::none(), 0).await;
    let mut overloaded = 0;
    for n in 0..10_000_u32 {
        let from = std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string();
        let decision = gate.ask(&call("GET /open").from(&from)).await;
        if code(&decision) == "gateway_overloaded" {
            assert_eq!(refusal(&decision).retry_after_s, Some(1));
            overloaded += 1;
        }
    }
    assert!((1..10_000).contains(&overloaded), "{overloaded}");
}

const GUESSED: &str = r#"
[routes.all]
paths = ["/*"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"

[auth.api_key]
failures = "5/min"
"#;

#[tokio::test]
async fn guessing_ends_in_silence() {
    let gate = Gate::new(GUESSED).await;
    let good = gate.put(&key("one"));
    for _ in 0..50 {
        assert_eq!(code(&gate.ask(&call("GET /x")).await), "missing_credentials", "none is not a guess");
    }
    for _ in 0..5 {
        let guess = secret_of(&key("nobody"));
        assert_eq!(code(&gate.ask(&call("GET /x").key(&guess)).await), "invalid_credentials");
    }
    let asked = gate.store.lookups();
    let unheard = [call("GET /x").key(&secret_of(&key("nobody"))), call("GET /x").key(&good), call("GET /x")];
    for call in unheard {
        let decision = gate.ask(&call).await;
        assert_eq!((code(&decision), decision.source), ("too_many_failures", DecisionSource::Reject));
        assert!(refusal(&decision).retry_after_s >= Some(1) && refusal(&decision).key_id.is_none());
    }
    assert_eq!(gate.store.lookups(), asked, "the store is not asked any more");
    assert_eq!(code(&gate.ask(&call("GET /x").key(&good).from("203.0.113.9")).await), "ok", "others are heard");
    let wait = refusal(&gate.ask(&call("GET /x")).await).retry_after_s.unwrap();
    gate.clock.advance(Duration::from_secs(wait));
    assert_eq!(code(&gate.ask(&call("GET /x").key(&good)).await), "ok");
}
