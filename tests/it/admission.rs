//! Every refusal there is, each beside a call that passes and differs in that one thing.

use super::support::client::Request;
use super::support::{Gateway, KEYED, Origin, Setup, until};

/// A route for every demand. Clients are taken at their word about their address, as the tests are all on loopback.
const ROUTES: &str = r#"
[clients]
trusted_proxies = ["127.0.0.1/32"]

[geo]
country_db = "{dir}/country.mmdb"
asn_db = "{dir}/asn.mmdb"
unknown = "deny"

[conditions.fence]
ip = { allow = ["198.51.100.0/24", "2001:db8:42::/48"], deny = ["198.51.100.66"] }

[conditions.germany]
country = { allow = ["DE"] }

[conditions.no_hosting]
network = { deny = ["AS64497"] }

[conditions.always]
time = { days = "mon-sun", from = "00:00", to = "24:00", zone = "Europe/Berlin" }

[conditions.never_now]
time = { days = "{another_day}", zone = "UTC" }

[conditions.page]
referrer = { allow = ["https://*.example.com"] }

[routes.keyed]
paths = ["/keyed", "/keyed/*"]
upstream = "{origin}"
auth = "api_key"

[routes.open]
paths = ["/open"]
upstream = "{origin}"
auth = "none"

[routes.only_post]
paths = ["/only-post"]
methods = ["POST"]
upstream = "{origin}"
auth = "none"

[routes.one_host]
hosts = ["api.example.com"]
paths = ["/one-host"]
upstream = "{origin}"
auth = "none"

[routes.scoped]
paths = ["/scoped"]
upstream = "{origin}"
auth = "api_key"
scopes = { GET = "orders:read", "POST,PUT" = "orders:write" }

[routes.fenced]
paths = ["/fenced"]
upstream = "{origin}"
auth = "api_key"
conditions = ["fence"]

[routes.german]
paths = ["/german"]
upstream = "{origin}"
auth = "api_key"
conditions = ["germany"]

[routes.no_hosting]
paths = ["/no-hosting"]
upstream = "{origin}"
auth = "api_key"
conditions = ["no_hosting"]

[routes.always]
paths = ["/always"]
upstream = "{origin}"
auth = "api_key"
conditions = ["always"]

[routes.closed]
paths = ["/closed"]
upstream = "{origin}"
auth = "api_key"
conditions = ["never_now"]

[routes.page]
paths = ["/page"]
upstream = "{origin}"
auth = "api_key"
conditions = ["page"]
"#;

struct Scene {
    origin: Origin,
    gateway: Gateway,
    key: String,
}

fn scene() -> Scene {
    let origin = Origin::start();
    // Two days on, in every zone, is not today.
    let day = jiff::Zoned::now().in_tz("UTC").unwrap().checked_add(jiff::Span::new().days(3)).unwrap().weekday();
    let day = format!("{day:?}").to_lowercase()[..3].to_owned();
    let gateway = Setup::new(&ROUTES.replace("{another_day}", &day))
        .origin(&origin.url())
        .file("country.mmdb", super::geoip::countries())
        .file("asn.mmdb", super::geoip::systems())
        .start();
    let key = gateway.key(&["plain"]);
    Scene { origin, gateway, key }
}

impl Scene {
    fn get(&self, target: &str) -> Request {
        self.gateway.get(target)
    }

    /// A GET with the key, from an address a trusted proxy tells.
    fn keyed_from(&self, target: &str, address: &str) -> Request {
        self.get(target).key(&self.key).header("X-Forwarded-For", address)
    }
}

#[test]
fn routes_and_methods() {
    let s = scene();
    s.get("/open").send().expect(200);
    s.get("/nowhere").send().refused(404, "route_not_found");
    s.gateway.request("POST", "/only-post").body("x").send().expect(200);
    let refused = s.get("/only-post").send().refused(405, "method_not_allowed");
    assert_eq!(refused.header("allow"), "POST");
    s.get("/one-host").host("api.example.com").send().expect(200);
    s.get("/one-host").host("API.Example.com.:8080").send().expect(200);
    let elsewhere = s.get("/one-host").host("www.example.com").send().refused(404, "route_not_found");
    let problem = elsewhere.json();
    assert!(problem["detail"].as_str().unwrap().contains("www.example.com"), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("/one-host"), "{problem}");
}

