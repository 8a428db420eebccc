//! What the origin gets to see of a request's header, and what it does not.

use super::support::message::Fields;
use super::support::{Gateway, KEYED, OPEN, Origin};

fn names(fields: &Fields) -> Vec<&str> {
    fields.0.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn hop_by_hop_fields_stay_on_their_hop() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    gateway
        .get("/a")
        .header("Connection", "keep-alive, X-Secret, x-other")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authenticate", "Basic")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("TE", "trailers, deflate")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAMAAABkAAQAAP__")
        .header("X-Secret", "1")
        .header("X-Other", "2")
        .header("X-Kept", "3")
        .send()
        .expect(200);
    let seen = origin.last().headers;
    for gone in [
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "upgrade",
        "x-secret",
        "x-other",
    ] {
        assert!(!seen.has(gone), "{gone} was passed on: {:?}", names(&seen));
    }
    assert_eq!(seen.get("x-kept"), Some("3"));
    assert!(seen.get("te").is_none_or(|te| te == "trailers"), "{:?}", seen.get("te"));
    assert!(!seen.get("connection").unwrap_or_default().to_lowercase().contains("x-secret"));
}

#[test]
fn a_client_cannot_name_our_fields_away() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    gateway
        .get("/a")
        .key(&key)
        .header("Connection", "X-API-Key, Host, Argus-Key-Id, X-Forwarded-For, Argus-Subject")
        .send()
        .expect(200);
    let seen = origin.last().headers;
    for kept in ["host", "argus-key-id", "x-forwarded-for", "argus-subject"] {
        assert!(seen.has(kept), "{kept} is missing: {:?}", names(&seen));
    }
}

#[test]
fn the_credential_goes_no_further() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    gateway.get("/a").key(&key).send().expect(200);
    gateway.get("/a").header("Authorization", &format!("Bearer {key}")).send().expect(200);
    gateway.get("/a").header("Argus-API-Key", &key).send().expect(200);
    for seen in origin.seen() {
        assert!(!seen.headers.0.iter().any(|(_, value)| value.contains(&key)), "{:?}", seen.headers);
        assert!(!seen.headers.has("x-api-key") && !seen.headers.has("authorization"));
    }
}

#[test]
fn another_credential_is_passed_on() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    gateway.get("/a").key(&key).header("Authorization", "Basic eDp5").send().expect(200);
    assert_eq!(origin.last().header("authorization"), "Basic eDp5");
}

#[test]
fn forwarding_the_credential_must_be_said() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("{KEYED}\n[auth.api_key]\nforward_credential = true\n"));
    let key = gateway.key(&["a"]);
    gateway.get("/a").key(&key).send().expect(200);
    assert_eq!(origin.last().header("x-api-key"), key);
}

#[test]
fn a_key_in_the_query_is_cut_out() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("{KEYED}\n[auth.api_key]\nfrom = [\"query:api_key\"]\n"));
    let key = gateway.key(&["a"]);
    gateway.get(&format!("/a?x=1&api_key={key}&y=2")).send().expect(200);
    assert_eq!(origin.last().target, "/a?x=1&y=2");
    gateway.get(&format!("/a?api_key={key}")).send().expect(200);
    assert_eq!(origin.last().target, "/a");
    assert!(!gateway.said().contains(&key), "not even the log knows it");
}

#[test]
fn the_origin_learns_who_calls() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    gateway.argus(&["owner", "create", "acme", "--external-id", "customer-7"]).ok();
    let key = gateway.key(&["billing", "--owner", "acme", "--scope", "invoices:read", "--scope", "orders:*"]);
    let answer = gateway.get("/a").key(&key).send().expect(200);
    let seen = origin.last();
    assert_eq!(seen.header("argus-key-id"), &key[11..21]);
    assert_eq!(seen.header("argus-subject"), "customer-7");
    assert!(seen.header("argus-owner").starts_with("own_"), "{}", seen.header("argus-owner"));
    assert_eq!(seen.header("argus-scopes"), "invoices:read orders:*");
    assert_eq!(seen.header("argus-environment"), "live");
    assert_eq!(seen.header("argus-auth-method"), "api_key");
    assert_eq!(seen.header("argus-request-id"), answer.header("x-request-id"));
    assert!(!seen.header("argus-request-id").is_empty());
}

#[test]
fn nobody_can_claim_to_be_somebody() {
    let origin = Origin::start();
    let toml = KEYED.to_owned() + &OPEN.replace("routes.api", "routes.open").replace("/*", "/open");
    let gateway = Gateway::start(&origin, &toml);
    let key = gateway.key(&["a"]);
    let forged = [
        "Argus-Subject",
        "argus-subject",
        "ARGUS-OWNER",
        "Argus_Subject",
        "argus_key_id",
        "Argus-Anything-At-All",
        "aRgUs-Scopes",
        "Argus-Roles",
    ];
    for (target, key) in [("/open", None), ("/keyed", Some(&key))] {
        let mut request = gateway.get(target);
        for name in forged {
            request = request.header(name, "forged");
        }
        if let Some(key) = key {
            request = request.key(key);
        }
        request.send().expect(200);
        let seen = origin.last().headers;
        assert!(!seen.0.iter().any(|(_, value)| value == "forged"), "{target}: {seen:?}");
    }
}

