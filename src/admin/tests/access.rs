//! Who is let in.

use super::*;
use crate::admin::auth::failures::{FAILURES_MAX, WINDOW_SECONDS};

fn tcp(last: u8) -> Peer {
    Peer::Tcp(([192, 0, 2, last], 40_000).into())
}

async fn me(api: &Api, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri("/v1/me");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn over_tcp_the_admin_key_is_needed() {
    let mut api = Api::new().await;
    api.peer = tcp(1);
    let bearer = format!("Bearer {ADMIN_KEY}");
    let host = ("host", "localhost:9640");
    let answer = me(&api, &[host, ("authorization", &bearer)]).await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("access-control-allow-origin", ""),
    ] {
        assert_eq!(answer.header(name), value);
    }
    let actor = answer.expect(200)["actor"].clone();
    assert_eq!((&actor["id"], &actor["via"]), (&json!("adm_root"), &json!("http")));
    me(&api, &[host, ("authorization", &bearer.replace("Bearer", "bEaReR"))]).await.expect(200);
    for wrong in ["", "Basic dTpw", "Bearer ", ADMIN_KEY, &format!("Bearer {}", "x".repeat(600))] {
        let answer = me(&api, &[host, ("authorization", wrong)]).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"argus-admin\"");
        answer.refused(401, "missing_credentials");
    }
    me(&api, &[host]).await.refused(401, "missing_credentials");
    me(&api, &[host, ("authorization", &bearer), ("authorization", &bearer)]).await.refused(401, "missing_credentials");
    let answer = me(&api, &[host, ("authorization", &format!("{bearer}x"))]).await;
    assert!(answer.header("www-authenticate").contains("invalid_token"));
    answer.refused(401, "invalid_credentials");
    let unknown = api.send(Request::builder().uri("/nothing").body(Body::empty()).unwrap()).await;
    assert_ne!(unknown.status, 404, "paths are not told to strangers");
}

#[tokio::test]
async fn a_configured_key_takes_the_place_of_the_made_one() {
    let file = key_file();
    let mut api = Api::with(&format!("{CONFIG}\n[admin]\nkey_file = \"{}\"\n", file.path().display())).await;
    api.peer = tcp(1);
    let host = ("host", "localhost");
    me(&api, &[host, ("authorization", "Bearer argusadm_of_the_file_0123456789")]).await.expect(200);
    me(&api, &[host, ("authorization", &format!("Bearer {ADMIN_KEY}"))]).await.refused(401, "invalid_credentials");
}

fn key_file() -> tempfile::NamedTempFile {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"argusadm_of_the_file_0123456789\n").unwrap();
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[tokio::test]
async fn guesses_are_limited_per_address() {
    let mut api = Api::new().await;
    api.peer = tcp(1);
    let host = ("host", "localhost");
    let right = format!("Bearer {ADMIN_KEY}");
    for _ in 0..FAILURES_MAX {
        me(&api, &[host, ("authorization", "Bearer wrong")]).await.refused(401, "invalid_credentials");
    }
    let answer = me(&api, &[host, ("authorization", &right)]).await;
    assert_eq!(answer.header("retry-after"), WINDOW_SECONDS.to_string());
    answer.refused(429, "too_many_failures");
    api.peer = tcp(2);
    me(&api, &[host, ("authorization", &right)]).await.expect(200);
    api.peer = tcp(1);
    api.clock.advance(Duration::from_secs(WINDOW_SECONDS));
    me(&api, &[host, ("authorization", &right)]).await.expect(200);
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused_before_the_key_is_heard() {
    let mut api = Api::with(&format!("{CONFIG}\n[admin]\nhosts = [\"argus.internal\"]\n")).await;
    api.peer = tcp(1);
    let bearer = format!("Bearer {ADMIN_KEY}");
    for (host, status) in
        [("127.0.0.1:9640", 200), ("[::1]:9640", 200), ("argus.internal", 200), ("evil.example", 403), ("", 403)]
    {
        let answer = me(&api, &[("host", host), ("authorization", &bearer)]).await;
        assert_eq!(answer.status, status, "{host}: {}", answer.text);
    }
    let answer = me(&api, &[("authorization", &bearer)]).await;
    answer.refused(403, "host_not_allowed");
    let twice = [("host", "localhost"), ("host", "localhost"), ("authorization", bearer.as_str())];
    me(&api, &twice).await.refused(403, "host_not_allowed");
    api.peer = Peer::Unix { uid: 0 };
    me(&api, &[]).await.expect(200);
}

#[tokio::test]
async fn a_request_of_no_known_peer_is_refused() {
    let api = Api::new().await;
    let request = Request::builder().uri("/v1/me").body(Body::empty()).unwrap();
    let response = TowerToHyperService::new(router(Arc::clone(&api.services))).call(request).await.unwrap();
    assert_eq!(response.status(), 401);
}