#[test]
fn a_refusal_says_all_that_is_promised() {
    let s = scene();
    let answer = s.get("/keyed").send().refused(401, "missing_credentials");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("www-authenticate").split(' ').next(), Some("Bearer"));
    assert!(!answer.header("www-authenticate").contains("error"), "{}", answer.header("www-authenticate"));
    let status = answer.header("proxy-status");
    assert!(status.starts_with("argus; error=http_request_denied"), "{status}");
    assert!(status.contains("missing_credentials"), "{status}");
    let problem = answer.json();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["title"], "Unauthorized");
    assert_eq!(problem["request_id"], answer.header("x-request-id"));
    assert!(answer.header("x-ratelimit-limit").is_empty() && answer.header("ratelimit").is_empty());
    assert_eq!(s.origin.count(), 0, "nothing is forwarded unadmitted");
}

#[test]
fn credentials_by_every_place() {
    let s = scene();
    s.get("/keyed").key(&s.key).send().expect(200);
    s.get("/keyed").header("x-api-key", &s.key).send().expect(200);
    s.get("/keyed").header("Authorization", &format!("Bearer {}", s.key)).send().expect(200);
    s.get("/keyed").header("authorization", &format!("bearer {}", s.key)).send().expect(200);
    s.get("/keyed").header("Argus-API-Key", &s.key).send().expect(200);
    // Places that are not listed are not looked at.
    s.get(&format!("/keyed?api_key={}", s.key)).send().refused(401, "missing_credentials");
    s.get("/keyed").header("Cookie", &format!("api_key={}", s.key)).send().refused(401, "missing_credentials");
}

#[test]
fn two_different_keys_are_refused_and_the_same_twice_is_told() {
    let s = scene();
    let other = s.gateway.key(&["other"]);
    let both = s.get("/keyed").key(&s.key).header("Authorization", &format!("Bearer {other}"));
    let refused = both.send().refused(400, "multiple_credentials");
    assert!(refused.header("www-authenticate").contains("error=\"invalid_request\""));
    s.get("/keyed").key(&s.key).key(&other).send().refused(400, "multiple_credentials");
}

#[test]
fn whatever_is_wrong_with_a_key_looks_the_same() {
    let s = scene();
    let mut flipped = s.key.clone().into_bytes();
    let last = flipped.len() - 1;
    flipped[last] = if flipped[last] == b'a' { b'b' } else { b'a' };
    let flipped = String::from_utf8(flipped).unwrap();
    let unknown = "argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG";
    let mut bodies = Vec::new();
    for wrong in [flipped.as_str(), unknown, "garbage", "argus_live_", "Ä€", &"x".repeat(3000)] {
        let answer = s.get("/keyed").key(wrong).send().refused(401, "invalid_credentials");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{wrong}");
        assert!(!answer.text().contains(wrong), "a refusal never says the credential");
        let mut problem = answer.json();
        problem.as_object_mut().unwrap().remove("request_id");
        bodies.push(problem.to_string());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[test]
fn states_of_a_key() {
    let s = scene();
    let states: [(&str, &[&str], &str); 2] = [
        ("disabled", &["key", "disable", "disabled"], "key_disabled"),
        ("revoked", &["key", "revoke", "revoked", "--reason", "leaked", "--yes"], "key_revoked"),
    ];
    for (name, command, code) in states {
        let key = s.gateway.key(&[name]);
        s.get("/keyed").key(&key).send().expect(200);
        s.gateway.argus(command).ok();
        let answer = s.get("/keyed").key(&key).send().refused(401, code);
        let challenge = answer.header("www-authenticate").to_owned();
        assert!(
            challenge.contains("error=\"invalid_token\"") && challenge.contains("error_description="),
            "{challenge}"
        );
        assert_eq!(answer.json()["key_id"].as_str().map(str::len), Some(10), "{}", answer.text());
    }
    let soon = s.gateway.key(&["soon-over", "--expires", "2s"]);
    until("the key to expire", || (s.get("/keyed").key(&soon).send().code() == "key_expired").then_some(()));
    let later = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
    let body = serde_json::json!({ "name": "later", "not_before": later });
    let made = s.gateway.admin("POST", "/v1/keys").json(&body).send().expect(201).json();
    let secret = made["secret"].as_str().unwrap();
    s.get("/keyed").key(secret).send().refused(401, "key_not_yet_valid");
}

#[test]
fn addresses() {
    let s = scene();
    s.keyed_from("/fenced", "198.51.100.7").send().expect(200);
    s.keyed_from("/fenced", "2001:db8:42::1").send().expect(200);
    s.keyed_from("/fenced", "::ffff:198.51.100.7").send().expect(200);
    s.keyed_from("/fenced", "198.51.100.66").send().refused(403, "ip_not_allowed");
    let refused = s.keyed_from("/fenced", "203.0.113.9").send().refused(403, "ip_not_allowed");
    assert_eq!(refused.json()["observed"]["ip"], "203.0.113.9");
    // The right-most address that no trusted proxy has is the client's, whatever it says further left.
    s.keyed_from("/fenced", "198.51.100.7, 203.0.113.9").send().refused(403, "ip_not_allowed");
    s.keyed_from("/fenced", "203.0.113.9, 198.51.100.7, 127.0.0.1").send().expect(200);
    // Who is no trusted proxy is not believed.
    s.keyed_from("/fenced", "198.51.100.7").from("127.0.0.2").send().refused(403, "ip_not_allowed");
}

#[test]
fn countries_and_networks() {
    let s = scene();
    s.keyed_from("/german", "192.0.2.5").send().expect(200);
    let refused = s.keyed_from("/german", "192.0.2.200").send().refused(403, "country_not_allowed");
    assert_eq!(refused.json()["observed"]["country"], "FR");
    s.keyed_from("/german", "203.0.113.200").send().refused(403, "country_not_allowed");
    s.keyed_from("/no-hosting", "192.0.2.5").send().expect(200);
    s.keyed_from("/no-hosting", "198.51.100.5").send().refused(403, "network_not_allowed");
}

#[test]
fn windows_of_time() {
    let s = scene();
    s.get("/always").key(&s.key).send().expect(200);
    s.get("/closed").key(&s.key).send().refused(403, "outside_time_window");
}

#[test]
fn pages_that_call() {
    let s = scene();
    let with = |name: &str, value: &str| s.get("/page").key(&s.key).header(name, value).send();
    with("Origin", "https://app.example.com").expect(200);
    with("Referer", "https://app.example.com/a/b?c=d").expect(200);
    with("Origin", "https://app.example.org").refused(403, "referrer_not_allowed");
    with("Origin", "https://example.com.evil.example").refused(403, "referrer_not_allowed");
    s.get("/page").key(&s.key).send().refused(403, "referrer_not_allowed");
}

#[test]
fn scopes() {
    let s = scene();
    let reader = s.gateway.key(&["reader", "--scope", "orders:read"]);
    let anything = s.gateway.key(&["anything", "--scope", "orders:*"]);
    s.get("/scoped").key(&reader).send().expect(200);
    s.gateway.request("POST", "/scoped").key(&anything).body("x").send().expect(200);
    let refused = s.gateway.request("POST", "/scoped").key(&reader).body("x").send().refused(403, "insufficient_scope");
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"orders:write\""), "{challenge}");
    assert_eq!(refused.json()["required_scopes"][0], "orders:write");
    s.get("/scoped").key(&s.key).send().refused(403, "insufficient_scope");
}

