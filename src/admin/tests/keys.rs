//! Keys: made, changed, rotated, revoked, gone.

use super::*;

#[tokio::test]
async fn a_new_key_is_shown_with_its_secret_once() {
    let api = Api::new().await;
    let answer = api
        .post(
            "/v1/keys",
            json!({"name": "billing-prod", "scopes": ["invoices:read", "invoices:read"], "expires_in": "90d"}),
        )
        .await;
    assert_eq!(answer.header("etag"), "W/\"1\"");
    assert_eq!(answer.header("cache-control"), "no-store");
    let place = answer.header("location").to_owned();
    let made = answer.expect(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(crate::model::key_format::parse(secret.as_bytes()).is_some(), "{secret}");
    assert_eq!(place, format!("/v1/keys/{}", made["id"].as_str().unwrap()));
    assert_eq!(made["status"], "active");
    assert_eq!(made["environment"], "live");
    assert_eq!(made["scopes"], json!(["invoices:read"]));
    assert_eq!(made["expires_at"], "2026-12-20T12:00:00Z");
    assert!(made["examples"]["curl"].as_str().unwrap().contains("X-API-Key: $KEY"));
    let shown = api.get(&place).await.expect(200);
    assert!(shown.get("secret").is_none());
    for id in [made["uuid"].as_str().unwrap(), "billing-prod", &place[13..]] {
        assert_eq!(api.get(&format!("/v1/keys/{id}")).await.expect(200)["id"], made["id"], "{id}");
    }
    let record = api.get("/v1/audit").await.expect(200)["data"][0].clone();
    assert_eq!(record["action"], "key.create");
    assert_eq!(record["actor"], json!({"type": "admin", "id": "uid_1000", "name": "uid 1000", "via": "socket"}));
    assert!(!record.to_string().contains(&secret[secret.len() - 38..]), "the secret is in the audit");
}

#[tokio::test]
async fn everything_wrong_is_told_at_once_with_its_place() {
    let api = Api::new().await;
    api.post("/v1/roles", json!({"name": "billing", "scopes": ["a:b"]})).await.expect(201);
    let problem = api
        .post(
            "/v1/keys",
            json!({
                "name": "no spaces please", "scopes": ["orders:read", "orders"], "roles": ["biling"], "plan": "por",
                "owner": "acme", "environment": "prod", "condition_names": ["offic"], "expires_in": "soon",
                "conditions": {"ip": {"allow": []}, "time": [{"days": "mon-fri", "from": "07:00", "to": "19:00", "zone": "Mars"}]},
                "limits": [{"rate": "often"}], "quota": {"units": 0, "every": "month"}, "meta": {"a/b": "\u{7}"}
            }),
        )
        .await
        .refused(422, "invalid_request");
    let mut found = pointers(&problem);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/condition_names/0",
            "/conditions/ip/allow",
            "/conditions/time/0/zone",
            "/environment",
            "/expires_in",
            "/limits/0/rate",
            "/meta/a~1b",
            "/name",
            "/owner",
            "/plan",
            "/quota/units",
            "/roles/0",
            "/scopes/1",
        ]
    );
    let hint = |pointer: &str| {
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().find(|e| e["pointer"] == pointer).unwrap()["hint"].as_str().unwrap_or("").to_owned()
    };
    assert_eq!(hint("/roles/0"), "did you mean `billing`?");
    assert_eq!(hint("/plan"), "did you mean `pro`?");
    assert_eq!(hint("/condition_names/0"), "did you mean `office`?");
    assert_eq!(hint("/owner"), "create it first, or send `create_owner: true`");
    assert!(api.audit().await.iter().all(|a| a == "role.create"));
}

