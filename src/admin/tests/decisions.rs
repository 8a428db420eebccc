//! Verify, explain, usage, recent decisions and their stream; the process itself.

use futures_util::StreamExt;

use super::*;
use crate::admin::v1::decisions::stream::STREAMS_MAX;
use crate::model::audit::{Actor, AuditDraft, Target};
use crate::store::{Change, UsageBatch, UsageCounts, UsageKey};

#[tokio::test]
async fn verify_takes_units_and_says_why_not() {
    let api = Api::new().await;
    let made = api.key(json!({"name": "a", "plan": "pro", "scopes": ["orders:read"], "meta": {"t": "x"}})).await;
    let secret = made["secret"].as_str().unwrap();
    let verify = |more: Value| {
        let mut body = json!({"key": secret});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let api = &api;
        async move { api.post("/v1/keys/verify", body).await.expect(200) }
    };
    let good = verify(json!({"method": "GET", "url": "http://localhost/v1/orders/1"})).await;
    assert_eq!((&good["valid"], &good["code"], &good["route"]), (&json!(true), &json!("ok"), &json!("orders")));
    assert_eq!((&good["key"]["name"], &good["key"]["meta"]["t"]), (&json!("a"), &json!("x")));
    assert_eq!(good["counters"][0]["used"], 1);
    for _ in 0..3 {
        verify(json!({"consume": false})).await;
    }
    for _ in 0..4 {
        assert_eq!(verify(json!({})).await["valid"], true);
    }
    let bad = verify(json!({})).await;
    assert_eq!((&bad["valid"], &bad["code"], &bad["status"]), (&json!(false), &json!("rate_limited"), &json!(429)));
    assert!(bad["retry_after_s"].as_u64().unwrap() >= 1);
    let shown = api.get("/v1/keys/a").await.expect(200);
    assert_eq!((&shown["quota"]["used"], &shown["counters"][0]["used"]), (&json!(5), &json!(5)));
    let unknown = api.post("/v1/keys/verify", json!({"key": "nonsense"})).await.expect(200);
    assert_eq!((&unknown["code"], &unknown["key"]), (&json!("invalid_credentials"), &Value::Null));
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"key": ""}), "/key"),
        (json!({"key": "x".repeat(513)}), "/key"),
        (json!({"key": "x", "url": "ftp://x"}), "/url"),
        (json!({"key": "x", "method": "get"}), "/method"),
        (json!({"key": "x", "ip": "somewhere"}), "/ip"),
        (json!({"key": "x", "at": "later"}), "/at"),
        (json!({"key": "x", "headers": {"bad name": "x"}}), "/headers/bad name"),
    ] {
        let problem = api.post("/v1/keys/verify", body.clone()).await.refused(422, "invalid_request");
        assert_eq!(pointers(&problem), [pointer], "{body}");
    }
}

#[tokio::test]
async fn explain_names_the_step_and_the_remedy() {
    let api = Api::new().await;
    api.key(json!({"name": "a", "condition_names": ["office"]})).await;
    let ask = json!({"key_id": "a", "method": "POST", "url": "http://localhost/v1/orders/1", "ip": "203.0.113.9"});
    let answer = api.post("/v1/explain", ask).await.expect(200);
    assert_eq!(
        (&answer["valid"], &answer["code"], &answer["status"]),
        (&json!(false), &json!("insufficient_scope"), &json!(403))
    );
    assert_eq!(answer["required_scopes"], json!(["orders:read"]));
    let failed = answer["steps"].as_array().unwrap().iter().find(|s| s["outcome"] == "failed").unwrap().clone();
    assert_eq!(failed["name"], "scope");
    assert!(failed["origin"].as_str().unwrap().starts_with("gateway.toml:"));
    assert!(!answer["fix"].as_array().unwrap().is_empty());
    api.patch("/v1/keys/a", json!({"scopes": ["orders:read"]})).await.expect(200);
    let ask = |ip: Option<&str>| json!({"key_id": "a", "url": "http://localhost/v1/orders/1", "ip": ip});
    assert_eq!(api.post("/v1/explain", ask(Some("203.0.113.9"))).await.expect(200)["valid"], true);
    assert_eq!(api.post("/v1/explain", ask(Some("198.51.100.1"))).await.expect(200)["code"], "ip_not_allowed");
    assert_eq!(api.post("/v1/explain", ask(None)).await.expect(200)["code"], "ip_not_allowed");
    let nobody = api.post("/v1/explain", json!({"url": "http://localhost/"})).await.expect(200);
    assert_eq!(nobody["code"], "missing_credentials");
    api.post("/v1/explain", json!({"key_id": "b"})).await.refused(404, "not_found");
    api.post("/v1/explain", json!({})).await.refused(422, "invalid_request");
    api.post("/v1/explain", json!({"key": "x", "key_id": "a"})).await.refused(422, "invalid_request");
}

