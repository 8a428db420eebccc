//! One mistake, or a few that belong together, and every problem that is told about them: `mistakes.txt`.

use super::*;

const FILE: &str = "src/config/tests/mistakes.txt";

/// Fills in what stands for a file in order.
fn file(written: &str) -> String {
    let with = |front: &str| {
        let lines = written.lines().filter_map(|l| l.strip_prefix(front));
        lines.map(|l| format!("{l}\n")).collect::<String>()
    };
    let rest = format!(
        "listen = \"127.0.0.1:8080\"\n{}[routes.a]\npaths = [\"/a\"]\nupstream = \"http://127.0.0.1:3000\"\nauth = \"api_key\"\n{}",
        with("top: "),
        with("route: ")
    );
    let plain = written.lines().filter(|l| !l.starts_with("top: ") && !l.starts_with("route: "));
    plain.map(|l| format!("{l}\n")).collect::<String>().replace("<rest>\n", &rest)
}

fn told(toml: &str) -> String {
    let loaded = text(toml);
    assert!(loaded.config.is_none(), "{toml}");
    let line = |p: &Problem| {
        let at = p.place.map(|place| loaded.problems.sources.shown(place)).unwrap_or_default();
        let at = at.trim_start_matches("gateway.toml:");
        let label = if p.label.is_empty() { String::new() } else { format!(" | {}", p.label) };
        let notes: String = p.notes.iter().map(|n| format!(" | {n}")).collect();
        format!("{} {at} {}{label}{notes}\n", p.code, p.message)
    };
    loaded.problems.iter().map(line).collect()
}

#[test]
fn every_mistake_is_told() {
    let cases = include_str!("mistakes.txt");
    let mut parts = cases.split("\n### ");
    let mut anew = parts.next().unwrap().to_owned();
    for part in parts {
        let (written, _) = part.split_once("---\n").unwrap();
        let (_, toml) = written.split_once('\n').unwrap();
        anew.push_str(&format!("\n### {written}---\n{}", told(&file(toml))));
    }
    if std::env::var_os("ARGUS_REGENERATE").is_some() {
        std::fs::write(FILE, &anew).unwrap();
        return;
    }
    for (n, (have, want)) in anew.lines().zip(cases.lines()).enumerate() {
        assert_eq!(have, want, "{FILE}:{}", n + 1);
    }
    assert_eq!(anew.lines().count(), cases.lines().count(), "{FILE}");
}

/// Nothing of a secret may be in what is printed, whatever else is wrong with it.
#[test]
fn secrets_are_not_printed() {
    for (toml, secret) in [
        ("[keys]\npepper = \"hunter2\"", "hunter2"),
        ("keys = { pepper = \"hunter2\", prefix = 5 }", "hunter2"),
        ("[admin]\nkey = \"hunter2", "hunter2"),
        ("[keys]\n\"pepper\" = ['hunter2']", "hunter2"),
        ("[upstreams.a]\nservers = [\"http://u:hunter2@h\"]", "hunter2"),
        ("[store]\nurl = \"postgres://u:hunter2@h/x\"", "hunter2"),
        ("[cache]\npassword = \"hunter2\"\nurl = 'rediss+sentinel://u:hunter2@h'", "hunter2"),
    ] {
        let loaded = text(toml);
        assert!(loaded.problems.errors() > 0);
        let printed =
            format!("{}{}{:?}{:?}", loaded.problems.render(true), loaded.problems.to_json(), loaded.shown(), loaded);
        assert!(!printed.contains(secret), "{printed}");
    }
}
