//! Files, the environment and the command line: what is read, what comes before what, and what is watched.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// A directory of files, and an environment.
struct Place {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    fn put(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.env.push((name, value.to_owned()));
    }

    fn load(&self, source: &Source) -> Loaded {
        load(source, &|name| self.env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()))
    }

    fn load_file(&self) -> Loaded {
        self.load(&Source::File(self.dir.path().join("gateway.toml")))
    }

    /// What is printed, with the directory cut out.
    fn printed(&self, loaded: &Loaded) -> String {
        loaded.problems.render(false).replace(&format!("{}/", self.dir.path().display()), "")
    }
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded.problems.iter().map(|p| p.code).collect()
}

fn from(loaded: &Loaded, field: &str) -> (String, String) {
    let shown = loaded.shown();
    let found = shown.iter().find(|s| s.field == field).unwrap_or_else(|| panic!("{field} in {shown:#?}"));
    (found.value.clone(), found.from.rsplit('/').next().unwrap().to_owned())
}

#[test]
fn files_beside_add_their_tables() {
    let place = Place::new();
    place.put("gateway.toml", "listen = \":8080\"\n");
    place.put("conf.d/20-b.toml", "[routes.b]\npaths = [\"/b\"]\nupstream = \"u\"\nauth = \"none\"\n");
    place.put("conf.d/10-a.toml", "[routes.a]\npaths = [\"/a\"]\nupstream = \"u\"\nauth = \"none\"\n");
    place.put("conf.d/30-u.toml", "[upstreams.u]\nservers = [\"http://h\"]\n");
    place.put("conf.d/notes.txt", "not read");
    place.put("conf.d/.hidden.toml", "not read");
    let loaded = place.load_file();
    assert_eq!(place.printed(&loaded), "");
    let config = loaded.config.as_ref().unwrap();
    let routes: Vec<&str> = config.routes.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(routes, ["a", "b"]);
    assert_eq!(config.files.len(), 4);
    assert!(config.routes[1].origin.file.as_ref().unwrap().ends_with("conf.d/20-b.toml"));
    assert!(loaded.summary.contains("gateway.toml is valid: 1 listener, 2 routes, 1 upstream ("), "{}", loaded.summary);
    for file in ["gateway.toml", "conf.d", "conf.d/30-u.toml"] {
        assert!(loaded.watched_paths().contains(&place.dir.path().join(file)), "{file}");
    }
}

#[test]
fn a_table_in_two_files_is_told_with_both_places() {
    let place = Place::new();
    place.put("gateway.toml", format!("{SIX_LINES}[keys]\nprefix = \"a\"\n"));
    place.put("conf.d/x.toml", "[routes.api]\npaths = [\"/x\"]\n\n[keys]\nmax_per_owner = 5\n");
    let loaded = place.load_file();
    assert!(loaded.config.is_none() && loaded.summary.is_empty());
    assert_eq!(
        place.printed(&loaded).replace(", 0 warnings", ""),
        r#"error[C121]: `a` cannot stand in front of keys
  ┌─ gateway.toml:9:10
 9│ prefix = "a"
  │          ^^^ expected 2 to 16 lower-case letters and digits, a letter first, and not "argusadm"

error[C103]: `routes.api` is defined twice
  ┌─ conf.d/x.toml:1:1
 1│ [routes.api]
  │ ^^^^^^^^^^^^ first defined at gateway.toml:4

error[C103]: `keys` is defined twice
  ┌─ conf.d/x.toml:4:1
 4│ [keys]
  │ ^^^^^^ first defined at gateway.toml:8

checked 2 files: 3 errors — the running configuration was not touched
"#
    );
}

