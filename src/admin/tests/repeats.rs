//! Requests that are sent twice.

use super::*;

async fn create(api: &Api, key: &str, body: Value) -> Answer {
    api.send_json(Method::POST, "/v1/keys", &[("Idempotency-Key", key)], &body).await
}

#[tokio::test]
async fn done_once_and_answered_again_without_the_secret() {
    let api = Api::new().await;
    let first = create(&api, "\"8e03978e\"", json!({"name": "a"})).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let place = first.header("location").to_owned();
    let first = first.expect(201);
    let again = create(&api, "8e03978e", json!({"name": "a"})).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((again.header("location"), again.header("etag")), (place.as_str(), "W/\"1\""));
    let again = again.expect(200);
    assert_eq!((&again["secret"], &again["secret_shown"], &again["id"]), (&Value::Null, &json!(true), &first["id"]));
    create(&api, "8e03978e", json!({"name": "b"})).await.refused(422, "idempotency_mismatch");
    let headers = [("Idempotency-Key", "8e03978e")];
    let other_path = api.send_json(Method::POST, "/v1/keys?dry_run=false", &headers, &json!({"name": "a"})).await;
    other_path.refused(422, "idempotency_mismatch");
    assert_eq!(api.audit().await, ["key.create"]);
    api.clock.advance(Duration::from_secs(24 * 3_600));
    create(&api, "8e03978e", json!({"name": "c"})).await.expect(201);
}

#[tokio::test]
async fn the_secret_is_nowhere_in_what_is_kept() {
    let api = Api::new().await;
    let made = create(&api, "k", json!({"name": "a"})).await.expect(201);
    let rotated =
        api.send_json(Method::POST, "/v1/keys/a/rotate", &[("Idempotency-Key", "r")], &json!({})).await.expect(201);
    for (key, answer) in [("k", made), ("r", rotated)] {
        let kept = api.services.store.idempotency(key).await.unwrap().unwrap();
        let secret = answer["secret"].as_str().unwrap();
        assert!(!kept.body.contains(&secret[secret.len() - 38..]), "{key}");
        assert_eq!(kept.status, 200);
    }
}

#[tokio::test]
async fn every_change_by_post_is_repeatable() {
    let api = Api::new().await;
    api.key(json!({"name": "a", "expires_in": "1d"})).await;
    for (path, body, status) in [
        ("/v1/owners", json!({"name": "acme"}), 201),
        ("/v1/roles", json!({"name": "r", "scopes": []}), 201),
        ("/v1/keys/a/disable", json!({}), 200),
        ("/v1/keys/a/enable", json!({}), 200),
        ("/v1/keys/a/rotate", json!({}), 201),
        ("/v1/keys/bulk", json!({"action": "disable", "filter": "status:active", "expect": 1}), 200),
        ("/v1/keys/a/revoke", json!({"reason": "other"}), 200),
        ("/v1/cache/flush", json!({}), 200),
        ("/v1/reload", Value::Null, 200),
        ("/v1/explain", json!({"key_id": "a"}), 200),
        ("/v1/drain", Value::Null, 202),
    ] {
        let headers = [("Idempotency-Key", path)];
        let first = api.send_json(Method::POST, path, &headers, &body).await;
        assert_eq!(first.status, status, "{path}: {}", first.text);
        let records = api.audit().await.len();
        let again = api.send_json(Method::POST, path, &headers, &body).await;
        assert_eq!(again.header("idempotency-replayed"), "true", "{path}: {}", again.text);
        assert_eq!(api.audit().await.len(), records, "{path}");
    }
    assert_eq!(api.told.flushed.load(Ordering::Relaxed), 1);
    assert_eq!(api.told.drained.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_refused_request_may_be_mended_and_sent_again() {
    let api = Api::new().await;
    create(&api, "k", json!({"name": "a", "plan": "gone"})).await.refused(422, "invalid_request");
    create(&api, "k", json!({"name": "a"})).await.expect(201);
    create(&api, "", json!({"name": "b"})).await.refused(400, "invalid_parameter");
    create(&api, "\"open", json!({"name": "b"})).await.refused(400, "invalid_parameter");
}

#[tokio::test]
async fn two_at_once_do_it_once() {
    let api = Api::new().await;
    let body = json!({"name": "a"});
    let (one, two) = tokio::join!(create(&api, "k", body.clone()), create(&api, "k", body));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert!(matches!(statuses, [201, 409] | [200, 201]), "{statuses:?}");
    assert_eq!(api.audit().await, ["key.create"]);
}