async fn used(api: &Api) -> String {
    let key = api.key(json!({"name": "a"})).await;
    let id: KeyId = key["id"].as_str().unwrap().parse().unwrap();
    let counts = |requests| UsageCounts { requests, cost: requests, bytes_in: 10, bytes_out: 20 };
    let of = |code: &str| UsageKey { key: Some(id), route: "orders".into(), code: code.into() };
    let mut batch = UsageBatch { minute: "2026-09-21T11:58:00Z".parse().unwrap(), ..UsageBatch::default() };
    batch.counts.insert(of("ok"), counts(5));
    batch.counts.insert(of("rate_limited"), counts(2));
    api.services.store.add_usage(batch).await.unwrap();
    id.to_string()
}

#[tokio::test]
async fn usage_in_columns_and_as_csv() {
    let api = Api::new().await;
    let id = used(&api).await;
    let all = api.get("/v1/usage").await.expect(200);
    assert_eq!(all["columns"], json!(["requests", "refused", "cost", "bytes_in", "bytes_out"]));
    assert_eq!(all["rows"], json!([[7, 2, 7, 20, 40]]));
    let path = "/v1/usage?group_by=key,code&metric=requests&from=1h";
    let grouped = api.get(path).await.expect(200);
    assert_eq!(grouped["columns"], json!(["key", "code", "requests"]));
    assert_eq!(grouped["rows"], json!([[id, "ok", 5], [id, "rate_limited", 2]]));
    let csv = api.send_json(Method::GET, path, &[("Accept", "text/csv")], &Value::Null).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.text, format!("key,code,requests\r\n{id},ok,5\r\n{id},rate_limited,2\r\n"));
    let buckets = api.get("/v1/usage?bucket=5m&key=a&metric=requests").await.expect(200);
    assert_eq!(buckets["rows"], json!([["2026-09-21T11:55:00Z", 7]]));
    let shown = api.get("/v1/keys/a").await.expect(200);
    assert_eq!(shown["usage"], json!({"total": 7, "refused": 2}));
    for bad in ["from=soon", "from=1h&to=2h", "group_by=colour", "metric=latency_p99", "bucket=7s"] {
        api.get(&format!("/v1/usage?{bad}")).await.refused(400, "invalid_parameter");
    }
    api.get("/v1/usage?key=nobody").await.refused(404, "not_found");
}

#[tokio::test]
async fn the_last_decisions_by_page_and_filter() {
    let api = Api::new().await;
    for n in 0..5 {
        let code = if n % 2 == 0 { "null".to_owned() } else { "\"rate_limited\"".to_owned() };
        api.services.decisions.add(format!("+{{\"n\":{n},\"code\":{code},\"route\":\"orders\"}}\n").into_bytes());
    }
    let numbers =
        |list: &Value| list["data"].as_array().unwrap().iter().map(|d| d["n"].as_u64().unwrap()).collect::<Vec<_>>();
    let first = api.get("/v1/requests?limit=2").await.expect(200);
    assert_eq!((numbers(&first), &first["has_more"]), (vec![4, 3], &json!(true)));
    let next = first["next_cursor"].as_str().unwrap();
    let second = api.get(&format!("/v1/requests?limit=3&cursor={next}")).await.expect(200);
    assert_eq!((numbers(&second), &second["has_more"]), (vec![2, 1, 0], &json!(false)));
    assert_eq!(numbers(&api.get("/v1/requests?filter=code!%3Dok").await.expect(200)), [3, 1]);
    api.get("/v1/requests?filter=colour%3Dred").await.refused(400, "invalid_parameter");
    api.get("/v1/requests?cursor=x").await.refused(400, "invalid_parameter");
}

/// Opens a stream and hands out its events.
async fn stream(api: &Api, query: &str, last: Option<&str>) -> axum::body::BodyDataStream {
    let mut request = Request::builder().uri(format!("/v1/stream{query}")).header(header::HOST, "localhost");
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(api.peer);
    let response = TowerToHyperService::new(router(Arc::clone(&api.services))).call(request).await.unwrap();
    assert_eq!(
        (response.status(), response.headers()[header::CONTENT_TYPE].to_str().unwrap()),
        (StatusCode::OK, "text/event-stream")
    );
    response.into_body().into_data_stream()
}