#[test]
fn flag_before_environment_before_file_before_default() {
    let mut place = Place::new();
    place.put("gateway.toml", format!("{SIX_LINES}[ops]\ndrain = {{ delay = \"3s\" }}\n[log]\nlevel = \"warn\"\n"));
    place.set("ARGUS_DRAIN_DELAY", "0s");
    place.set("ARGUS_ADMIN_ADDRESS", "off");
    place.set("ARGUS_RESOURCES_WORKERS", "3");
    place.set("ARGUS_ERRORS_HIDE_ROUTES", "true");
    let loaded = place.load_file();
    assert_eq!(place.printed(&loaded), "");
    for (field, value, origin) in [
        ("ops.drain.delay", "\"0s\"", "ARGUS_DRAIN_DELAY (environment)"),
        ("ops.drain.grace", "\"25s\"", "default"),
        ("admin.address", "\"off\"", "ARGUS_ADMIN_ADDRESS (environment)"),
        ("log.level", "\"warn\"", "gateway.toml:11"),
        ("listen", "\":8080\"", "gateway.toml:2"),
    ] {
        assert_eq!(from(&loaded, field), (value.to_owned(), origin.to_owned()), "{field}");
    }
    let config = loaded.config.unwrap();
    assert_eq!((config.ops.drain_delay, config.ops.drain_delay_given), (Duration::ZERO, true));
    assert_eq!((config.admin.address, config.workers, config.errors.hide_routes), (None, 3, true));

    place.set("ARGUS_LISTEN", "127.0.0.1:1");
    let command_line =
        Source::CommandLine { upstream: "http://127.0.0.1:3000".into(), listen: Some("127.0.0.1:2".into()) };
    let loaded = place.load(&command_line);
    assert_eq!(from(&loaded, "listen").1, "--listen (command line)");
    assert_eq!(loaded.config.unwrap().listeners[0].address.port(), 2);
    let command_line = Source::CommandLine { upstream: "http://127.0.0.1:3000".into(), listen: None };
    let loaded = place.load(&command_line);
    assert_eq!(from(&loaded, "listen").1, "ARGUS_LISTEN (environment)");
}

#[test]
fn the_command_line_needs_no_file() {
    let place = Place::new();
    let source = |upstream: &str| Source::CommandLine { upstream: upstream.into(), listen: None };
    let loaded = place.load(&source("http://localhost:3000"));
    assert_eq!(place.printed(&loaded), "");
    let config = loaded.config.unwrap();
    assert_eq!(config.listeners[0].address.port(), 8080);
    assert_eq!((config.routes[0].name.as_str(), config.routes[0].paths[0].to_string().as_str()), ("api", "/*"));
    assert_eq!(config.routes[0].origin.to_string(), "");
    assert!(config.files.is_empty() && !config.ops.drain_delay_given);
    assert!(loaded.start_notes[0].contains("plain HTTP"), "{:?}", loaded.start_notes);
    let loaded = place.load(&source("localhost:3000"));
    assert_eq!(
        place.printed(&loaded),
        r#"error[C220]: upstream "localhost:3000" is not defined
  ┌─ --upstream (command line)
  = help: no upstreams are defined
  = help: an address is written as a URL: upstream = "http://localhost:3000"

checked the command line: 1 error, 0 warnings — the running configuration was not touched
"#
    );
}

#[test]
fn what_the_environment_says_wrongly_is_told_with_its_variable() {
    let mut place = Place::new();
    place.put("gateway.toml", SIX_LINES);
    place.set("ARGUS_RESOURCES_WORKERS", "many");
    place.set("ARGUS_STORE_URL", "postgres://u:hunter2@h/argus");
    place.set("ARGUS_LOG_LEVEL", "${NOT_SET}");
    let loaded = place.load_file();
    let printed = place.printed(&loaded);
    for part in [
        "error[C104]: `workers` is not a number\n  ┌─ ARGUS_RESOURCES_WORKERS (environment)\n",
        "error[C130]: `url = \"postgres:…\"` is not supported in this version\n  ┌─ ARGUS_STORE_URL (environment)\n",
        "error[C110]: environment variable `NOT_SET` is not set\n  ┌─ ARGUS_LOG_LEVEL (environment)\n",
    ] {
        assert!(printed.contains(part), "{printed}");
    }
    assert!(!printed.contains("hunter2"));
}

