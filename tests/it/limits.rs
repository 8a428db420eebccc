//! Limits: who is let through, who is not, and what both are told.

use super::support::{Answer, Gateway, KEYED, Origin};

const PLANS: &str = r#"
[plans.three]
limits = [{ name = "steady", rate = "3/h", strategy = "fixed_window" }]

[plans.two_limits]
limits = [
  { name = "wide", rate = "100/h" },
  { name = "narrow", rate = "2/h" },
]

[plans.bucket]
limits = [{ rate = "1/h", burst = 4, strategy = "token_bucket" }]

[plans.quota]
quota = { units = 2, every = "month" }
"#;

fn with_plans() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("{KEYED}{PLANS}"));
    (origin, gateway)
}

fn statuses(gateway: &Gateway, key: &str, count: usize) -> Vec<u16> {
    (0..count).map(|_| gateway.get("/a").key(key).send().status).collect()
}

#[test]
fn so_many_and_no_more() {
    let (origin, gateway) = with_plans();
    for (plan, passing) in [("three", 3), ("two_limits", 2), ("bucket", 4), ("quota", 2)] {
        let key = gateway.key(&[plan, "--plan", plan]);
        let before = origin.count();
        let got = statuses(&gateway, &key, passing + 2);
        let expected: Vec<u16> = (0..passing + 2).map(|i| if i < passing { 200 } else { 429 }).collect();
        assert_eq!(got, expected, "{plan}");
        assert_eq!(origin.count() - before, passing);
    }
}

#[test]
fn callers_are_told() {
    let (_origin, gateway) = with_plans();
    let key = gateway.key(&["a", "--plan", "three"]);
    let first = gateway.get("/a").key(&key).send().expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"steady\";q=3;w=3600");
    let (r, t) = remaining(&first, "steady");
    assert_eq!(r, 2);
    assert!((1..=3600).contains(&t), "{t}");
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), ("3", "2"));
    let reset: i64 = first.header("x-ratelimit-reset").parse().unwrap();
    let now = jiff::Timestamp::now().as_second();
    assert!((now..=now + 3601).contains(&reset), "{reset}");
    statuses(&gateway, &key, 2);
    let refused = gateway.get("/a").key(&key).send().refused(429, "rate_limited");
    assert_eq!(remaining(&refused, "steady").0, 0);
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!(wait >= remaining(&refused, "steady").1 && wait <= 3600, "{wait}");
    let problem = refused.json();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["violated-policies"][0], "steady");
    assert!(refused.header("proxy-status").contains("rate_limited"));
}

/// `r` and `t` of one policy in `RateLimit`.
fn remaining(answer: &Answer, policy: &str) -> (i64, i64) {
    let item = answer.header("ratelimit").split(", ").find(|item| item.starts_with(&format!("\"{policy}\""))).unwrap();
    let number = |name: &str| {
        item.split(';').find_map(|part| part.strip_prefix(name)).and_then(|n| n.parse().ok()).expect("a number")
    };
    (number("r="), number("t="))
}

#[test]
fn quotas_say_so() {
    let (_origin, gateway) = with_plans();
    let key = gateway.key(&["a", "--plan", "quota"]);
    statuses(&gateway, &key, 2);
    gateway.get("/a").key(&key).send().refused(429, "quota_exceeded");
}

#[test]
fn refused_calls_cost_nothing() {
    let origin = Origin::start();
    let toml = format!(
        "{KEYED}{PLANS}[routes.other]\npaths = [\"/other\"]\nupstream = \"{{origin}}\"\nauth = \"api_key\"\nscopes = \"x:read\"\n"
    );
    let gateway = Gateway::start(&origin, &toml);
    let key = gateway.key(&["a", "--plan", "three"]);
    for _ in 0..5 {
        gateway.get("/other").key(&key).send().refused(403, "insufficient_scope");
    }
    assert_eq!(statuses(&gateway, &key, 4), [200, 200, 200, 429]);
}

#[test]
fn a_hundred_a_minute_if_nothing_is_said() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    let answer = gateway.get("/a").key(&key).send().expect(200);
    assert_eq!(answer.header("x-ratelimit-limit"), "100");
    assert!(answer.header("ratelimit-policy").contains("q=100;w=60"), "{}", answer.header("ratelimit-policy"));
}

