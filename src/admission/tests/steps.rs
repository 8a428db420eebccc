//! The steps before limits, each with a twin that passes.

use super::*;
use crate::geo::GeoDbs;
use crate::model::key::{Revocation, RevocationReason};
use crate::model::key_format;
use crate::model::secret::KeyDigest;
use crate::snapshot::tests::{key, owner, secret_of};

const TOML: &str = r#"
[routes.orders]
hosts = ["api.example.com"]
paths = ["/v1/orders/*"]
methods = ["GET", "POST"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
environment = "live"
scopes = { GET = "orders:read", POST = "orders:write AND (eu:write OR admin:*)" }

[routes.open]
paths = ["/open"]
upstream = "http://127.0.0.1:3000"
auth = "none"

[routes.any]
paths = ["/any"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"

[routes.partly]
paths = ["/partly"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
scopes = { GET = "orders:read" }

[auth.api_key]
from = ["header:X-API-Key", "bearer", "query:api_key"]
"#;

fn scoped(scopes: &[&str]) -> Key {
    Key { scopes: scopes.iter().map(|s| s.parse().unwrap()).collect(), ..key("one") }
}

#[tokio::test]
async fn plain_http_is_refused_before_anything_is_looked_at() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&scoped(&["orders:read"]));
    let plain = |call: Call| Call { secure: false, ..call };
    for call in [call("GET /v1/orders").key(&secret), call("GET /v1/orders"), call("GET /nowhere")] {
        let decision = gate.ask(&plain(call)).await;
        let refusal = refusal(&decision);
        assert_eq!((refusal.reason, refusal.redirect_to_https), (Reason::InsecureTransport, false));
        assert!(decision.route.is_none() && decision.access.is_none());
    }
    assert_eq!(gate.store.lookups(), 0);
    let moved = Call { insecure: InsecureRequests::Redirect, ..plain(call("GET /any")) };
    assert!(refusal(&gate.ask(&moved).await).redirect_to_https);
    let allowed = Call { insecure: InsecureRequests::Allow, ..plain(call("GET /any").key(&secret)) };
    assert_eq!(code(&gate.ask(&allowed).await), "ok");
    assert_eq!(code(&gate.ask(&call("GET /any").key(&secret)).await), "ok");
}

#[tokio::test]
async fn routes() {
    let gate = Gate::new(TOML).await;
    let decision = gate.ask(&call("GET /nowhere")).await;
    assert_eq!(code(&decision), "route_not_found");
    assert!(refusal(&decision).detail.contains("/nowhere") && refusal(&decision).detail.contains("api.example.com"));
    let decision = gate.ask(&call("DELETE /v1/orders")).await;
    assert_eq!(code(&decision), "method_not_allowed");
    assert_eq!(refusal(&decision).allow, [Method::GET, Method::POST, Method::HEAD]);
    let decision = gate.ask(&call("GET /open")).await;
    let admitted = decision.outcome.as_ref().unwrap();
    assert!(admitted.access().is_none() && admitted.route().route.name.as_str() == "open");
    assert_eq!(code(&gate.ask(&call("GET /open").field("x-api-key", "nonsense")).await), "ok");
}

#[tokio::test]
async fn hidden_routes_look_like_routes_that_want_a_key() {
    let gate = Gate::new(&format!("{TOML}\n[errors]\nhide_routes = true\n")).await;
    let secret = gate.put(&key("one"));
    let wrong = secret_of(&key("nobody"));
    let (there, nowhere) = (gate.ask(&call("GET /any")).await, gate.ask(&call("GET /nowhere")).await);
    assert_eq!((code(&there), code(&nowhere)), ("missing_credentials", "missing_credentials"));
    assert_eq!(refusal(&there).detail, refusal(&nowhere).detail);
    assert_eq!(code(&gate.ask(&call("GET /nowhere").key(&wrong)).await), "invalid_credentials");
    assert_eq!(code(&gate.ask(&call("GET /nowhere").key(&secret)).await), "route_not_found");
    assert_eq!(code(&gate.ask(&call("DELETE /v1/orders").key(&secret)).await), "method_not_allowed");
}

#[tokio::test]
async fn credentials() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&key("one"));
    let text = std::str::from_utf8(secret.expose()).unwrap();
    let decision = gate.ask(&call("GET /any")).await;
    assert_eq!(code(&decision), "missing_credentials");
    assert_eq!(
        refusal(&decision).detail,
        "Send an API key in the X-API-Key header, as Authorization: Bearer or as the query parameter api_key."
    );
    assert_eq!(refusal(&decision).challenge().unwrap(), "Bearer realm=\"any\"");
    let several = call("GET /any").key(&secret).field("authorization", "Bearer other");
    assert_eq!(code(&gate.ask(&several).await), "multiple_credentials");
    let twice = call("GET /any").key(&secret).field("authorization", &format!("Bearer {text}"));
    let decision = gate.ask(&twice).await;
    assert_eq!((code(&decision), decision.key_in_query), ("ok", false));
    let decision = gate.ask(&call(&format!("GET /any?api_key={text}"))).await;
    assert_eq!((code(&decision), decision.key_in_query), ("ok", true));
}