#[test]
fn what_cannot_be_read_is_told() {
    let mut place = Place::new();
    let loaded = place.load_file();
    assert_eq!(codes(&loaded), [Code::File], "and nothing about what it does not hold");
    assert!(place.printed(&loaded).starts_with("error[C100]: gateway.toml cannot be read: there is no such file\n"));
    place.put("gateway.toml", b"\xff");
    assert!(place.printed(&place.load_file()).contains("it is not UTF-8 text"));
    place.put("gateway.toml", vec![b' '; FILE_BYTES_MAX + 1]);
    assert!(place.printed(&place.load_file()).contains("larger than"));
    place.set("ARGUS_CONFIG", "/nowhere/gateway.toml");
    assert_eq!(codes(&place.load(&Source::Search)), [Code::File]);
    let path = place.put("other.toml", SIX_LINES);
    place.env.clear();
    place.set("ARGUS_CONFIG", path.to_str().unwrap());
    assert_eq!(place.load(&Source::Search).files, [path]);
}

#[test]
fn variables_are_filled_in_and_bring_no_structure() {
    let mut place = Place::new();
    place.put(
        "gateway.toml",
        "listen = \":${PORT:-8080}\"\n[routes.a]\npaths = [\"/a\"]\nupstream = \"${UPSTREAM:?where the API is}\"\n\
         auth = \"none\"\n[resources]\nworkers = \"${WORKERS}\"\n[errors]\nhide_routes = \"${HIDE:-true}\"\n",
    );
    place.set("UPSTREAM", "http://h:1");
    place.set("WORKERS", "2");
    let loaded = place.load_file();
    assert_eq!(place.printed(&loaded), "");
    let config = loaded.config.unwrap();
    assert_eq!((config.workers, config.errors.hide_routes, config.listeners[0].address.port()), (2, true, 8080));
    place.env.retain(|(name, _)| *name != "UPSTREAM");
    place.set("UPSTREAM", "http://h\"\n[admin]\naddress = \"off");
    let loaded = place.load_file();
    assert_eq!(codes(&loaded), [Code::Value], "{}", place.printed(&loaded));
}

#[test]
fn secrets_come_from_files() {
    let place = Place::new();
    let file = |keys: &str| place.put("gateway.toml", format!("{SIX_LINES}{keys}"));
    place.put("pepper", "0123456789abcdef\n");
    place.put("key", "argusadm-0123456789\r\n");
    file("[keys]\npepper_file = \"pepper\"\n[admin]\nkey_file = \"key\"\n");
    let loaded = place.load_file();
    assert_eq!(place.printed(&loaded), "");
    assert!(loaded.watched_paths().contains(&place.dir.path().join("pepper")));
    let config = loaded.config.unwrap();
    assert_eq!(config.admin.key.unwrap().expose(), "argusadm-0123456789");
    // The newline is not part of it: the same pepper written out gives the same digests.
    let written = good(&format!("{SIX_LINES}[keys]\npepper = \"0123456789abcdef\"\n"));
    let digest = |keys: &KeyRules| crate::model::secret::KeyDigest::of(b"x", keys.pepper.as_deref());
    assert!(digest(&config.keys).matches(&digest(&written.keys)));

    place.put("pepper", b"\xff\xfe");
    assert_eq!(codes(&place.load_file()), [Code::SecretFile]);
    place.put("pepper", "x".repeat(5_000));
    assert_eq!(codes(&place.load_file()), [Code::SecretFile]);
    place.put("pepper", "short");
    assert_eq!(codes(&place.load_file()), [Code::SecretShape]);
}

