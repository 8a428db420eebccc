//! The document against the router.

use super::*;
use crate::admin::openapi::routes;

/// Every operation of the document: path, method and what it says.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut out = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                out.push((path.clone(), method.to_uppercase(), operation.clone()));
            }
        }
    }
    out
}

#[tokio::test]
async fn every_documented_operation_is_there() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let operations = operations(&document);
    assert!(operations.len() >= 40, "{}", operations.len());
    for (path, method, _) in &operations {
        if path == "/v1/stream" {
            continue;
        }
        let at = path.replace("{id}", "nothing").replace("{name}", "nothing");
        let answer = api.send_json(method.parse().unwrap(), &at, &[], &Value::Null).await;
        assert_ne!(answer.status, 405, "{method} {path}");
        assert!(answer.body["code"] != "path_not_found", "{method} {path}");
        let allowed: Vec<&String> = operations.iter().filter(|(p, _, _)| p == path).map(|(_, m, _)| m).collect();
        for other in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            // A fixed path such as /v1/keys/bulk is also an id by its shape; then the operations of that id answer.
            if !allowed.iter().any(|m| *m == other) && !path.starts_with("/v1/keys/") {
                let answer = api.send_json(other.parse().unwrap(), &at, &[], &Value::Null).await;
                assert_eq!(answer.status, 405, "{other} {path} is not in the document");
            }
        }
    }
}

#[tokio::test]
async fn every_operation_is_described_alike() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.expect(200);
    let mut ids = std::collections::BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|s| s.ends_with('.')), "{at} has no summary");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}: operationId is used twice");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{at}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("default"), "{at}");
        for (status, response) in responses {
            let Some(content) = response.get("content") else {
                assert_eq!(status, "204", "{at}: {status} has no content");
                continue;
            };
            for (kind, content) in content.as_object().unwrap() {
                assert!(content.get("example").is_some(), "{at}: {status} {kind} has no example");
            }
        }
        if let Some(body) = operation.get("requestBody") {
            for (kind, content) in body["content"].as_object().unwrap() {
                assert!(content.get("example").is_some(), "{at}: body {kind} has no example");
            }
        }
        let named =
            |name: &str| operation["parameters"].as_array().is_some_and(|list| list.iter().any(|p| p["name"] == name));
        assert_eq!(named("Idempotency-Key"), method == "POST" && path != "/v1/keys/import", "{at}");
        for part in path.split('/').filter_map(|p| p.strip_prefix('{')) {
            assert!(named(part.trim_end_matches('}')), "{at}: {part} is not described");
        }
    }
}

#[tokio::test]
async fn secrets_are_marked_and_references_resolve() {
    let api = Api::new().await;
    let (_, document) = routes(&api.services);
    let text = document.to_string();
    let schemas = &document["components"]["schemas"];
    for reference in text.split("\"#/components/schemas/").skip(1).map(|r| r.split('"').next().unwrap()) {
        assert!(schemas.get(reference).is_some(), "{reference} is not described");
    }
    for name in ["Question", "VerifyInput"] {
        assert_eq!(schemas[name]["properties"]["key"]["x-sensitive"], true, "{name}");
    }
    assert!(schemas["NewKey"].to_string().contains("\"x-sensitive\":true"));
    assert!(text.contains("admin_key"));
    // What is put together from several is written as one: parts that forbid what others hold would fit nothing.
    assert!(!text.contains("\"allOf\""));
    let condition = &schemas["Condition"]["properties"];
    assert!(condition["etag"].is_object() && condition["ip"].is_object());
}

/// The examples of bodies are what the operations take.
#[tokio::test]
async fn examples_of_bodies_are_taken() {
    let api = Api::new().await;
    api.post("/v1/roles", json!({"name": "biller", "scopes": []})).await.expect(201);
    let document = api.get("/openapi.json").await.expect(200);
    for (path, method, operation) in operations(&document) {
        let Some(content) = operation["requestBody"]["content"].as_object() else { continue };
        for (kind, content) in content {
            if !kind.ends_with("json") || kind.contains("ndjson") {
                continue;
            }
            let at = path.replace("{id}", "nothing").replace("{name}", "nothing");
            let answer = api.send_json(method.parse().unwrap(), &at, &[], &content["example"]).await;
            let taken = answer.status.is_success() || matches!(answer.status.as_u16(), 404 | 409);
            assert!(taken, "{method} {path}: {}", answer.text);
        }
    }
}
