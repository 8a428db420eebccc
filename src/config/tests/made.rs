//! What is made from the written form: schema, reference, help, the file of `argus init`.

use super::*;
use crate::config::overrides::OVERRIDES;
use crate::config::schema::{Part, root};

/// Compares a file of the repository with what is made; ARGUS_REGENERATE=1 writes it.
#[track_caller]
fn same(file: &str, made: &str) {
    if std::env::var_os("ARGUS_REGENERATE").is_some() {
        std::fs::write(file, made).unwrap();
    }
    let have = std::fs::read_to_string(file).unwrap_or_default();
    assert!(have == made, "{file} is not what is made: run the tests with ARGUS_REGENERATE=1");
}

#[test]
fn the_reference_is_up_to_date() {
    same("docs/configuration.md", &reference());
}

#[test]
fn the_repository_has_the_default_file() {
    same("gateway.toml", &init_template(&Answers::default()));
    let config = good(&init_template(&Answers::default()));
    assert_eq!(config.routes.len(), 1);
    assert_eq!(config.listeners[0].address.port(), 8080);
}

#[test]
fn answers_cannot_bring_structure() {
    let answers = Answers {
        upstream: "http://api.internal:8080".into(),
        listen: "127.0.0.1:9000".into(),
        state_dir: Some("/srv/\"{prefix}\" \\ state".into()),
        key_prefix: "acme".into(),
    };
    let config = good(&init_template(&answers));
    assert_eq!(config.store.dir.to_str(), Some("/srv/\"{prefix}\" \\ state"));
    assert_eq!(&*config.keys.prefix, "acme");
    let answers = Answers { upstream: "x\"\n[admin]\naddress = \"off".into(), ..Answers::default() };
    let loaded = text(&init_template(&answers));
    let codes: Vec<Code> = loaded.problems.iter().map(|p| p.code).collect();
    assert_eq!(codes, [Code::UpstreamUnknown]);
}

/// Takes the comment marks off what shows a field, so that every line the file suggests is checked too.
#[test]
fn every_suggested_line_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let put = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    put("tls.crt", &certified.cert.pem(), 0o644);
    put("tls.key", &certified.signing_key.serialize_pem(), 0o600);
    put("argus-pepper", "0123456789abcdef", 0o600);
    put("country.mmdb", "", 0o644);
    put("asn.mmdb", "", 0o644);
    let suggested: String = init_template(&Answers::default())
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(code) if code.contains(" = ") || code.starts_with(['[', ']', '{', ' ']) => code,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let suggested = suggested
        .replace("/etc/argus/tls", "DIR")
        .replace("/run/secrets", "DIR")
        .replace("/var/lib/argus/", "DIR/")
        .replace("DIR", dir.path().to_str().unwrap());
    let config = good(&suggested);
    assert_eq!((config.routes.len(), config.plans.len(), config.conditions.len()), (2, 2, 2));
    assert!(config.listeners.len() == 2 && config.geo.asn_db.is_some() && config.keys.pepper.is_some());
}

/// Every example of the reference, beside a listener and a route where it brings none.
#[test]
fn every_example_is_right() {
    let mut examples = 0;
    for part in reference().split("```toml\n").skip(1) {
        let (example, _) = part.split_once("```").unwrap();
        examples += 1;
        let mut toml = example.to_owned();
        if !toml.contains("[routes.") {
            toml.push_str("[routes.x]\npaths = \"/x\"\nupstream = \"http://127.0.0.1:3000\"\nauth = \"none\"\n");
        }
        if !toml.contains("[listeners.") && !toml.contains("listen =") {
            toml = format!("listen = \":8080\"\n{toml}");
        }
        let loaded = text(&toml);
        let missing_file = |p: &Problem| matches!(p.code, Code::Certificate | Code::PrivateKey | Code::GeoFile);
        let other: Vec<&Problem> = loaded.problems.iter().filter(|p| !missing_file(p)).collect();
        assert!(other.is_empty(), "{toml}{}", loaded.problems.render(false));
    }
    assert!(examples >= 15, "only {examples} examples were found");
}