#[test]
fn names_with_underscores_are_dropped() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    gateway
        .get("/a")
        .header("X_Forwarded_For", "1.2.3.4")
        .header("my_field", "1")
        .header("my-field", "2")
        .send()
        .expect(200);
    let seen = origin.last().headers;
    assert!(!seen.has("x_forwarded_for") && !seen.has("my_field"), "{seen:?}");
    assert_eq!(seen.get("my-field"), Some("2"));
}

#[test]
fn names_with_underscores_are_refused_or_kept_where_that_is_said() {
    let origin = Origin::start();
    let with = |word: &str| {
        let toml = format!("[listeners.default]\naddress = \"{{traffic}}\"\nunderscores = \"{word}\"\n{OPEN}");
        Gateway::start(&origin, &toml)
    };
    let reject = with("reject");
    reject.get("/a").header("my_field", "1").send().refused(400, "malformed_request");
    reject.get("/a").header("my-field", "1").send().expect(200);
    let keep = with("keep");
    let mut request = keep.get("/a").header("my_field", "1");
    for name in ["x_forwarded_for", "Argus_Subject", "content_length", "x_request_id", "x_real_ip", "transfer_encoding"]
    {
        request = request.header(name, "forged");
    }
    request.send().expect(200);
    let seen = origin.last().headers;
    assert_eq!(seen.get("my_field"), Some("1"));
    assert!(!seen.0.iter().any(|(_, value)| value == "forged"), "{seen:?}");
}

#[test]
fn what_strangers_say_about_the_way_is_deleted() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let answer = gateway
        .get("/a")
        .host("api.example.com")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Port", "444")
        .header("X-Real-IP", "203.0.113.9")
        .header("Forwarded", "for=203.0.113.9")
        .header("X-Request-Id", "chosen-by-me")
        .send()
        .expect(200);
    let seen = origin.last();
    assert_eq!(seen.headers.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.headers.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.headers.all("x-forwarded-host"), ["api.example.com"]);
    assert_eq!(seen.headers.all("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(seen.header("via"), "1.1 argus");
    assert!(!seen.header("forwarded").contains("203.0.113.9"));
    assert_ne!(seen.header("x-request-id"), "chosen-by-me");
    assert_eq!(answer.header("x-request-id").len(), 36, "a UUID: {}", answer.header("x-request-id"));
}

#[test]
fn what_a_trusted_proxy_says_is_kept_and_added_to() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("[clients]\ntrusted_proxies = [\"127.0.0.1\"]\n{OPEN}"));
    let answer = gateway
        .get("/a")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Proto", "https")
        .header("X-Request-Id", "made-by-the-balancer_1")
        .send()
        .expect(200);
    let seen = origin.last();
    assert_eq!(seen.header("x-forwarded-for"), "203.0.113.9, 127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    assert_eq!(seen.header("x-real-ip"), "203.0.113.9");
    assert_eq!(seen.header("x-request-id"), "made-by-the-balancer_1");
    assert_eq!(answer.header("x-request-id"), "made-by-the-balancer_1");
}

#[test]
fn the_host_is_passed_on_as_it_was() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    gateway.get("/a").host("api.example.com:8080").send().expect(200);
    assert_eq!(origin.last().header("host"), "api.example.com:8080");
}

#[test]
fn values_stay_byte_for_byte_and_in_order() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let odd = "a,  b;c=\"d, e\"\t\u{e4}";
    gateway
        .get("/a?b=%20c&d=%2Fe;f")
        .header("X-Odd", odd)
        .header("X-Twice", "1")
        .header("X-Twice", "2")
        .send()
        .expect(200);
    let seen = origin.last();
    assert_eq!(seen.header("x-odd"), odd);
    assert_eq!(seen.headers.all("x-twice"), ["1", "2"]);
    assert_eq!(seen.target, "/a?b=%20c&d=%2Fe;f");
}

#[test]
fn a_prefix_is_stripped_from_the_path_alone() {
    let origin = Origin::start();
    let toml = "[routes.api]\npaths = [\"/v1/*\"]\nstrip_prefix = \"/v1\"\nupstream = \"{origin}\"\nauth = \"none\"\n";
    let gateway = Gateway::start(&origin, toml);
    gateway.get("/v1/a/b?c=/v1/d").send().expect(200);
    assert_eq!(origin.last().target, "/a/b?c=/v1/d");
    gateway.get("/v1/").send().expect(200);
    assert_eq!(origin.last().target, "/");
    assert_eq!(gateway.get("/v11").send().status, 404);
}
