//! The life of a key, by the command line and by the API, with `curl` as one of its clients.

use serde_json::{Value, json};

use super::support::client::{curl, python};
use super::support::{Gateway, KEYED, Origin, Run, until};

fn scene() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    (origin, gateway)
}

fn status(gateway: &Gateway, key: &str) -> u16 {
    gateway.get("/a").key(key).send().status
}

#[test]
fn the_secret_alone_is_on_standard_output() {
    let (_origin, gateway) = scene();
    let run = gateway.argus(&["key", "create", "billing", "--scope", "invoices:read", "--expires", "90d"]);
    let secret = run.stdout.trim_end().to_owned();
    assert_eq!(secret.len(), 60, "{run:?}");
    assert_eq!(run.stdout, format!("{secret}\n"));
    assert!(run.stderr.contains("once") && !run.stderr.contains(&secret), "{}", run.stderr);
    assert_eq!(status(&gateway, &secret), 200);
    let shown = gateway.argus(&["key", "show", "billing"]);
    assert!(shown.stdout.contains(&secret[..21]) && !shown.stdout.contains(&secret), "{}", shown.stdout);
    let list = gateway.argus(&["key", "list"]).ok();
    assert!(list.contains("billing") && !list.contains(&secret));
}

#[test]
fn nothing_that_is_stored_or_logged_holds_a_secret() {
    let (_origin, mut gateway) = scene();
    let key = gateway.key(&["a"]);
    assert_eq!(status(&gateway, &key), 200);
    gateway.get("/a").key(&format!("{key}x")).send();
    let said = gateway.said();
    gateway.stop().ok();
    assert!(!said.contains(&key) && !said.contains(&key[22..]));
    for entry in std::fs::read_dir(gateway.path("argus-data")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let secret = &key.as_bytes()[22..54];
            assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{}", path.display());
        }
    }
}

#[test]
fn by_the_command_line_from_beginning_to_end() {
    let (_origin, gateway) = scene();
    let key = gateway.key(&["mobile"]);
    assert_eq!(status(&gateway, &key), 200);
    gateway.argus(&["key", "disable", "mobile"]).ok();
    assert_eq!(status(&gateway, &key), 401);
    gateway.argus(&["key", "enable", "mobile"]).ok();
    assert_eq!(status(&gateway, &key), 200);
    gateway.argus(&["key", "edit", "mobile", "--add-scope", "orders:read"]).ok();
    let shown = gateway.argus(&["key", "show", "mobile", "--json"]).json();
    assert_eq!(shown["scopes"], json!(["orders:read"]));
    let fresh = gateway.argus(&["key", "rotate", "mobile", "--overlap", "1h"]).ok().trim().to_owned();
    assert_eq!((status(&gateway, &key), status(&gateway, &fresh)), (200, 200), "both work for a while");
    let id = format!("key_{}", &fresh[11..21]);
    gateway.argus(&["key", "revoke", &id, "--reason", "leaked", "--yes"]).ok();
    assert_eq!(status(&gateway, &fresh), 401);
    // What is revoked stays revoked.
    assert_ne!(gateway.argus(&["key", "enable", &id]).code, Some(0));
    gateway.argus(&["key", "delete", &id, "--yes"]).ok();
    assert_eq!(gateway.argus(&["key", "show", &id]).code, Some(3));
}

#[test]
fn a_rotation_without_overlap_ends_the_old_key_at_once() {
    let (_origin, gateway) = scene();
    let key = gateway.key(&["a"]);
    assert_eq!(status(&gateway, &key), 200);
    let fresh = gateway.argus(&["key", "rotate", "a", "--overlap", "0s"]).ok().trim().to_owned();
    assert_eq!((status(&gateway, &key), status(&gateway, &fresh)), (401, 200));
}

