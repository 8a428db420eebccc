//! Conditions: of the route, named by the key, the key's own.

use super::*;
use crate::snapshot::tests::key;

const FENCED: &str = r#"
[routes.all]
paths = ["/*"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"

[routes.office]
paths = ["/office"]
upstream = "http://127.0.0.1:3000"
auth = "none"
conditions = ["office_hours", "partners"]

[conditions.office_hours]
time = { days = "mon-fri", from = "07:00", to = "19:00", zone = "Europe/Berlin" }

[conditions.partners]
ip = { allow = ["198.51.100.0/24"], deny = ["198.51.100.66"] }
"#;

#[tokio::test]
async fn conditions_of_the_key() {
    let gate = Gate::new(FENCED).await;
    for (condition, field, ip, expected) in [
        (r#"{"ip":{"allow":["198.51.100.0/24"]}}"#, None, "198.51.100.7", "ok"),
        (r#"{"ip":{"allow":["198.51.100.0/24"]}}"#, None, "::ffff:198.51.100.7", "ok"),
        (r#"{"ip":{"allow":["198.51.100.0/24"]}}"#, None, "203.0.113.9", "ip_not_allowed"),
        (r#"{"ip":{"deny":["203.0.113.0/24"]}}"#, None, "203.0.113.9", "ip_not_allowed"),
        (r#"{"time":{"days":"mon","from":"13:00","to":"14:00"}}"#, None, "203.0.113.9", "ok"),
        (r#"{"time":{"days":"tue"}}"#, None, "203.0.113.9", "outside_time_window"),
        (r#"{"time":[{"days":"tue"},{"days":"mon"}]}"#, None, "203.0.113.9", "ok"),
        (r#"{"referrer":{"allow":["https://*.example.com"]}}"#, Some("https://a.example.com"), "203.0.113.9", "ok"),
        (
            r#"{"referrer":{"allow":["https://*.example.com"]}}"#,
            Some("https://evil.test"),
            "203.0.113.9",
            "referrer_not_allowed",
        ),
        (r#"{"referrer":{"allow":["https://*.example.com"]}}"#, None, "203.0.113.9", "referrer_not_allowed"),
        (r#"{"country":{"allow":["DE"]}}"#, None, "203.0.113.9", "country_not_allowed"),
        (r#"{"network":{"deny":["AS64496"]}}"#, None, "203.0.113.9", "network_not_allowed"),
    ] {
        let secret = gate.put(&Key { conditions: json(condition), ..key("one") });
        let mut call = call("GET /x").key(&secret).from(ip);
        if let Some(origin) = field {
            call = call.field("origin", origin);
        }
        assert_eq!(code(&gate.ask(&call).await), expected, "{condition} from {ip} {field:?}");
    }
    // One value that is allowed does not cover for another.
    let secret = gate.put(&Key { conditions: json(r#"{"referrer":{"allow":["https://a.test"]}}"#), ..key("one") });
    let both = call("GET /x").key(&secret).field("origin", "https://a.test").field("origin", "https://evil.test");
    assert_eq!(code(&gate.ask(&both).await), "referrer_not_allowed");
    let referer = call("GET /x").key(&secret).field("referer", "https://a.test/page");
    assert_eq!(code(&gate.ask(&referer).await), "ok");
}

#[tokio::test]
async fn conditions_of_the_route_and_named_by_the_key() {
    let gate = Gate::new(FENCED).await;
    assert_eq!(code(&gate.ask(&call("GET /office")).await), "ok");
    let decision = gate.ask(&call("GET /office").from("198.51.100.66")).await;
    let refusal_ = refusal(&decision);
    assert_eq!((refusal_.reason, refusal_.key_id), (Reason::IpNotAllowed, None));
    assert_eq!(serde_json::to_string(&refusal_.observed).unwrap(), r#"{"ip":"198.51.100.66"}"#);
    gate.clock.set_wall("2026-09-21T17:00:00Z".parse().unwrap());
    let decision = gate.ask(&call("GET /office")).await;
    assert_eq!(code(&decision), "outside_time_window");
    assert!(refusal(&decision).detail.contains("Mon 19:00 Europe/Berlin"), "{}", refusal(&decision).detail);
    let named = gate.put(&Key { condition_names: vec!["partners".parse().unwrap()], ..key("one") });
    assert_eq!(code(&gate.ask(&call("GET /x").key(&named)).await), "ok");
    assert_eq!(code(&gate.ask(&call("GET /x").key(&named).from("203.0.113.9")).await), "ip_not_allowed");
}

#[tokio::test]
async fn what_a_key_names_and_is_gone_closes_it() {
    let gate = Gate::new(FENCED).await;
    let secret = gate.put(&Key { condition_names: vec!["gone".parse().unwrap()], ..key("one") });
    let decision = gate.ask(&call("GET /x").key(&secret)).await;
    assert_eq!(code(&decision), "conditions_not_met");
    assert!(decision.access.unwrap().grant.broken.as_deref().unwrap().contains("gone"));
}

#[tokio::test]
async fn minimal_detail_keeps_the_rule_to_itself() {
    let gate = Gate::new(&format!("{FENCED}\n[errors]\ndetail = \"minimal\"\n")).await;
    let mut told = Vec::new();
    for condition in
        [r#"{"ip":{"deny":["198.51.100.0/24"]}}"#, r#"{"time":{"days":"tue"}}"#, r#"{"country":{"allow":["DE"]}}"#]
    {
        let secret = gate.put(&Key { conditions: json(condition), ..key("one") });
        let decision = gate.ask(&call("GET /x").key(&secret)).await;
        let refusal = refusal(&decision);
        told.push((refusal.reason, refusal.detail.clone(), refusal.observed.clone()));
    }
    told.dedup();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0, &told[0].2), (Reason::ConditionsNotMet, &None));
}

#[tokio::test]
async fn unplaced_clients_pass_by_the_setting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("country.mmdb");
    let mut writer = mmdb_writer::Writer::new("Test-Country");
    let record = std::collections::BTreeMap::from([("country_code", "DE")]);
    writer.insert("198.51.100.0/24".parse::<ipnet::IpNet>().unwrap(), &record).unwrap();
    std::fs::write(&path, writer.to_bytes().unwrap()).unwrap();
    for (unknown, expected) in [("deny", "country_not_allowed"), ("allow", "ok")] {
        let toml = format!("{FENCED}\n[geo]\ncountry_db = \"{}\"\nunknown = \"{unknown}\"\n", path.display());
        let geo = GeoDbs::open(Some(&path), None).unwrap();
        let gate = Gate::with(&toml, Documents::default(), geo, 8 << 20).await;
        let secret = gate.put(&Key { conditions: json(r#"{"country":{"allow":["DE"]}}"#), ..key("one") });
        assert_eq!(code(&gate.ask(&call("GET /x").key(&secret).from("198.51.100.1")).await), "ok");
        assert_eq!(code(&gate.ask(&call("GET /x").key(&secret).from("203.0.113.9")).await), expected);
        let elsewhere = gate.put(&Key { conditions: json(r#"{"country":{"allow":["BR"]}}"#), ..key("two") });
        let decision = gate.ask(&call("GET /x").key(&elsewhere).from("198.51.100.1")).await;
        let observed = serde_json::to_string(&refusal(&decision).observed).unwrap();
        assert_eq!(observed, r#"{"ip":"198.51.100.1","country":"DE"}"#);
    }
}