#[tokio::test]
async fn wrong_keys_all_get_the_same_answer() {
    let gate = Gate::new(TOML).await;
    let good = gate.put(&scoped(&["orders:read"]));
    let test_key = Key { environment: "test".to_owned(), ..scoped(&["orders:read"]) };
    let of_test = gate.put(&test_key);
    let mut damaged = good.expose().to_vec();
    damaged[59] = if damaged[59] == b'0' { b'1' } else { b'0' };
    let damaged = PresentedKey::new(&damaged).unwrap();
    let too_long = "x".repeat(600);
    let calls = [
        ("unknown", call("GET /v1/orders").key(&secret_of(&key("nobody"))), DecisionSource::Store, 1),
        ("damaged", call("GET /v1/orders").key(&damaged), DecisionSource::Reject, 0),
        ("foreign", call("GET /v1/orders").field("x-api-key", "hunter2"), DecisionSource::Reject, 0),
        ("too long", call("GET /v1/orders").field("x-api-key", &too_long), DecisionSource::Reject, 0),
        ("environment", call("GET /v1/orders").key(&of_test), DecisionSource::Store, 1),
    ];
    let mut seen = Vec::new();
    for (name, call, source, lookups) in calls {
        let before = gate.store.lookups();
        let decision = gate.ask(&call).await;
        let refusal = refusal(&decision);
        assert_eq!((refusal.reason, decision.source), (Reason::InvalidCredentials, source), "{name}");
        assert_eq!(gate.store.lookups() - before, lookups, "{name}");
        assert!(decision.access.is_none() && refusal.key_id.is_none(), "{name}");
        seen.push(format!("{refusal:?}"));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!(code(&gate.ask(&call("GET /v1/orders").key(&good)).await), "ok");
    assert_eq!(code(&gate.ask(&call("GET /any").key(&of_test)).await), "ok");
}

#[tokio::test]
async fn a_known_key_asks_the_store_once() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&key("one"));
    for expected in [DecisionSource::Store, DecisionSource::Memory, DecisionSource::Memory] {
        assert_eq!(gate.ask(&call("GET /any").key(&secret)).await.source, expected);
    }
    assert_eq!(gate.store.lookups(), 1);
}

#[tokio::test]
async fn imported_keys_are_looked_up_once_there_are_any() {
    const SEED: &str = "argus_0123456789abcdef0123456789abcdef";
    let store = Arc::new(FakeStore::default());
    store.keys.lock().insert(KeyDigest::of(SEED.as_bytes(), None), key("imported"));
    let gate = Gate::over(Arc::clone(&store), TOML, Documents::default(), GeoDbs::none(), 8 << 20).await;
    assert_eq!(code(&gate.ask(&call("GET /any").field("x-api-key", SEED)).await), "invalid_credentials");
    store.foreign.store(true, std::sync::atomic::Ordering::SeqCst);
    let gate = Gate::over(store, TOML, Documents::default(), GeoDbs::none(), 8 << 20).await;
    assert_eq!(code(&gate.ask(&call("GET /any").field("x-api-key", SEED)).await), "ok");
}