#[test]
fn exit_codes_tell_what_happened() {
    let (_origin, mut gateway) = scene();
    gateway.key(&["mobile"]);
    let unknown = gateway.argus(&["key", "show", "mobil"]).fails(3);
    assert!(unknown.contains("error: there is no key `mobil`"), "{unknown}");
    assert!(unknown.contains("did you mean `mobile`?"), "a near name is offered: {unknown}");
    gateway.argus(&["key", "create", "mobile"]).fails(6);
    gateway.argus(&["key", "create"]).fails(2);
    gateway.argus(&["key", "create", "x", "--expires", "yesterday"]).fails(2);
    gateway.argus(&["key", "revoke", "mobile", "--reason", "leaked", "--no-input"]);
    gateway.stop().ok();
    let away = gateway.argus(&["key", "list"]).fails(7);
    assert!(away.contains("admin.sock") || away.contains("running"), "{away}");
}

#[test]
fn destructive_commands_ask_first() {
    let (_origin, gateway) = scene();
    let key = gateway.key(&["a"]);
    let run = gateway.argus(&["key", "revoke", "a", "--reason", "leaked", "--no-input"]);
    assert_ne!(run.code, Some(0), "{run:?}");
    assert_eq!(status(&gateway, &key), 200);
}

#[test]
fn lists_for_people_and_for_programs() {
    let (_origin, gateway) = scene();
    for name in ["one", "two", "three"] {
        gateway.key(&[name]);
    }
    let json = gateway.argus(&["key", "list", "--json"]).json();
    assert!(json.as_array().unwrap().len() >= 3, "{json}");
    let plain = gateway.argus(&["key", "list", "--plain"]).ok();
    assert!(plain.lines().any(|line| line.contains('\t') && line.contains("two")), "{plain}");
    assert!(!plain.contains('\u{1b}') && !plain.contains('…'), "{plain}");
}

