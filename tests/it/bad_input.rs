//! What can be wrong outside of a request: each is told by name, with the remedy, and leaves nothing half done.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;

use super::support::process::argus;
use super::support::{Gateway, KEYED, Origin, Run, Setup, source, until};

/// `argus check` of a text.
fn check(text: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("gateway.toml"), text).unwrap();
    Run::of(argus().current_dir(dir.path()).args(["check", "--no-color"]))
}

/// A configuration that holds, to be spoiled in one place.
const GOOD: &str = r#"listen = ":8080"

[routes.api]
paths = ["/*"]
upstream = "http://127.0.0.1:3000"
auth = "api_key"
"#;

#[test]
fn a_good_file_is_good() {
    let run = check(GOOD);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(format!("{}{}", run.stdout, run.stderr).contains("gateway.toml is valid"), "{run:?}");
}

#[test]
fn mistakes_are_told_with_place_and_remedy() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &[&str])] = &[
        ("upstream = \"http", "upsteam = \"http", &["upsteam", "did you mean `upstream`", "gateway.toml:5:1"]),
        ("auth = \"api_key\"\n", "", &["auth", "routes.api"]),
        ("auth = \"api_key\"", "auth = \"jwt\"", &["jwt", "not supported in this version"]),
        ("listen = \":8080\"", "listen = \":8080\"\nversion = 1\n[cache]\nurl = \"redis://a\"", &["cache", "not supported in this version"]),
        ("listen = \":8080\"", "listen = \":8080\"\n[clients]\ntrusted_proxies = [\"0.0.0.0/0\"]", &["trusted_proxies", "everyone", "0.0.0.0/0"]),
        ("listen = \":8080\"", "listen = \":8080\"\n[clients]\ntrusted_proxies = [\"10.0.0.0/33\"]", &["10.0.0.0/33"]),
        ("listen = \":8080\"", "listen = \":8080\"\n[conditions.a]\ntime = { zone = \"Mars/Olympus\" }", &["Mars/Olympus", "IANA"]),
        ("listen = \":8080\"", "listen = \":8080\"\n[plans.a]\nlimits = [{ rate = \"100\" }]", &["100/min"]),
        ("listen = \":8080\"", "listen = \":8080\"\n[ops]\ndrain = { delay = 5 }", &["delay", "write \"5s\""]),
        ("listen = \":8080\"", "listen = \":8080\"\n[geo]\ncountry_db = \"nowhere.mmdb\"", &["nowhere.mmdb"]),
        ("listen = \":8080\"", "listen = \":8080\"\n[conditions.a]\ncountry = { allow = [\"DE\"] }", &["country_db"]),
        ("auth = \"api_key\"", "auth = \"api_key\"\nconditions = [\"offce\"]\n[conditions.office]\nip = { allow = [\"10.0.0.0/8\"] }", &["offce", "office"]),
        ("[routes.api]", "[routes.b]\npaths = [\"/*\"]\nupstream = \"http://127.0.0.1:1\"\nauth = \"none\"\n[routes.api]", &["\"api\"", "\"b\"", "specific"]),
        ("http://127.0.0.1:3000", "${NO_SUCH_VARIABLE}", &["NO_SUCH_VARIABLE", "gateway.toml:5"]),
        ("listen = \":8080\"", "listen = \":8080", &["gateway.toml:1"]),
    ];
    let mut wrong = Vec::new();
    for (good, bad, expected) in cases {
        let run = check(&GOOD.replacen(good, bad, 1));
        let said = format!("{}{}", run.stdout, run.stderr);
        if run.code != Some(2) {
            wrong.push(format!("{bad:?}: exit code {:?}\n{said}", run.code));
        }
        for part in *expected {
            if !said.contains(part) {
                wrong.push(format!("{bad:?}: `{part}` is missing in\n{said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = GOOD.replace("upstream =", "upsteam =").replace("api_key", "api_kex") + "\n[polices]\na = 1\n";
    let said = check(&text).fails(2);
    assert!(said.contains("upsteam") && said.contains("api_kex") && said.contains("polices"), "{said}");
    assert!(said.contains("errors"), "a count at the end: {said}");
}

#[test]
fn machines_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("gateway.toml"), GOOD.replace("upstream =", "upsteam =")).unwrap();
    let run = Run::of(argus().current_dir(dir.path()).args(["check", "--json"]));
    let list: serde_json::Value = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run:?}"));
    let first = &list[0];
    assert_eq!((first["severity"].as_str(), first["line"].as_u64()), (Some("error"), Some(5)), "{first}");
    assert!(first["code"].is_string() && first["column"].is_number() && first["message"].is_string(), "{first}");
}

#[test]
fn a_bad_file_does_not_start() {
    let Err(run) = Setup::new(&KEYED.replace("auth", "auht")).origin("http://127.0.0.1:9").try_start() else {
        panic!("it started")
    };
    assert!(run.fails(2).contains("auht"));
}

#[test]
fn a_certificate_that_cannot_be_read() {
    let tls = "[listeners.public]\naddress = \"{traffic}\"\ntls = \"public\"\n[tls.public]\ncertificate = \"{dir}/tls.crt\"\nkey_file = \"{dir}/tls.key\"\n";
    let start = |setup: Setup| match setup.origin("http://127.0.0.1:9").try_start() {
        Ok(_) => panic!("it started"),
        Err(run) => run,
    };
    let toml = format!("{tls}{KEYED}");
    let missing = start(Setup::new(&toml));
    assert!(matches!(missing.code, Some(2 | 78)) && missing.stderr.contains("tls.crt"), "{missing:?}");
    let nonsense = start(Setup::new(&toml).file("tls.crt", "nonsense").file("tls.key", "nonsense"));
    assert!(matches!(nonsense.code, Some(2 | 78)) && nonsense.stderr.contains("tls."), "{nonsense:?}");
    let (one, other) = (super::support::certificate::Authority::new(), super::support::certificate::Authority::new());
    let (a, b) = (one.issue(&["a.example"]), other.issue(&["a.example"]));
    let crossed = start(Setup::new(&toml).file("tls.crt", a.certificate).file("tls.key", b.key));
    assert!(matches!(crossed.code, Some(2 | 78)) && crossed.stderr.contains("tls."), "{crossed:?}");
}

/// Stops a gateway, does something to its store, and starts it again: what it says when that fails.
fn with_spoiled_store(spoil: impl Fn(&std::path::Path)) -> Run {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, KEYED);
    gateway.key(&["a"]);
    gateway.stop().ok();
    let store = gateway.path("argus-data/argus.db");
    spoil(&store);
    let before = std::fs::read(&store).unwrap();
    let run = match gateway.try_start_again() {
        Ok(()) => panic!("it started on a spoiled store"),
        Err(run) => run,
    };
    assert!(std::fs::read(&store).unwrap() == before, "the file was touched");
    let name = store.file_name().unwrap().to_string_lossy().into_owned();
    assert!(run.stderr.contains(&name), "the file is not named: {run:?}");
    run
}