#[test]
fn a_keys_own_conditions() {
    let s = scene();
    let fenced = s.gateway.key(&["fenced", "--ip", "203.0.113.0/24", "--country", "BR"]);
    let call = |address: &str| s.get("/keyed").key(&fenced).header("X-Forwarded-For", address).send();
    call("203.0.113.9").expect(200);
    call("203.0.113.200").refused(403, "country_not_allowed");
    call("192.0.2.9").refused(403, "ip_not_allowed");
}

#[test]
fn roles_give_their_scopes() {
    let s = scene();
    s.gateway.argus(&["role", "set", "reading", "--scope", "orders:read"]).ok();
    let key = s.gateway.key(&["by-role", "--role", "reading"]);
    s.get("/scoped").key(&key).send().expect(200);
    s.gateway.request("POST", "/scoped").key(&key).body("x").send().refused(403, "insufficient_scope");
}

#[test]
fn failed_credentials_are_limited_by_address() {
    let origin = Origin::start();
    let toml = format!("{KEYED}\n[auth.api_key]\nfailures = \"5/min\"\n");
    let gateway = Gateway::start(&origin, &toml);
    let key = gateway.key(&["good"]);
    let wrong = || gateway.get("/x").key("garbage").from("127.0.0.9").send();
    let refused = until("the address to be refused unheard", || {
        let answer = wrong();
        (answer.code() == "too_many_failures").then_some(answer)
    });
    let refused = refused.refused(429, "too_many_failures");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    // Other addresses are not touched.
    gateway.get("/x").key(&key).send().expect(200);
}

#[test]
fn hidden_routes_and_minimal_details() {
    let origin = Origin::start();
    let toml = "[errors]\nhide_routes = true\ndetail = \"minimal\"\n[routes.api]\npaths = [\"/api\"]\nupstream = \"{origin}\"\n\
                auth = \"api_key\"\nconditions = [\"nobody\"]\n[conditions.nobody]\nip = { allow = [\"192.0.2.1\"] }\n";
    let gateway = Gateway::start(&origin, toml);
    let key = gateway.key(&["a"]);
    assert_eq!(gateway.get("/nowhere").send().status, 401);
    let refused = gateway.get("/api").key(&key).send().refused(403, "conditions_not_met");
    assert!(refused.json().get("observed").is_none(), "{}", refused.text());
}
