//! Keys from elsewhere.

use super::*;

async fn import(api: &Api, query: &str, kind: &str, body: String) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/v1/keys/import{query}"))
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, kind);
    api.send(request.body(Body::from(body)).unwrap()).await
}

fn seed(n: u32) -> String {
    use sha2::Digest;
    format!("argus_{}", &hex::encode(sha2::Sha256::digest(n.to_be_bytes()))[..32])
}

#[tokio::test]
async fn lines_stand_for_themselves() {
    let api = Api::new().await;
    let hash = "4941d695401164654941d695401164654941d695401164654941d69540116465";
    let lines = [
        json!({"name": "seed", "key": seed(1), "scopes": ["orders:read"]}).to_string(),
        json!({"name": "own", "key": "argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG"}).to_string(),
        json!({"name": "hashed", "sha256": hash, "prefix": "old_", "disabled": true}).to_string(),
        json!({"name": "weak", "key": "hunter2hunter2"}).to_string(),
        "not json".to_owned(),
        String::new(),
        json!({"name": "seed", "key": seed(2)}).to_string(),
        json!({"name": "twice", "key": seed(1)}).to_string(),
        json!({"name": "role", "key": seed(3), "roles": ["nobody"]}).to_string(),
    ]
    .join("\n");
    let rehearsed = import(&api, "?dry_run=true", "application/x-ndjson", lines.clone()).await.expect(200);
    assert_eq!((&rehearsed["imported"], &rehearsed["dry_run"]), (&json!(3), &json!(true)));
    assert_eq!(api.get("/v1/keys").await.expect(200)["data"], json!([]));
    let done = import(&api, "", "application/x-ndjson", lines.clone()).await.expect(200);
    for answer in [&rehearsed, &done] {
        let outcomes: Vec<_> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (r["line"].as_u64().unwrap(), r["outcome"].as_str().unwrap(), r["pointer"].as_str().unwrap_or("")))
            .collect();
        assert_eq!(
            outcomes,
            [
                (1, "imported", ""),
                (2, "imported", ""),
                (3, "imported", ""),
                (4, "refused", "/key"),
                (5, "refused", ""),
                (7, "exists", ""),
                (8, "exists", ""),
                (9, "refused", "/roles/0"),
            ]
        );
    }
    let key = api.get("/v1/keys/seed").await.expect(200);
    assert_eq!((key["prefix"].as_str().unwrap(), &key["expires_at"]), (&seed(1)[..8], &Value::Null));
    assert_eq!(api.get("/v1/keys/own").await.expect(200)["id"], "key_9f3KtWq2Zc");
    assert_eq!(api.get("/v1/keys/hashed").await.expect(200)["status"], "disabled");
    let verified = api.post("/v1/keys/verify", json!({"key": seed(1)})).await.expect(200);
    assert_eq!((&verified["valid"], &verified["key"]["name"]), (&json!(true), &json!("seed")));
    let again = import(&api, "", "application/x-ndjson", lines).await.expect(200);
    assert_eq!((&again["imported"], &again["exists"]), (&json!(0), &json!(5)));
    assert_eq!(api.audit().await, ["key.import"; 3]);
}

#[tokio::test]
async fn an_imported_key_rotates_into_our_own_shape() {
    let api = Api::new().await;
    let line = json!({"name": "a", "key": seed(1), "scopes": ["x:y"]}).to_string();
    import(&api, "", "application/x-ndjson", line).await.expect(200);
    let new = api.post("/v1/keys/a/rotate", json!({"overlap": "1h"})).await.expect(201);
    assert!(crate::model::key_format::parse(new["secret"].as_str().unwrap().as_bytes()).is_some());
    assert_eq!(new["scopes"], json!(["x:y"]));
    for key in [seed(1), new["secret"].as_str().unwrap().to_owned()] {
        assert_eq!(api.post("/v1/keys/verify", json!({"key": key})).await.expect(200)["valid"], true);
    }
}

#[tokio::test]
async fn csv_with_owners_and_weak_keys() {
    let api = Api::new().await;
    let csv = format!(
        "name,owner,key,scopes,ip_allow\r\na,acme,{},x:y z:w,203.0.113.0/24\r\nb,\"acme\",password-of-b,,\r\n",
        seed(1)
    );
    let done = import(&api, "", "text/csv", csv.clone()).await.expect(200);
    assert_eq!((&done["imported"], &done["refused"]), (&json!(0), &json!(2)), "{done}");
    assert_eq!(done["results"][0]["pointer"], "/owner");
    let done = import(&api, "?create_owners=true&allow_weak=true", "text/csv", csv).await.expect(200);
    assert_eq!(done["imported"], 2, "{done}");
    let key = api.get("/v1/keys/a").await.expect(200);
    assert_eq!((&key["owner_name"], &key["scopes"]), (&json!("acme"), &json!(["x:y", "z:w"])));
    assert_eq!(key["conditions"]["ip"]["allow"], json!(["203.0.113.0/24"]));
    assert_eq!(api.get("/v1/keys/b").await.expect(200)["flags"]["weak"], true);
    let problem = import(&api, "", "text/csv", "name,kye\n".to_owned()).await.refused(422, "invalid_csv_head");
    assert!(problem["detail"].as_str().unwrap().contains("Did you mean `key`?"));
    import(&api, "", "application/json", "{}".to_owned()).await.refused(415, "unsupported_media_type");
}

#[tokio::test]
async fn more_than_a_batch_with_a_wrong_one_among_them() {
    let api = Api::new().await;
    api.key(json!({"name": "k150"})).await;
    let lines: Vec<String> = (0..250).map(|n| json!({"name": format!("k{n}"), "key": seed(n)}).to_string()).collect();
    let done = import(&api, "", "application/x-ndjson", lines.join("\n")).await.expect(200);
    assert_eq!((&done["imported"], &done["exists"]), (&json!(249), &json!(1)));
    let lines: Vec<u64> = done["results"].as_array().unwrap().iter().map(|r| r["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, (1..=250).collect::<Vec<_>>());
    assert_eq!(api.services.store.key_count().await.unwrap(), 250);
}

#[tokio::test]
async fn an_import_takes_no_idempotency_key() {
    let api = Api::new().await;
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/keys/import")
        .header("Idempotency-Key", "k")
        .header(header::CONTENT_TYPE, "application/x-ndjson");
    api.send(request.body(Body::empty()).unwrap()).await.refused(400, "invalid_parameter");
}