#[tokio::test]
async fn what_serde_refuses_has_a_place_too() {
    let api = Api::new().await;
    for (body, pointer) in [
        (json!({"name": "a", "conditions": {"ip": {"allow": ["203.0.113.9/24"]}}}), "/conditions/ip/allow/0"),
        (json!({"name": "a", "scops": []}), "/scops"),
        (json!({"name": "a", "type": "robot"}), "/type"),
        (json!({"name": 7}), "/name"),
        (json!({"scopes": ["a:b"]}), "/name"),
        (json!({"name": "a", "expires_in": "1d", "expires_at": "never"}), "/expires_in"),
        (json!({"name": "a", "expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"name": "a", "not_before": "2026-12-01T00:00:00Z", "expires_in": "1d"}), "/not_before"),
        (json!({"name": "a", "conditions": {"country": {"allow": ["DE"]}}}), "/conditions/country"),
        (json!([1]), ""),
    ] {
        let problem = api.post("/v1/keys", body.clone()).await.refused(422, "invalid_request");
        assert_eq!(pointers(&problem), [pointer], "{body}");
    }
}

#[tokio::test]
async fn a_name_is_used_once_and_owners_are_found_by_any_name() {
    let api = Api::new().await;
    let key = api.key(json!({"name": "a", "owner": "acme", "create_owner": true})).await;
    assert_eq!(key["owner_name"], "acme");
    assert_eq!(api.audit().await, ["owner.create", "key.create"]);
    api.post("/v1/keys", json!({"name": "a"})).await.refused(409, "already_exists");
    api.post("/v1/keys?dry_run=true", json!({"name": "a"})).await.refused(409, "already_exists");
    api.patch("/v1/owners/acme", json!({"external_id": "cust-17"})).await.expect(200);
    for owner in ["acme", "cust-17", key["owner"].as_str().unwrap()] {
        let name = format!("by-{owner}");
        assert_eq!(api.key(json!({"name": name, "owner": owner})).await["owner"], key["owner"]);
    }
    let problem = api.post("/v1/keys", json!({"name": "b", "owner": "acne"})).await.refused(422, "invalid_request");
    assert_eq!(problem["errors"][0]["hint"], "did you mean `acme`?");
}

#[tokio::test]
async fn a_rehearsal_changes_nothing() {
    let api = Api::new().await;
    let body =
        api.post("/v1/keys?dry_run=true", json!({"name": "a", "owner": "x", "create_owner": true})).await.expect(200);
    assert_eq!((&body["secret"], &body["dry_run"], &body["name"]), (&Value::Null, &json!(true), &json!("a")));
    api.get("/v1/keys/a").await.refused(404, "not_found");
    api.get("/v1/owners/x").await.refused(404, "not_found");
    api.key(json!({"name": "a"})).await;
    for path in ["/v1/keys/a/disable", "/v1/keys/a/rotate"] {
        api.post(&format!("{path}?dry_run=true"), json!({})).await.expect(200);
    }
    api.post("/v1/keys/a/revoke?dry_run=true", json!({"reason": "other"})).await.expect(200);
    api.patch("/v1/keys/a?dry_run=true", json!({"description": "x"})).await.expect(200);
    api.delete("/v1/keys/a?dry_run=true").await.expect(200);
    let key = api.get("/v1/keys/a").await.expect(200);
    assert_eq!((&key["status"], &key["description"], &key["etag"]), (&json!("active"), &json!(""), &json!("W/\"1\"")));
    assert_eq!(api.audit().await, ["key.create"]);
}

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let api = Api::new().await;
    api.key(json!({"name": "a", "scopes": ["x:y"], "meta": {"one": "1", "two": "2"}, "expires_in": "90d"})).await;
    let patch = json!({"scopes": ["x:z"], "meta": {"one": null, "three": "3"}, "plan": "pro", "expires_in": "30d"});
    let key = api.patch("/v1/keys/a", patch).await.expect(200);
    assert_eq!(key["scopes"], json!(["x:z"]));
    assert_eq!(key["meta"], json!({"two": "2", "three": "3"}));
    assert_eq!(key["expires_at"], "2026-10-21T12:00:00Z");
    assert_eq!(key["quota"]["units"], 1000);
    assert_eq!(key["quota"]["of"], "plan");
    assert_eq!(key["etag"], "W/\"2\"");
    let key = api.patch("/v1/keys/a", json!({"plan": null, "expires_at": null})).await.expect(200);
    assert_eq!((&key["plan"], &key["expires_at"]), (&Value::Null, &Value::Null));
    assert_eq!(api.patch("/v1/keys/a", json!({"plan": null})).await.expect(200)["etag"], "W/\"3\"");
    let problem = api.patch("/v1/keys/a", json!({"environment": "test"})).await.refused(422, "invalid_request");
    assert_eq!(pointers(&problem), ["/environment"]);
    let problem = api.patch("/v1/keys/a", json!({"name": null})).await.refused(422, "invalid_request");
    assert_eq!(pointers(&problem), ["/name"]);
    let changes = api.get("/v1/audit").await.expect(200)["data"][1]["changes"].clone();
    assert!(changes.as_array().unwrap().contains(&json!({"path": "/scopes", "before": ["x:y"], "after": ["x:z"]})));
}

#[tokio::test]
async fn nobody_overwrites_what_they_have_not_seen() {
    let api = Api::new().await;
    api.key(json!({"name": "a"})).await;
    let body = json!({"description": "x"});
    let patch = async |tag: &str| api.send_json(Method::PATCH, "/v1/keys/a", &[("If-Match", tag)], &body).await;
    patch("W/\"1\"").await.expect(200);
    assert_eq!(patch("W/\"1\"").await.refused(412, "precondition_failed")["etag"], "W/\"2\"");
    patch("*").await.expect(200);
    let delete = api.send_json(Method::DELETE, "/v1/keys/a", &[("If-Match", "\"9\"")], &Value::Null).await;
    delete.refused(412, "precondition_failed");
}

#[tokio::test]
async fn rotation_puts_a_new_key_beside_the_old_one() {
    let api = Api::new().await;
    let old =
        api.key(json!({"name": "a", "scopes": ["x:y"], "expires_in": "90d", "owner": "o", "create_owner": true})).await;
    api.clock.advance(Duration::from_secs(10 * 86_400));
    let new = api.post("/v1/keys/a/rotate", json!({"overlap": "24h"})).await.expect(201);
    assert_ne!((&new["id"], &new["secret"]), (&old["id"], &old["secret"]));
    for same in ["name", "scopes", "owner", "environment"] {
        assert_eq!(new[same], old[same]);
    }
    assert_eq!(new["expires_at"], "2026-12-30T12:00:00Z");
    assert_eq!(new["rotation"]["replaces"], old["id"]);
    let place = format!("/v1/keys/{}", old["id"].as_str().unwrap());
    let rotating = api.get(&place).await.expect(200);
    assert_eq!((&rotating["status"], &rotating["expires_at"]), (&json!("rotating"), &json!("2026-10-02T12:00:00Z")));
    assert_eq!(rotating["rotation"]["replaced_by"], new["id"]);
    assert_eq!(api.get("/v1/keys/a").await.expect(200)["id"], new["id"]);
    api.post(&format!("{place}/rotate"), json!({})).await.refused(409, "key_rotating");
    assert_eq!(api.audit().await[2..], ["key.rotate", "key.create"]);
}

#[tokio::test]
async fn an_overlap_never_lengthens_a_life() {
    let api = Api::new().await;
    let old = api.key(json!({"name": "a", "expires_in": "1h"})).await;
    api.post("/v1/keys/a/rotate", json!({"overlap": "24h", "expires_in": "never"})).await.expect(201);
    let old = api.get(&format!("/v1/keys/{}", old["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(old["expires_at"], "2026-09-21T13:00:00Z");
    let next = api.post("/v1/keys/a/rotate", json!({"overlap": "0"})).await.expect(201);
    let before = api.get(&format!("/v1/keys/{}", next["rotation"]["replaces"].as_str().unwrap())).await.expect(200);
    assert_eq!(before["status"], "expired");
    let problem = api.post("/v1/keys/a/rotate", json!({"overlap": "91d"})).await.refused(422, "invalid_request");
    assert_eq!(pointers(&problem), ["/overlap"]);
    api.key(json!({"name": "b", "expires_in": "1h"})).await;
    api.clock.advance(Duration::from_secs(3_600));
    api.post("/v1/keys/b/rotate", json!({})).await.refused(409, "key_expired");
    api.post("/v1/keys/a/revoke", json!({"reason": "other"})).await.expect(200);
    let revoked = next["id"].as_str().unwrap();
    api.post(&format!("/v1/keys/{revoked}/rotate"), json!({})).await.refused(409, "key_revoked");
}

#[tokio::test]
async fn off_and_on_and_gone_for_ever() {
    let api = Api::new().await;
    let made = api.key(json!({"name": "a"})).await;
    assert_eq!(api.post("/v1/keys/a/disable", json!({"note": "holiday"})).await.expect(200)["status"], "disabled");
    assert_eq!(api.post("/v1/keys/a/disable", Value::Null).await.expect(200)["etag"], "W/\"2\"");
    assert_eq!(api.post("/v1/keys/a/enable", Value::Null).await.expect(200)["status"], "active");
    api.post("/v1/keys/a/revoke", json!({})).await.refused(422, "invalid_request");
    let revoked = api.post("/v1/keys/a/revoke", json!({"reason": "leaked", "note": "on a forum"})).await.expect(200);
    assert_eq!(revoked["status"], "revoked");
    assert_eq!(revoked["revoked"], json!({"at": "2026-09-21T12:00:00Z", "reason": "leaked", "by": "uid_1000"}));
    assert_eq!((&revoked["propagated"]["nodes"], &revoked["propagated"]["acknowledged"]), (&json!(1), &json!(1)));
    let id = made["id"].as_str().unwrap();
    for verb in ["enable", "disable", "rotate"] {
        api.post(&format!("/v1/keys/{id}/{verb}"), Value::Null).await.refused(409, "key_revoked");
    }
    api.patch(&format!("/v1/keys/{id}"), json!({"description": "x"})).await.refused(409, "key_revoked");
    let again = api.post(&format!("/v1/keys/{id}/revoke"), json!({"reason": "other"})).await.expect(200);
    assert_eq!(again["revoked"]["reason"], "leaked");
    assert_eq!(api.audit().await, ["key.create", "key.disable", "key.enable", "key.revoke"]);
    assert_eq!(api.delete(&format!("/v1/keys/{id}")).await.status, 204);
    let gone = api.get(&format!("/v1/keys/{id}")).await.refused(404, "not_found");
    assert_eq!(gone["deleted_at"], "2026-09-21T12:00:00Z");
    api.key(json!({"name": "a"})).await;
}

#[tokio::test]
async fn unknown_keys_are_named_with_what_may_be_meant() {
    let api = Api::new().await;
    api.key(json!({"name": "billing-prod"})).await;
    let problem = api.get("/v1/keys/biling-prod").await.refused(404, "not_found");
    assert_eq!(problem["did_you_mean"], "billing-prod");
    api.get(&format!("/v1/keys/{}", "x".repeat(1_000))).await.refused(404, "not_found");
    api.get("/v1/keys/%00%ff").await.refused(404, "not_found");
}

#[tokio::test]
async fn lists_filter_and_go_on() {
    let api = Api::new().await;
    // With a dash, as no public id has one: the text is looked for in those too.
    for n in 0..5 {
        let settings = json!({"name": format!("k-{n}"), "plan": if n == 0 { json!("pro") } else { Value::Null },
            "owner": if n < 2 { json!("acme") } else { Value::Null }, "create_owner": n == 0,
            "expires_in": format!("{}d", 10 + n)});
        api.key(settings).await;
    }
    let names = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|k| k["name"].as_str().unwrap().to_owned()).collect()
    };
    for (query, found) in [
        ("", vec!["k-4", "k-3", "k-2", "k-1", "k-0"]),
        ("?owner=acme", vec!["k-1", "k-0"]),
        ("?q=owner:acme%20plan:pro", vec!["k-0"]),
        ("?plan=pro", vec!["k-0"]),
        ("?expires_before=12d", vec!["k-1", "k-0"]),
        ("?q=expires%3C12d", vec!["k-1", "k-0"]),
        ("?status=disabled", vec![]),
        ("?status=active&q=k-3", vec!["k-3"]),
        ("?unused_since=0", vec!["k-4", "k-3", "k-2", "k-1", "k-0"]),
    ] {
        assert_eq!(names(&api.get(&format!("/v1/keys{query}")).await.expect(200)), found, "{query}");
    }
    let first = api.get("/v1/keys?limit=2&status=active").await;
    let link = first.header("link").to_owned();
    let first = first.expect(200);
    assert_eq!((names(&first).len(), &first["has_more"]), (2, &json!(true)));
    let next = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    assert!(next.contains("status=active") && link.ends_with("rel=\"next\""), "{link}");
    let second = api.get(next).await.expect(200);
    assert_eq!(names(&second), ["k-2", "k-1"]);
    for (query, status, code) in [
        ("?limit=0", 400, "invalid_parameter"),
        ("?limit=201", 400, "invalid_parameter"),
        ("?limit=x", 400, "invalid_parameter"),
        ("?cursor=nonsense", 400, "invalid_parameter"),
        ("?colour=red", 400, "invalid_parameter"),
        ("?q=colour:red", 400, "invalid_parameter"),
        ("?owner=acme&q=owner:acme", 400, "invalid_parameter"),
        ("?status=gone", 422, "invalid_filter"),
        ("?owner=nobody", 422, "invalid_filter"),
        ("?expires_before=soon", 422, "invalid_filter"),
    ] {
        api.get(&format!("/v1/keys{query}")).await.refused(status, code);
    }
    api.get("/v1/keys?limit=200").await.expect(200);
}

#[tokio::test]
async fn many_at_once_only_if_they_are_as_many_as_expected() {
    let api = Api::new().await;
    for n in 0..3 {
        api.key(json!({"name": format!("k{n}"), "owner": "acme", "create_owner": true})).await;
    }
    api.key(json!({"name": "other"})).await;
    let bulk =
        |expect: usize| json!({"action": "revoke", "filter": "owner:acme", "expect": expect, "reason": "offboarding"});
    assert_eq!(api.post("/v1/keys/bulk", bulk(2)).await.refused(409, "count_differs")["matched"], 3);
    assert_eq!(api.post("/v1/keys/bulk?dry_run=true", bulk(3)).await.expect(200)["changed"], 3);
    let done = api.post("/v1/keys/bulk", bulk(3)).await.expect(200);
    assert_eq!((&done["changed"], done["keys"].as_array().unwrap().len()), (&json!(3), 3));
    assert_eq!(api.post("/v1/keys/bulk", bulk(0)).await.expect(200)["changed"], 0);
    let rest = api.get("/v1/keys?status=active").await.expect(200);
    assert_eq!(rest["data"][0]["name"], "other");
    assert_eq!(api.audit().await.iter().filter(|a| *a == "key.revoke").count(), 3);
    for (body, pointer) in [
        (json!({"action": "revoke", "filter": "owner:acme", "expect": 1}), "/reason"),
        (json!({"action": "disable", "filter": " ", "expect": 1}), "/filter"),
        (json!({"action": "disable", "filter": "owner:nobody", "expect": 1}), "/filter"),
        (json!({"action": "delete", "filter": "x", "expect": 1}), "/action"),
    ] {
        let answer = api.post("/v1/keys/bulk", body.clone()).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert_eq!(pointers(&answer.body), [pointer], "{body}");
    }
}

#[tokio::test]
async fn an_owner_has_so_many_keys() {
    let api = Api::with(&format!("{CONFIG}\n[keys]\nmax_per_owner = 1\n")).await;
    api.key(json!({"name": "a", "owner": "acme", "create_owner": true})).await;
    api.post("/v1/keys", json!({"name": "b", "owner": "acme"})).await.refused(409, "limit_reached");
    api.post("/v1/keys/a/rotate", json!({})).await.expect(201);
}

#[tokio::test]
async fn what_has_left_the_file_does_not_stand_in_the_way() {
    let api = Api::with(&format!("{CONFIG}\n[geo]\nunknown = \"allow\"\n")).await;
    let settings = json!({"name": "a", "plan": "pro", "conditions": {"country": {"allow": ["DE"]}}});
    api.key(settings).await;
    let bare = CONFIG.replace("[plans.pro]", "[plans.max]");
    api.services.mutator.reconfigure(configured(&bare)).await.unwrap();
    api.patch("/v1/keys/a", json!({"description": "x"})).await.expect(200);
    let problem = api.post("/v1/keys", json!({"name": "b", "plan": "pro"})).await.refused(422, "invalid_request");
    assert_eq!(pointers(&problem), ["/plan"]);
    let conditions = json!({"conditions": {"country": {"allow": ["FR"]}}});
    let problem = api.patch("/v1/keys/a", conditions).await.refused(422, "invalid_request");
    assert_eq!(pointers(&problem), ["/conditions/country"]);
}
