//! Bad input: at the bounds, beyond them, and not what it should be.

use super::*;
use crate::admin::input::{BODY_BYTES_MAX, QUERY_BYTES_MAX};
use crate::admin::v1::keys::rules::{
    CONDITION_ENTRIES_MAX, DESCRIPTION_LEN_MAX, META_MAX, META_VALUE_LEN_MAX, OWN_LIMITS_MAX, PROBLEMS_MAX, WINDOWS_MAX,
};
use crate::admin::v1::keys::settings::{CONDITION_NAMES_MAX, ROLES_MAX, SCOPES_MAX, TAG_LEN_MAX, TAGS_MAX};

async fn raw(api: &Api, kind: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder().method(Method::POST).uri("/v1/keys").header(header::HOST, "localhost");
    let request = if kind.is_empty() { request } else { request.header(header::CONTENT_TYPE, kind) };
    api.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn bodies_that_are_not_json() {
    let api = Api::new().await;
    let problem = raw(&api, "application/json", "{\"name\": \"a\",\n  oops}").await.refused(400, "malformed_json");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(3)));
    for text in ["{", "nul", "{\"name\":\"a\"}}", "\u{feff}{}", "{\"name\":\"\\ud800\"}", "[[[["] {
        let answer = raw(&api, "application/json", text.to_owned()).await;
        assert_eq!(answer.status, 400, "{text}: {}", answer.text);
    }
    raw(&api, "application/json", vec![0xff, 0xfe]).await.refused(400, "malformed_json");
    raw(&api, "application/json", "[".repeat(200_000)).await.refused(400, "malformed_json");
    raw(&api, "text/plain", "{\"name\":\"a\"}").await.refused(415, "unsupported_media_type");
    raw(&api, "", "{\"name\":\"a\"}").await.refused(415, "unsupported_media_type");
    raw(&api, "application/json; charset=utf-8", "{\"name\":\"a\"}").await.expect(201);
}

#[tokio::test]
async fn bodies_of_the_largest_size_and_one_more() {
    let api = Api::new().await;
    let padded = |bytes: usize| format!("{{\"name\":\"a\"{}}}", " ".repeat(bytes - 12));
    assert_eq!(padded(BODY_BYTES_MAX).len(), BODY_BYTES_MAX);
    raw(&api, "application/json", padded(BODY_BYTES_MAX)).await.expect(201);
    let problem = raw(&api, "application/json", padded(BODY_BYTES_MAX + 1)).await.refused(413, "body_too_large");
    assert_eq!(problem["bytes_max"], BODY_BYTES_MAX);
    // Without a Content-Length the bound is met while reading.
    let pieces = std::iter::repeat_n(Ok::<_, std::convert::Infallible>(vec![b' '; 1 << 16]), 17);
    let stream = Body::from_stream(futures_util::stream::iter(pieces));
    raw(&api, "application/json", stream).await.refused(413, "body_too_large");
    let query = format!("/v1/keys?q={}", "x".repeat(QUERY_BYTES_MAX));
    api.get(&query).await.refused(414, "query_too_long");
}

/// Where a bound is, settings with so many of what it bounds, and how many are taken.
type Case = (&'static str, Box<dyn Fn(usize) -> Value>, usize);

/// A key with so many of everything is taken, and with one more is not.
#[tokio::test]
async fn lists_and_texts_at_their_bounds() {
    let api = Api::new().await;
    for n in 0..ROLES_MAX + 1 {
        api.post("/v1/roles", json!({"name": format!("r{n}"), "scopes": []})).await.expect(201);
    }
    for n in 0..CONDITION_NAMES_MAX + 1 {
        api.post("/v1/conditions", json!({"name": format!("c{n}"), "ip": {"deny": ["192.0.2.1"]}})).await.expect(201);
    }
    fn numbered(count: usize, text: &str) -> Vec<String> {
        (0..count).map(|n| format!("{text}{n}")).collect()
    }
    fn of(count: usize, value: Value) -> Vec<Value> {
        vec![value; count]
    }
    let cases: Vec<Case> = vec![
        ("/scopes", Box::new(|n| json!({"scopes": numbered(n, "a:b")})), SCOPES_MAX),
        ("/roles", Box::new(|n| json!({"roles": numbered(n, "r")})), ROLES_MAX),
        ("/condition_names", Box::new(|n| json!({"condition_names": numbered(n, "c")})), CONDITION_NAMES_MAX),
        ("/tags", Box::new(|n| json!({"tags": numbered(n, "t")})), TAGS_MAX),
        ("/tags/0", Box::new(|n| json!({"tags": ["t".repeat(n)]})), TAG_LEN_MAX),
        ("/description", Box::new(|n| json!({"description": "ä".repeat(n)})), DESCRIPTION_LEN_MAX),
        (
            "/meta",
            Box::new(
                |n| json!({"meta": numbered(n, "m").into_iter().map(|m| (m, json!(""))).collect::<serde_json::Map<_, _>>()}),
            ),
            META_MAX,
        ),
        ("/meta/m", Box::new(|n| json!({"meta": {"m": "ü".repeat(n)}})), META_VALUE_LEN_MAX),
        ("/limits", Box::new(|n| json!({"limits": of(n, json!({"rate": "1/s"}))})), OWN_LIMITS_MAX),
        (
            "/conditions/ip/allow",
            Box::new(|n| json!({"conditions": {"ip": {"allow": of(n, json!("192.0.2.1"))}}})),
            CONDITION_ENTRIES_MAX,
        ),
        (
            "/conditions/time",
            Box::new(
                |n| json!({"conditions": {"time": of(n, json!({"days": "mon", "from": "07:00", "to": "08:00", "zone": "UTC"}))}}),
            ),
            WINDOWS_MAX,
        ),
        ("/name", Box::new(|n| json!({"name": "x".repeat(n)})), crate::model::id::NAME_LEN_MAX),
    ];
    for (pointer, settings, max) in cases {
        let with_name = |n: usize| {
            let mut settings = settings(n);
            settings.as_object_mut().unwrap().entry("name").or_insert(json!("a"));
            settings
        };
        let taken = api.post("/v1/keys?dry_run=true", with_name(max)).await;
        assert_eq!(taken.status, 200, "{pointer}: {}", taken.text);
        let problem = api.post("/v1/keys", with_name(max + 1)).await.refused(422, "invalid_request");
        assert_eq!(pointers(&problem), [pointer]);
    }
    let problem = api.post("/v1/keys", json!({"name": "a", "scopes": numbered(SCOPES_MAX, "bad")})).await;
    assert_eq!(problem.refused(422, "invalid_request")["errors"].as_array().unwrap().len(), PROBLEMS_MAX);
}

#[tokio::test]
async fn unknown_paths_and_methods() {
    let api = Api::new().await;
    api.get("/v1/nothing").await.refused(404, "path_not_found");
    api.get("/").await.refused(404, "path_not_found");
    let answer = api.delete("/v1/keys").await;
    assert!(answer.header("allow").contains("POST"), "{:?}", answer.headers);
    answer.refused(405, "method_not_allowed");
    api.post("/v1/keys?dry_run=maybe", json!({"name": "a"})).await.refused(400, "invalid_parameter");
}

#[tokio::test]
async fn a_problem_type_may_have_a_base() {
    let api = Api::with(&format!("{CONFIG}\n[errors]\ntype_base = \"https://docs.example.com/\"\n")).await;
    assert_eq!(api.get("/v1/nothing").await.body["type"], "https://docs.example.com/path_not_found");
}