fn certificate(names: &[&str], until: (i32, u8, u8)) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn certificates_are_looked_at() {
    let place = Place::new();
    let (good, key) = certificate(&["a.example"], (2999, 1, 1));
    let (expired, its_key) = certificate(&["a.example"], (2002, 1, 1));
    let route = "[routes.a]\npaths = \"/\"\nupstream = \"http://h\"\nauth = \"none\"\n";
    place.put(
        "gateway.toml",
        format!("[listeners.a]\naddress = \":1\"\ntls = \"t\"\n[listeners.b]\naddress = \":2\"\n[tls.t]\ncertificate = \"c\"\nkey_file = \"k\"\n{route}"),
    );
    let check = |certificate: &str, key: &str, told: &[Code]| {
        place.put("c", certificate);
        place.put("k", key);
        let loaded = place.load_file();
        assert_eq!(codes(&loaded), told, "{}", place.printed(&loaded));
        loaded
    };
    let loaded = check(&good, &key, &[]);
    for file in ["c", "k"] {
        assert!(loaded.watched_paths().contains(&place.dir.path().join(file)));
    }
    let config = loaded.config.unwrap();
    let tls = config.listeners[0].tls.as_ref().unwrap();
    assert_eq!((tls.certificates[0].certificate.clone(), tls.allow_tls12), (place.dir.path().join("c"), true));
    assert_eq!(config.listeners[1].insecure_requests, InsecureRequests::Reject, "beside one with TLS");
    check(&good, &its_key, &[Code::KeyMismatch]);
    assert!(check(&expired, &its_key, &[Code::CertificateTime]).config.is_some(), "a warning");
    let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::Span::new().days(3));
    let until = (day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs());
    let (soon, soon_key) = certificate(&["a.example"], until);
    assert!(check(&soon, &soon_key, &[Code::CertificateTime]).config.is_some(), "a warning");
    check(&key, &good, &[Code::Certificate, Code::PrivateKey]);
    check("", "", &[Code::Certificate, Code::PrivateKey]);
    check(&good.replace('A', "B"), &key, &[Code::Certificate]);
    std::fs::set_permissions(place.dir.path().join("k"), PermissionsExt::from_mode(0o640)).unwrap();
    place.put("c", &good);
    let loaded = place.load_file();
    assert_eq!(codes(&loaded), [Code::SecretReadable]);
    assert!(place.printed(&loaded).contains("by its group (mode 0640)"));
}

#[test]
fn relative_paths_start_at_their_file() {
    let place = Place::new();
    place.put("gateway.toml", SIX_LINES);
    place.put("db/c.mmdb", "");
    place.put("conf.d/geo.toml", "[geo]\ncountry_db = \"../db/c.mmdb\"\n[store]\nurl = \"file:state\"\n");
    let loaded = place.load_file();
    assert_eq!(place.printed(&loaded), "");
    let config = loaded.config.unwrap();
    assert_eq!(config.store.dir, place.dir.path().join("conf.d/state"));
    assert_eq!(config.admin.socket, place.dir.path().join("conf.d/state/admin.sock"));
    assert!(config.geo.country_db.unwrap().ends_with("conf.d/../db/c.mmdb"));
}

#[test]
fn systemd_names_the_state_directory() {
    let mut place = Place::new();
    place.put("gateway.toml", SIX_LINES);
    place.set("STATE_DIRECTORY", "/var/lib/private/argus:/var/lib/other");
    let config = place.load_file().config.unwrap();
    assert_eq!(config.store.dir, Path::new("/var/lib/private/argus"));
}

#[test]
fn programs_get_the_same_as_people() {
    let loaded = text("listen = \":8080\"\n[routes.a]\nauth = \"none\"\npaths = \"/é\"\nupsteam = \"x\"\n");
    let json = loaded.problems.to_json();
    assert_eq!(
        json[1],
        serde_json::json!({
            "severity": "error", "code": "C101", "message": "unknown field `upsteam` in route \"a\"",
            "file": "gateway.toml", "line": 5, "column": 1, "span": {"start": 56, "end": 63},
            "help": [
                "did you mean `upstream`?",
                "routes take hosts, paths, methods, headers, upstream, auth, scopes, cost, conditions, limits, …\n\
                 run `argus help config routes` for each with an example",
            ],
            "notes": [], "docs": "docs/configuration.md#routes",
        })
    );
    assert_eq!(json.as_array().unwrap().len(), 3);
    assert_eq!(json[2]["notes"][0], "this follows from the error at gateway.toml:5");
    assert!(loaded.problems.render(true).contains("\u{1b}["));
}

#[test]
fn no_more_is_told_than_can_be_read() {
    let many: String = (0..1_000).map(|n| format!("x{n} = 1\n")).collect();
    let loaded = text(&many);
    let printed = loaded.problems.render(false);
    assert!(printed.lines().count() < 1_200, "{}", printed.lines().count());
    assert!(loaded.problems.errors() >= 100 && printed.contains("more errors were found"));
    let long = format!("x = \"{}\"\ny = [{}", "a".repeat(100_000), "[".repeat(50_000));
    assert!(text(&long).problems.render(false).lines().all(|line| line.chars().count() < 400));
    let escape = text("x = \"\u{1b}[2J\"\n'\u{7f}' = \"\u{9b}\"");
    assert!(!escape.problems.render(false).contains(['\u{1b}', '\u{9b}', '\u{7f}']));
}