async fn event(stream: &mut axum::body::BodyDataStream) -> String {
    String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_stream_resumes_filters_and_tells_what_it_missed() {
    let api = Api::new().await;
    let add = |n: u32, code: &str| api.services.decisions.add(format!("+{{\"n\":{n},\"code\":{code}}}\n").into_bytes());
    add(1, "null");
    add(2, "\"x\"");
    let mut resumed = stream(&api, "", Some("1")).await;
    assert_eq!(event(&mut resumed).await, "id: 2\nevent: decision\ndata: {\"n\":2,\"code\":\"x\"}\n\n");
    let mut filtered = stream(&api, "?filter=code!%3Dok", None).await;
    add(3, "null");
    add(4, "\"y\"");
    assert_eq!(event(&mut resumed).await, "id: 3\nevent: decision\ndata: {\"n\":3,\"code\":null}\n\n");
    assert_eq!(event(&mut filtered).await, "id: 4\nevent: decision\ndata: {\"n\":4,\"code\":\"y\"}\n\n");
    for _ in 0..crate::record::decisions::BEHIND_MAX + 4 {
        add(5, "\"z\"");
    }
    assert!(event(&mut filtered).await.starts_with("event: lagged\ndata: {\"missed\":"));
    let bad = api.send_json(Method::GET, "/v1/stream", &[("Last-Event-ID", "x")], &Value::Null).await;
    bad.refused(400, "invalid_parameter");
}

#[tokio::test]
async fn so_many_streams_and_no_more() {
    let api = Api::new().await;
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        open.push(stream(&api, "", None).await);
    }
    api.get("/v1/stream").await.refused(503, "too_many_streams");
    open.pop();
    open.push(stream(&api, "", None).await);
}

#[tokio::test]
async fn the_process_itself() {
    let api = Api::new().await;
    assert_eq!(api.get("/v1/runtime").await.expect(200), json!({"version": "test"}));
    let health = api.get("/v1/health").await.expect(200);
    assert_eq!((&health["status"], &health["revision"]), (&json!("ok"), &json!(0)));
    assert_eq!(api.post("/v1/reload", Value::Null).await.expect(200)["generation"], 2);
    assert_eq!(api.post("/v1/drain", Value::Null).await.expect(202)["draining"], true);
    api.key(json!({"name": "a"})).await;
    assert_eq!(api.post("/v1/cache/flush", json!({"key": "a"})).await.expect(200)["flushed"], 1);
    api.post("/v1/cache/flush", json!({"key": "b"})).await.refused(404, "not_found");
    assert_eq!(api.audit().await, ["config.reload", "process.drain", "key.create", "cache.flush"]);
    let check = |text: &str| {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/config/check")
            .header(header::CONTENT_TYPE, "application/toml");
        api.send(request.body(Body::from(text.to_owned())).unwrap())
    };
    assert_eq!(check(CONFIG).await.expect(200)["valid"], true);
    let problem = check("[routes.a]\npath = 1\n").await.refused(422, "config_invalid");
    assert!(problem["rendered"].as_str().unwrap().contains("sent.toml"), "{problem}");
    assert_eq!(problem["problems"][0]["file"], "sent.toml");
}

#[tokio::test]
async fn a_tampered_audit_is_seen() {
    let api = Api::new().await;
    api.key(json!({"name": "a"})).await;
    api.key(json!({"name": "b"})).await;
    let verdict = api.get("/v1/audit/verify").await.expect(200);
    assert_eq!((&verdict["verdict"], &verdict["records"]), (&json!("ok"), &json!(2)));
    let of_a = api.get(&format!("/v1/audit?target={}", api.get("/v1/keys/a").await.body["id"].as_str().unwrap())).await;
    assert_eq!(of_a.expect(200)["data"].as_array().unwrap().len(), 1);
    let who = Actor { r#type: "system".into(), id: "x".into(), name: "x".into(), via: "start".into() };
    let target = Target { r#type: "config".into(), id: "x".into(), name: "x".into() };
    let draft = AuditDraft {
        time: api.services.now(),
        actor: who,
        action: "x".into(),
        target,
        outcome: "success".into(),
        reason: None,
        source_ip: None,
        user_agent: None,
        request_id: None,
        changes: vec![],
    };
    api.services.store.commit(vec![(Change::RecordOnly, draft)], None).await.unwrap();
    assert_eq!(api.get("/v1/audit/verify").await.expect(200)["records"], 3);
    assert!(api.dir.path().join("argus.db").exists());
}