#[test]
fn keys_do_not_share_but_owners_do() {
    let (_origin, gateway) = with_plans();
    let (a, b) = (gateway.key(&["a", "--plan", "three"]), gateway.key(&["b", "--plan", "three"]));
    assert_eq!(statuses(&gateway, &a, 4), [200, 200, 200, 429]);
    assert_eq!(statuses(&gateway, &b, 1), [200]);
    let body = serde_json::json!({ "name": "acme", "limits": [{ "rate": "3/h", "by": "owner" }] });
    gateway.admin("POST", "/v1/owners").json(&body).send().expect(201);
    let (c, d) = (gateway.key(&["c", "--owner", "acme"]), gateway.key(&["d", "--owner", "acme"]));
    assert_eq!(statuses(&gateway, &c, 2), [200, 200]);
    assert_eq!(statuses(&gateway, &d, 2), [200, 429]);
}

#[test]
fn routes_have_limits_and_costs() {
    let origin = Origin::start();
    let toml = r#"
[routes.api]
paths = ["/api"]
upstream = "{origin}"
auth = "api_key"
cost = { GET = 1, POST = 3 }
limits = [{ name = "units", rate = "5/h", by = "key" }]

[routes.shared]
paths = ["/shared"]
upstream = "{origin}"
auth = "none"
limits = [{ rate = "2/h", by = "ip" }]
"#;
    let gateway = Gateway::start(&origin, toml);
    let key = gateway.key(&["a"]);
    let post = || gateway.request("POST", "/api").key(&key).body("x").send();
    assert_eq!(post().expect(200).header("x-ratelimit-remaining"), "2");
    post().refused(429, "rate_limited");
    // What is left is enough for what costs less.
    gateway.get("/api").key(&key).send().expect(200);
    let shared = |from: &str| gateway.get("/shared").from(from).send().status;
    assert_eq!(
        [shared("127.0.0.5"), shared("127.0.0.5"), shared("127.0.0.5"), shared("127.0.0.6")],
        [200, 200, 429, 200]
    );
}

#[test]
fn header_families_can_be_chosen() {
    let origin = Origin::start();
    for (families, ietf, legacy) in [("[\"ietf\"]", true, false), ("[\"legacy\"]", false, true), ("[]", false, false)] {
        let gateway = Gateway::start(&origin, &format!("ratelimit_headers = {families}\n{KEYED}"));
        let key = gateway.key(&["a"]);
        let answer = gateway.get("/a").key(&key).send().expect(200);
        assert_eq!(
            (answer.headers.has("ratelimit"), answer.headers.has("x-ratelimit-limit")),
            (ietf, legacy),
            "{families}"
        );
    }
}

#[test]
fn nobody_gets_more_by_asking_at_once() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("{KEYED}[plans.fifty]\nlimits = [{{ rate = \"50/h\" }}]\n"));
    let key = gateway.key(&["a", "--plan", "fifty"]);
    let passed: usize = std::thread::scope(|scope| {
        let ask = || {
            let mut connection = gateway.connect();
            (0..25).filter(|_| gateway.get("/a").key(&key).send_on(&mut connection).status == 200).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(passed, 50);
    assert_eq!(origin.count(), 50);
}

#[test]
fn counters_survive_a_restart() {
    let (_origin, mut gateway) = with_plans();
    let key = gateway.key(&["a", "--plan", "three"]);
    assert_eq!(statuses(&gateway, &key, 2), [200, 200]);
    gateway.stop().ok();
    gateway.start_again();
    assert_eq!(statuses(&gateway, &key, 2), [200, 429]);
}

#[test]
fn a_changed_limit_acts_at_once() {
    let (_origin, gateway) = with_plans();
    let key = gateway.key(&["a", "--plan", "three"]);
    assert_eq!(statuses(&gateway, &key, 4), [200, 200, 200, 429]);
    gateway.argus(&["key", "edit", "a", "--plan", "two_limits"]).ok();
    assert_eq!(statuses(&gateway, &key, 3), [200, 200, 429]);
}