#[test]
fn every_table_has_help() {
    let root = root();
    let fields = Part::whole(&root).fields();
    for (name, field) in &fields {
        assert_eq!(reference::TABLES.contains(name), field.table().is_some(), "{name}");
    }
    for table in reference::TABLES {
        let help = help(Some(table)).unwrap();
        assert!(help.starts_with(&format!("[{table}")), "{help}");
        assert!(help.contains("  ("), "{help}");
    }
    assert!(help(None).unwrap().contains("ratelimit_headers"));
    assert_eq!(help(Some("nothing")), None);
    assert_eq!(help(Some("listen")), None, "a field is not a table");
}

/// Walks every field of tables of which there is one each.
fn singles<'a>(part: Part<'a>, path: &str, found: &mut Vec<(String, Part<'a>)>) {
    for (name, field) in part.fields() {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if field.named().is_none() && field.fields().is_empty() {
            found.push((path, field));
        } else if field.named().is_none() {
            singles(field, &path, found);
        }
    }
}

#[test]
fn every_single_field_can_be_overridden() {
    let root = root();
    let mut found = Vec::new();
    singles(Part::whole(&root), "", &mut found);
    let scalar = |kind: &str| !kind.contains("list") && !kind.contains("table");
    let mut want: Vec<String> = found.into_iter().filter(|(_, f)| scalar(&f.kind())).map(|(path, _)| path).collect();
    want.retain(|path| path != "version");
    want.sort();
    let mut have: Vec<String> = OVERRIDES.iter().map(|o| (*o).to_owned()).collect();
    have.sort();
    assert_eq!(have, want);
}

/// A file in which every default is written out resolves to the same as one in which none is.
#[test]
fn documented_defaults_are_the_real_ones() {
    let root = root();
    let whole = Part::whole(&root);
    let mut found = Vec::new();
    singles(whole, "", &mut found);
    let mut toml = String::new();
    for (path, field) in found {
        if let Some(default) = field.default() {
            toml.push_str(&format!("{path} = {}\n", reference::toml_text(default)));
        }
    }
    assert!(toml.lines().count() > 30, "{toml}");
    let named = |table: &str, name: &str| {
        let (_, part) = whole.fields().into_iter().find(|(n, _)| *n == table).unwrap();
        let mut found = Vec::new();
        singles(part.named().unwrap(), "", &mut found);
        let with_default = found.into_iter().filter_map(|(path, field)| Some((path, field.default()?)));
        let lines = with_default.map(|(path, d)| format!("{path} = {}\n", reference::toml_text(d)));
        format!("[{table}.{name}]\n{}", lines.collect::<String>())
    };
    // What a table turns on by being there is turned on in both.
    let bare = "[listeners.a]\naddress = \":1\"\n[upstreams.a]\nservers = [\"http://h\"]\nhealth = {}\nejection = {}\nbreaker = {}\n\
                [routes.a]\npaths = \"/\"\nupstream = \"a\"\nauth = \"none\"\n";
    let full = format!(
        "{toml}{}address = \":1\"\n{}servers = [\"http://h\"]\n{}paths = \"/\"\nupstream = \"a\"\nauth = \"none\"\n",
        named("listeners", "a"),
        named("upstreams", "a"),
        named("routes", "a")
    );
    let debug = |toml: &str| {
        let loaded = text(toml);
        assert_eq!(loaded.problems.errors(), 0, "{toml}\n{}", loaded.problems.render(false));
        let mut config = loaded.config.unwrap();
        config.ops.drain_delay_given = false;
        // A cost of one that is written is not one that is not.
        config.routes[0].cost = None;
        let text = format!("{config:#?}");
        text.lines().filter(|line| !line.trim_start().starts_with("line: ")).collect::<Vec<_>>().join("\n")
    };
    for (bare, full) in debug(bare).lines().zip(debug(&full).lines()) {
        assert_eq!(bare, full);
    }
}

#[test]
fn the_schema_is_one_for_toml() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    assert_eq!(schema["properties"]["routes"]["type"], "object");
    assert_eq!(schema["additionalProperties"], false);
    assert!(!schema.to_string().contains("\"null\""));
    assert_eq!(schema["definitions"]["OpsText"]["properties"]["address"]["default"], "127.0.0.1:9642");
}
