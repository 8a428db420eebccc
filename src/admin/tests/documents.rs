//! Roles, plans and conditions, of the store and of the file.

use super::*;

#[tokio::test]
async fn a_role_is_made_replaced_changed_and_removed() {
    let api = Api::new().await;
    let answer = api.post("/v1/roles", json!({"name": "billing", "scopes": ["invoices:read"]})).await;
    assert_eq!((answer.header("location"), answer.header("etag")), ("/v1/roles/billing", "W/\"1\""));
    assert_eq!(answer.expect(201)["managed_by"], "api");
    api.post("/v1/roles", json!({"name": "billing", "scopes": []})).await.refused(409, "already_exists");
    let settings = json!({"scopes": ["a:b"], "description": "x"});
    let put = api.send_json(Method::PUT, "/v1/roles/billing", &[], &settings).await;
    assert_eq!(put.expect(200)["etag"], "W/\"2\"");
    let patched = api.patch("/v1/roles/billing", json!({"description": null})).await.expect(200);
    assert_eq!((&patched["scopes"], patched.get("description")), (&json!(["a:b"]), None));
    assert!(api.services.current.load().roles.contains_key("billing"), "a role is in force at once");
    api.key(json!({"name": "k", "roles": ["billing"]})).await;
    api.delete("/v1/roles/billing").await.refused(409, "in_use");
    api.delete("/v1/keys/k").await;
    assert_eq!(api.delete("/v1/roles/billing").await.status, 204);
    assert!(!api.services.current.load().roles.contains_key("billing"));
    let new = api.send_json(Method::PUT, "/v1/roles/other", &[], &json!({"scopes": []})).await;
    assert_eq!(new.header("location"), "/v1/roles/other");
    new.expect(201);
    let unseen = api.send_json(Method::PUT, "/v1/roles/third", &[("If-Match", "*")], &json!({"scopes": []})).await;
    unseen.refused(412, "precondition_failed");
    let same = api.patch("/v1/roles/other", json!({"scopes": []})).await.expect(200);
    assert_eq!(same["etag"], "W/\"1\"");
    let expected =
        ["role.create", "role.update", "role.update", "key.create", "key.delete", "role.delete", "role.create"];
    assert_eq!(api.audit().await, expected);
}

#[tokio::test]
async fn what_stands_in_the_file_is_only_shown() {
    let api = Api::new().await;
    let plan = api.get("/v1/plans/pro").await.expect(200);
    assert_eq!(plan["managed_by"], "file");
    assert_eq!(plan["limits"], json!([{"rate": "5/min"}]));
    assert!(plan["origin"].as_str().unwrap().starts_with("gateway.toml:"), "{plan}");
    let body = json!({"limits": [{"rate": "1/s"}]});
    let named = json!({"name": "pro", "limits": [{"rate": "1/s"}]});
    for answer in [
        api.patch("/v1/plans/pro", body.clone()).await,
        api.delete("/v1/plans/pro").await,
        api.post("/v1/plans", named).await,
        api.send_json(Method::PUT, "/v1/plans/pro", &[], &body).await,
        api.delete("/v1/conditions/office").await,
    ] {
        let problem = answer.refused(409, "managed_by_file");
        assert!(problem["origin"].as_str().unwrap().starts_with("gateway.toml:"), "{problem}");
    }
    api.post("/v1/plans", json!({"name": "free", "limits": [{"rate": "1/s"}]})).await.expect(201);
    let list = api.get("/v1/plans").await.expect(200);
    let shown: Vec<_> = list["data"].as_array().unwrap().iter().map(|p| (&p["name"], &p["managed_by"])).collect();
    let expected = [("default", "built_in"), ("free", "api"), ("pro", "file")].map(|(a, b)| (json!(a), json!(b)));
    assert_eq!(shown, expected.each_ref().map(|(a, b)| (a, b)));
    api.delete("/v1/plans/default").await.refused(409, "managed_by_file");
    let first = api.get("/v1/plans?limit=2").await.expect(200);
    let rest = api.get(&format!("/v1/plans?cursor={}", first["next_cursor"].as_str().unwrap())).await.expect(200);
    assert_eq!((&rest["data"][0]["name"], &rest["has_more"]), (&json!("pro"), &json!(false)));
}

#[tokio::test]
async fn wrong_documents() {
    let api = Api::new().await;
    for (path, body, pointer) in [
        ("/v1/roles", json!({"scopes": ["a:b"]}), "/name"),
        ("/v1/roles", json!({"name": "a"}), ""),
        ("/v1/roles", json!({"name": "a", "scopes": ["a"]}), "/scopes/0"),
        ("/v1/roles", json!({"name": "a b", "scopes": []}), "/name"),
        ("/v1/plans", json!({"name": "a"}), ""),
        ("/v1/plans", json!({"name": "a", "limits": [{"rate": "x"}]}), "/limits/0/rate"),
        (
            "/v1/plans",
            json!({"name": "a", "limits": [{"rate": "1/s", "burst": 2, "strategy": "fixed_window"}]}),
            "/limits/0/burst",
        ),
        ("/v1/plans", json!({"name": "a", "quota": {"units": 1, "every": "month", "zone": "Mars"}}), "/quota/zone"),
        ("/v1/conditions", json!({"name": "a"}), ""),
        ("/v1/conditions", json!({"name": "a", "ip": {"allow": ["x"]}}), "/ip/allow/0"),
        ("/v1/conditions", json!({"name": "a", "referrer": {"allow": ["ftp://x"]}}), "/referrer/allow/0"),
        ("/v1/conditions", json!({"name": "a", "weather": "sunny"}), "/weather"),
    ] {
        let problem = api.post(path, body.clone()).await.refused(422, "invalid_request");
        assert_eq!(pointers(&problem), [pointer], "{path} {body}");
    }
    let problem = api.get("/v1/conditions/ofice").await.refused(404, "not_found");
    assert_eq!(problem["did_you_mean"], "office");
}