#[tokio::test]
async fn a_pepper_hides_keys_and_still_finds_those_made_without_it() {
    let mut peppered = config(TOML);
    peppered.keys.pepper = crate::model::secret::Pepper::new(vec![0x0b; 32]).map(Arc::new);
    let pepper = peppered.keys.pepper.clone();
    let mut gate = Gate::new(TOML).await;
    gate.snapshot = Arc::new(build(Arc::new(peppered), &Documents::default(), 1).unwrap());
    let (new, old) = (key("new"), key("old"));
    let secret = secret_of(&new);
    gate.store.keys.lock().insert(secret.digest(pepper.as_deref()), new);
    let of_old = gate.put(&old);
    assert_eq!(code(&gate.ask(&call("GET /any").key(&secret)).await), "ok");
    assert_eq!(code(&gate.ask(&call("GET /any").key(&of_old)).await), "ok");
    let asked = gate.store.lookups();
    assert_eq!(code(&gate.ask(&call("GET /any").key(&of_old)).await), "ok");
    assert_eq!(gate.store.lookups(), asked);
}

#[tokio::test]
async fn a_broken_store_is_not_a_wrong_key() {
    let gate = Gate::new(TOML).await;
    let known = gate.put(&key("known"));
    assert_eq!(code(&gate.ask(&call("GET /any").key(&known)).await), "ok");
    let fresh = gate.put(&key("fresh"));
    gate.store.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let decision = gate.ask(&call("GET /any").key(&fresh)).await;
    assert_eq!((code(&decision), refusal(&decision).retry_after_s), ("store_unavailable", Some(1)));
    assert_eq!(code(&gate.ask(&call("GET /any").key(&known)).await), "ok", "known keys go on");
}

#[tokio::test]
async fn states_tell_their_holder_exactly() {
    let gate = Gate::new(TOML).await;
    let revoked = Revocation { at: NOW.parse().unwrap(), reason: RevocationReason::Leaked, by: "ada".into() };
    for (key, code_, told) in [
        (Key { revoked: Some(revoked), ..key("a") }, "key_revoked", "The key was revoked on 2026-09-21"),
        (Key { disabled: true, ..key("b") }, "key_disabled", "The key is switched off"),
        (Key { expires_at: at("2026-09-01T00:00:00Z"), ..key("c") }, "key_expired", "The key expired on 2026-09-01"),
        (Key { expires_at: at(NOW), ..key("d") }, "key_expired", "The key expired on 2026-09-21"),
        (
            Key { not_before: at("2026-10-01T08:30:00Z"), ..key("e") },
            "key_not_yet_valid",
            "The key is not valid before 2026-10-01 08:30 UTC",
        ),
        (Key { not_before: at(NOW), expires_at: at("2026-09-21T13:33:21Z"), ..key("f") }, "ok", ""),
    ] {
        let secret = gate.put(&key);
        let decision = gate.ask(&call("GET /any").key(&secret)).await;
        assert_eq!(code(&decision), code_);
        assert_eq!(decision.access.as_ref().map(|a| a.key.id), Some(key.id), "it is known whose call this was");
        if let Err(refusal) = &decision.outcome {
            assert!(refusal.detail.starts_with(told), "{}", refusal.detail);
            assert_eq!((refusal.error_description.as_deref(), refusal.key_id), (Some(told), Some(key.id)));
        }
    }
}

#[tokio::test]
async fn a_wall_clock_that_is_moved_moves_expiry() {
    let gate = Gate::new(TOML).await;
    let secret = gate.put(&Key { expires_at: at("2026-09-22T00:00:00Z"), ..key("one") });
    assert_eq!(code(&gate.ask(&call("GET /any").key(&secret)).await), "ok");
    gate.clock.set_wall("2026-09-23T00:00:00Z".parse().unwrap());
    assert_eq!(code(&gate.ask(&call("GET /any").key(&secret)).await), "key_expired");
    gate.clock.set_wall("2026-09-20T00:00:00Z".parse().unwrap());
    assert_eq!(code(&gate.ask(&call("GET /any").key(&secret)).await), "ok");
}

