//! Owners.

use super::*;

#[tokio::test]
async fn made_changed_and_gone() {
    let api = Api::new().await;
    let answer = api.post("/v1/owners", json!({"name": "acme", "kind": "application", "external_id": "cust-17"})).await;
    assert_eq!(answer.header("etag"), "W/\"1\"");
    let place = answer.header("location").to_owned();
    let made = answer.expect(201);
    assert_eq!(place, format!("/v1/owners/{}", made["id"].as_str().unwrap()));
    for id in ["acme", "cust-17", made["id"].as_str().unwrap()] {
        assert_eq!(api.get(&format!("/v1/owners/{id}")).await.expect(200), made, "{id}");
    }
    api.post("/v1/owners", json!({"name": "acme"})).await.refused(409, "already_exists");
    api.post("/v1/owners", json!({"name": "b", "external_id": "cust-17"})).await.refused(409, "already_exists");
    let changed = api.patch("/v1/owners/acme", json!({"name": "Acme & Sons", "external_id": null})).await.expect(200);
    assert_eq!((&changed["external_id"], &changed["etag"]), (&Value::Null, &json!("W/\"2\"")));
    assert_eq!(api.get("/v1/owners/Acme%20%26%20Sons").await.expect(200)["id"], made["id"]);
    assert_eq!(api.get("/v1/owners?q=sons").await.expect(200)["data"][0]["id"], made["id"]);
    api.key(json!({"name": "k", "owner": made["id"]})).await;
    api.delete(&place).await.refused(409, "in_use");
    api.delete("/v1/keys/k").await;
    assert_eq!(api.delete(&place).await.status, 204);
    api.get(&place).await.refused(404, "not_found");
    assert_eq!(api.audit().await, ["owner.create", "owner.update", "key.create", "key.delete", "owner.delete"]);
}

#[tokio::test]
async fn wrong_owners() {
    let api = Api::new().await;
    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({"name": "own_1"}), "/name"),
        (json!({"name": " a"}), "/name"),
        (json!({"name": "x".repeat(101)}), "/name"),
        (json!({"name": "a", "external_id": "with space"}), "/external_id"),
        (json!({"name": "a", "kind": "robot"}), "/kind"),
        (json!({"name": "a", "limits": [{"rate": "0/min"}]}), "/limits/0/rate"),
        (json!({"name": "a", "contacts": [""]}), "/contacts/0"),
    ] {
        let problem = api.post("/v1/owners", body.clone()).await.refused(422, "invalid_request");
        assert_eq!(pointers(&problem), [pointer], "{body}");
    }
    api.post("/v1/owners", json!({"name": "x".repeat(100)})).await.expect(201);
}