#[test]
fn a_store_that_is_no_database() {
    let run = with_spoiled_store(|path| {
        std::fs::write(path, "this is no database, whatever its name says\n".repeat(200)).unwrap()
    });
    assert_eq!(run.code, Some(78), "{run:?}");
    assert!(run.stderr.contains("not a database"), "{run:?}");
}

#[test]
fn a_store_that_was_cut_short() {
    let run = with_spoiled_store(|path| {
        let whole = std::fs::read(path).unwrap();
        std::fs::write(path, &whole[..whole.len() / 2]).unwrap();
    });
    assert_eq!(run.code, Some(78), "{run:?}");
}

#[test]
fn a_store_of_a_newer_version() {
    let run = with_spoiled_store(|path| {
        let store = rusqlite::Connection::open(path).unwrap();
        store.execute("UPDATE schema_version SET version = 9999", []).unwrap();
    });
    assert_eq!(run.code, Some(78), "{run:?}");
    assert!(run.stderr.contains("newer"), "{run:?}");
}

#[test]
fn a_folder_that_cannot_be_written() {
    if is_root() {
        // Root may write everywhere, so a file in the way of the folder has to do.
        let origin = Origin::start();
        let Err(run) = Setup::new(KEYED).origin(&origin.url()).file("argus-data", "in the way").try_start() else {
            panic!("it started")
        };
        assert!(matches!(run.code, Some(2 | 78)) && run.stderr.contains("argus-data"), "{run:?}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let run = Run::of(argus().current_dir(dir.path()).args([
        "run",
        "--upstream",
        "http://127.0.0.1:9",
        "--listen",
        "127.0.0.1:0",
    ]));
    assert!(run.fails(78).contains("argus-data"));
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap_or(0) == 0
}