#[tokio::test]
async fn scopes() {
    let mut gate = Gate::new(TOML).await;
    let mut open = config(TOML);
    // The file would have taken the methods from the scopes; what reaches admission otherwise is closed all the same.
    open.routes.iter_mut().filter(|r| r.name.as_str() == "partly").for_each(|r| r.methods.clear());
    gate.snapshot = Arc::new(build(Arc::new(open), &Documents::default(), 1).unwrap());
    for (line, scopes, expected) in [
        ("GET /v1/orders", &["orders:read"][..], "ok"),
        ("HEAD /v1/orders", &["orders:*"], "ok"),
        ("GET /v1/orders", &["orders:write"], "insufficient_scope"),
        ("GET /v1/orders", &[], "insufficient_scope"),
        ("POST /v1/orders", &["orders:write", "eu:write"], "ok"),
        ("POST /v1/orders", &["orders:write", "admin:*"], "ok"),
        ("POST /v1/orders", &["orders:write"], "insufficient_scope"),
        ("GET /any", &[], "ok"),
        ("GET /partly", &["orders:read"], "ok"),
        ("DELETE /partly", &["*:*"], "insufficient_scope"),
    ] {
        let secret = gate.put(&scoped(scopes));
        let decision = gate.ask(&call(line).key(&secret)).await;
        assert_eq!(code(&decision), expected, "{line} with {scopes:?}");
    }
    let secret = gate.put(&scoped(&["orders:read"]));
    let decision = gate.ask(&call("POST /v1/orders/7").key(&secret)).await;
    let refusal = refusal(&decision);
    assert_eq!(
        refusal.detail,
        "This key may not POST to /v1/orders/7. It needs the scopes orders:write AND (eu:write OR admin:*)."
    );
    assert_eq!(refusal.required_scopes, ["orders:write", "eu:write", "admin:*"]);
    assert_eq!(refusal.realm.as_ref().map(|r| r.as_str()), Some("orders"));
}

#[tokio::test]
async fn roles_grant_scopes() {
    let documents = Documents { roles: [json_role("reader", "orders:read")].into(), ..Documents::default() };
    let gate = Gate::with(TOML, documents, GeoDbs::none(), 8 << 20).await;
    let with = gate.put(&Key { roles: vec!["reader".parse().unwrap()], ..key("one") });
    let without = gate.put(&Key { roles: vec!["writer".parse().unwrap()], ..key("two") });
    assert_eq!(code(&gate.ask(&call("GET /v1/orders").key(&with)).await), "ok");
    assert_eq!(code(&gate.ask(&call("GET /v1/orders").key(&without)).await), "insufficient_scope");
}

fn json_role(name: &str, scope: &str) -> (crate::model::id::Name, crate::model::role::RoleText) {
    (name.parse().unwrap(), json(&format!(r#"{{"scopes":["{scope}"]}}"#)))
}

#[tokio::test]
async fn the_upstream_learns_who_calls() {
    let gate = Gate::new(TOML).await;
    let mut acme = owner("own_42");
    acme.external_id = Some("user_42".to_owned());
    gate.store.owners.lock().insert(acme.id.clone(), acme.clone());
    let record = Key { owner: Some(acme.id), ..scoped(&["orders:read", "eu:*"]) };
    let secret = gate.put(&record);
    let decision = gate.ask(&call("GET /any").key(&secret)).await;
    let access = decision.access.unwrap();
    let mut told = crate::model::fields::Fields::default();
    access.identify(&gate.snapshot.identity, &mut told);
    let told = String::from_utf8(told.as_bytes().to_vec()).unwrap();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "argus-subject: user_42",
            &format!("argus-key-id: {}", record.id.public()),
            "argus-owner: own_42",
            "argus-organization: default",
            "argus-project: default",
            "argus-scopes: orders:read eu:*",
            "argus-plan: default",
            "argus-environment: live",
            "argus-auth-method: api_key",
        ]
    );
    assert!(key_format::parse(secret.expose()).is_some());
}