/// Calls the API with `curl`: status and body.
fn api(gateway: &Gateway, method: &str, path: &str, more: &[&str], body: Option<&Value>) -> (u16, Value) {
    let bearer = format!("Authorization: Bearer {}", gateway.admin_key());
    let url = format!("http://{}{path}", gateway.at.admin);
    let text = body.map(Value::to_string);
    let mut args = vec!["-X", method, "-H", &bearer, "-w", "\n%{http_code}", &url];
    if let Some(text) = &text {
        args.extend(["-H", "Content-Type: application/json", "--data-binary", text]);
    }
    args.extend(more);
    let said = curl(&args).ok();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn by_the_api_with_curl() {
    let (_origin, gateway) = scene();
    let (code, made) = api(&gateway, "POST", "/v1/keys", &[], Some(&json!({ "name": "web", "scopes": ["a:read"] })));
    assert_eq!(code, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(made["examples"]["curl"].as_str().unwrap().contains("curl"));
    assert_eq!(curl(&["-H", &format!("X-API-Key: {secret}"), &gateway.url("/hello")]).ok(), "hello\n");
    let path = format!("/v1/keys/{id}");
    let (code, shown) = api(&gateway, "GET", &path, &[], None);
    assert_eq!((code, shown["name"].as_str()), (200, Some("web")));
    assert!(shown.get("secret").is_none_or(Value::is_null));
    let (code, _) = api(&gateway, "PATCH", &path, &[], Some(&json!({ "description": "for the web" })));
    assert_eq!(code, 200);
    let (code, stale) = api(&gateway, "PATCH", &path, &["-H", "If-Match: W/\"1\""], Some(&json!({ "name": "x" })));
    assert_eq!(code, 412, "{stale}");
    let (code, revoked) = api(&gateway, "POST", &format!("{path}/revoke"), &[], Some(&json!({ "reason": "leaked" })));
    assert_eq!(code, 200, "{revoked}");
    assert_eq!(revoked["propagated"]["acknowledged"], revoked["propagated"]["nodes"], "{revoked}");
    assert_eq!(gateway.get("/a").key(&secret).send().code(), "key_revoked");
    assert_eq!(api(&gateway, "DELETE", &path, &[], None).0, 204);
    assert_eq!(gateway.get("/a").key(&secret).send().status, 401);
}

#[test]
fn a_repeated_creation_is_one_creation() {
    let (_origin, gateway) = scene();
    let body = json!({ "name": "once" });
    let again = ["-H", "Idempotency-Key: \"8e03978e-40d5-43dd-bc93-6894a57f9324\""];
    let (first, made) = api(&gateway, "POST", "/v1/keys", &again, Some(&body));
    let (second, replayed) = api(&gateway, "POST", "/v1/keys", &again, Some(&body));
    assert_eq!((first, second), (201, 200), "{replayed}");
    assert_eq!(made["id"], replayed["id"]);
    assert_eq!((&replayed["secret"], &replayed["secret_shown"]), (&Value::Null, &json!(true)));
    let (other, _) = api(&gateway, "POST", "/v1/keys", &again, Some(&json!({ "name": "other" })));
    assert_eq!(other, 422);
}

#[test]
fn nothing_happens_in_a_dry_run() {
    let (_origin, gateway) = scene();
    let (code, would) = api(&gateway, "POST", "/v1/keys?dry_run=true", &[], Some(&json!({ "name": "ghost" })));
    assert!(code < 300 && would["name"] == "ghost", "{code} {would}");
    assert_eq!(gateway.argus(&["key", "show", "ghost"]).code, Some(3));
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let (_origin, gateway) = scene();
    let body = json!({ "name": "x", "conditions": { "ip": { "allow": ["203.0.113.0/33"] } }, "scopes": ["no colon"] });
    let (code, problem) = api(&gateway, "POST", "/v1/keys", &[], Some(&body));
    assert_eq!(code, 422, "{problem}");
    let pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().filter_map(|e| e["pointer"].as_str()).collect();
    assert!(pointers.iter().any(|p| p.starts_with("/conditions/ip/allow")), "{problem}");
}

#[test]
fn lists_go_on_where_they_stopped() {
    let (_origin, gateway) = scene();
    for number in 0..7 {
        gateway.admin("POST", "/v1/keys").json(&json!({ "name": format!("k{number}") })).send().expect(201);
    }
    let mut names = Vec::new();
    let mut target = "/v1/keys?limit=3".to_owned();
    loop {
        let page = gateway.admin("GET", &target).send().expect(200).json();
        names.extend(page["data"].as_array().unwrap().iter().map(|k| k["name"].as_str().unwrap().to_owned()));
        if page["has_more"] != true {
            break;
        }
        target = format!("/v1/keys?limit=3&cursor={}", page["next_cursor"].as_str().unwrap());
    }
    let ours = names.iter().filter(|name| name.starts_with('k') && name.len() == 2).count();
    names.sort();
    names.dedup();
    assert_eq!(ours, 7, "{names:?}");
}

#[test]
fn keys_of_other_houses_are_taken_in() {
    let (_origin, gateway) = scene();
    let old = "argus_9f86d081884c7d659a2feaa0c55ad015";
    let hashed = "another-gateway-key-4f9a8c7e6d5b3a21";
    use sha2::Digest;
    let digest = hex::encode(sha2::Sha256::digest(hashed.as_bytes()));
    let lines =
        format!("{}\n{}\n", json!({ "name": "old", "key": old }), json!({ "name": "hashed", "sha256": digest }));
    let import = |target: &str| {
        gateway
            .admin("POST", target)
            .header("Content-Type", "application/x-ndjson")
            .body(lines.clone())
            .send()
            .expect(200)
    };
    import("/v1/keys/import?dry_run=true");
    assert_eq!(status(&gateway, old), 401);
    let report = import("/v1/keys/import").json();
    assert_eq!(report["imported"], 2, "{report}");
    until("the imported keys", || (status(&gateway, old) == 200).then_some(()));
    assert_eq!(status(&gateway, hashed), 200);
    assert_eq!(status(&gateway, "argus_9f86d081884c7d659a2feaa0c55ad014"), 401);
}

#[test]
fn the_admin_side_asks_who_is_there() {
    let (_origin, gateway) = scene();
    let ask = |request: super::support::client::Request| request.send().status;
    let bare = || super::support::client::Request::new(gateway.at.admin, "GET", "/v1/keys");
    assert_eq!(ask(bare()), 401);
    assert_eq!(ask(bare().header("Authorization", "Bearer argusadm_wrong")), 401);
    let traffic_key = gateway.key(&["a"]);
    assert_eq!(ask(bare().header("Authorization", &format!("Bearer {traffic_key}"))), 401);
    assert_eq!(ask(gateway.admin("GET", "/v1/keys")), 200);
    // A page on another site that resolves to us is not us.
    let rebound = gateway.admin("GET", "/v1/keys").host("evil.example").send();
    assert!(matches!(rebound.status, 400 | 403 | 421), "{}", rebound.text());
}

#[test]
fn verify_answers_and_exits() {
    let (_origin, gateway) = scene();
    let key = gateway.key(&["a"]);
    let verify = |key: &str| {
        let mut command = super::support::process::argus();
        command.current_dir(&gateway.dir).args(["key", "verify", "-"]);
        with_input(command, key)
    };
    let good = verify(&key);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert_eq!(verify("argus_live_nonsense").code, Some(5));
    let answer = gateway.admin("POST", "/v1/keys/verify").json(&json!({ "key": key, "consume": false })).send();
    assert_eq!(answer.expect(200).json()["valid"], true);
    let answer = gateway.admin("POST", "/v1/keys/verify").json(&json!({ "key": "garbage" })).send().expect(200).json();
    assert_eq!((&answer["valid"], &answer["code"]), (&json!(false), &json!("invalid_credentials")));
}

/// Runs a command with something on its standard input.
fn with_input(mut command: std::process::Command, input: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("input");
    std::fs::write(&file, format!("{input}\n")).unwrap();
    command.stdin(std::fs::File::open(&file).unwrap());
    Run::of(&mut command)
}

#[test]
fn pythons_own_clients_get_along() {
    let (_origin, gateway) = scene();
    let key = gateway.key(&["a"]);
    let program = r#"
import http.client, json, sys
host, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3]
c = http.client.HTTPConnection(host, port, timeout=20)
def call(method, target, body=None, headers={}):
    c.request(method, target, body=body, headers=headers)
    r = c.getresponse()
    return r.status, r.read(), r.getheader("content-type")
status, body, kind = call("GET", "/hello")
assert (status, kind) == (401, "application/problem+json"), (status, kind)
assert json.loads(body)["code"] == "missing_credentials", body
assert call("GET", "/hello", headers={"X-API-Key": key})[:2] == (200, b"hello\n")
assert call("POST", "/echo", body=b"x" * 100000, headers={"X-API-Key": key})[1] == b"x" * 100000
assert call("POST", "/echo", body=iter([b"a", b"b"]), headers={"X-API-Key": key})[1] == b"ab"
assert len(call("GET", "/chunked/300000", headers={"X-API-Key": key})[1]) == 300000
print("all well")
"#;
    let port = gateway.at.traffic.port().to_string();
    assert_eq!(python(program, &["127.0.0.1", &port, &key]).ok(), "all well\n");
}

#[test]
fn use_is_counted_and_shown() {
    let (_origin, gateway) = scene();
    let key = gateway.key(&["a"]);
    for _ in 0..3 {
        assert_eq!(status(&gateway, &key), 200);
    }
    gateway.argus(&["key", "disable", "a"]).ok();
    assert_eq!(status(&gateway, &key), 401);
    let shown = until("the use to be written", || {
        let shown = gateway.argus(&["key", "show", "a", "--json"]).json();
        shown["last_used"]["at"].is_string().then_some(shown)
    });
    assert_eq!(shown["last_used"]["ip"], "127.0.0.1", "{shown}");
    let usage = until("the usage to be written", || {
        let usage = gateway.admin("GET", "/v1/usage?group_by=key&metric=requests,refused").send().expect(200).json();
        usage.to_string().contains(&key[11..21]).then_some(usage)
    });
    assert!(usage["rows"].is_array(), "{usage}");
    assert!(gateway.argus(&["stats"]).ok().contains('3'));
}