#[test]
fn a_full_disk_refuses_changes_and_serves_on() {
    let origin = Origin::start();
    let dir = tempfile::tempdir().unwrap();
    let (shim, switch) = (dir.path().join("full_disk.so"), dir.path().join("full"));
    let source = source::root().join("tests/it/support/full_disk.c");
    Run::of(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(source)).ok();
    let gateway = Setup::new(KEYED)
        .origin(&origin.url())
        .env("LD_PRELOAD", &shim.display().to_string())
        .env("DISK_FULL_WHEN", &switch.display().to_string())
        .start();
    let key = gateway.key(&["a"]);
    gateway.get("/a").key(&key).send().expect(200);
    std::fs::write(&switch, "").unwrap();
    let create = |name: &str| gateway.admin("POST", "/v1/keys").json(&json!({ "name": name })).send();
    let refused = create("no-room");
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(refused.json()["detail"].as_str().unwrap().contains("disk"), "{}", refused.text());
    gateway.get("/a").key(&key).send().expect(200);
    std::fs::remove_file(&switch).unwrap();
    assert_eq!(gateway.argus(&["key", "show", "no-room"]).code, Some(3), "nothing is half done");
    until("changes to be taken again", || (create("room").status == 201).then_some(()));
    assert_eq!(gateway.argus(&["audit", "verify"]).code, Some(0));
}

#[test]
fn bodies_of_the_api() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let post =
        |body: &str| gateway.admin("POST", "/v1/keys").header("Content-Type", "application/json").body(body).send();
    for (body, status) in [
        ("{ \"name\": ", 400),
        ("[]", 422),
        ("{}", 422),
        ("{ \"name\": 5 }", 422),
        ("{ \"name\": \"x\", \"nmae\": \"y\" }", 422),
        ("{ \"name\": \"x\", \"scopes\": [\"no colon\"] }", 422),
        ("{ \"name\": \"x\", \"plan\": \"unknown\" }", 422),
        ("{ \"name\": \"x\", \"expires_in\": \"30\" }", 422),
    ] {
        let answer = post(body);
        assert!(
            answer.status == status || (status == 422 && answer.status == 400),
            "{body}: {} {}",
            answer.status,
            answer.text()
        );
        assert_eq!(answer.header("content-type"), "application/problem+json", "{body}");
    }
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(4 << 20));
    assert_eq!(post(&huge).status, 413);
    post("{\"name\":\"twice\"}").expect(201);
    assert_eq!(post("{\"name\":\"twice\"}").status, 409);
    let missing = gateway.admin("GET", "/v1/keys/key_0000000000").send().expect(404);
    assert_eq!(missing.header("content-type"), "application/problem+json");
    assert_eq!(gateway.admin("GET", "/v1/nothing").send().status, 404);
    assert_eq!(gateway.admin("PUT", "/v1/keys").body("").send().status, 405);
    let list = gateway.admin("GET", "/v1/keys?limit=0").send();
    assert!(matches!(list.status, 400 | 422), "{}", list.text());
    assert!(matches!(gateway.admin("GET", "/v1/keys?cursor=garbage").send().status, 400 | 422));
}
