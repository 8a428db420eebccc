use clap::{ColorChoice, Command as ClapCommand, FromArgMatches};

use super::args::{self, Cli};
use super::*;

fn parse(line: &[&str]) -> Result<Cli, clap::Error> {
    args::command(ColorChoice::Never).try_get_matches_from(line).and_then(|m| Cli::from_arg_matches(&m))
}

#[test]
fn the_command_line_holds_together() {
    args::command(ColorChoice::Never).debug_assert();
}

/// Every command with its path, the outermost first.
fn walk(command: &ClapCommand, path: &str, each: &mut impl FnMut(&str, &ClapCommand)) {
    each(path, command);
    for sub in command.get_subcommands() {
        walk(sub, format!("{path} {}", sub.get_name()).trim(), each);
    }
}

#[test]
fn every_command_says_what_it_is_for_and_gives_three_examples() {
    walk(&args::command(ColorChoice::Never), "", &mut |path, command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.contains('\n'), "`argus {path}` has no purpose in one sentence");
        let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
        let lines: Vec<&str> = examples.lines().collect();
        assert_eq!((lines.first().copied(), lines.len()), (Some("Examples:"), 4), "`argus {path}`");
    });
}

/// The calls of `argus` in a line for the shell, as words.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
        .split(|word| matches!(word.as_str(), "|" | "&&" | "||"))
        .map(|call| {
            let end = call.iter().position(|w| matches!(w.as_str(), ">" | ">>" | "<")).unwrap_or(call.len());
            // What `xargs` runs gets words at its end.
            let given = call.first().filter(|w| *w == "xargs").map(|_| "FILE".to_owned());
            call[..end].iter().skip_while(|w| *w != "argus").cloned().chain(given).collect()
        })
        .filter(|call: &Vec<String>| call.first().is_some_and(|w| w == "argus"))
        .collect()
}

#[test]
fn every_example_in_the_help_can_be_typed() {
    let mut seen = 0;
    walk(&args::command(ColorChoice::Never), "", &mut |path, command| {
        let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
        for line in examples.lines().skip(1) {
            let calls = calls(line);
            assert!(!calls.is_empty() && line.contains(&format!("argus {path}")), "`argus {path}`: {line}");
            for call in calls {
                let words: Vec<&str> = call.iter().map(String::as_str).collect();
                parse(&words).unwrap_or_else(|e| panic!("`argus {path}`: {line}: {e}"));
                seen += 1;
            }
        }
    });
    assert!(seen > 90, "{seen}");
}

#[test]
fn nonsense_is_wrong_usage() {
    for bad in [
        &["argus"][..],
        &["argus", "nonsense"],
        &["argus", "top"],
        &["argus", "key"],
        &["argus", "key", "create"],
        &["argus", "key", "create", "a b"],
        &["argus", "run", "--listen", ":8080"],
        &["argus", "run", "--config", "x", "--upstream", "http://x"],
        &["argus", "key", "list", "--json", "--plain"],
        &["argus", "key", "list", "--limit", "0"],
        &["argus", "version", "--server", "http://x", "--socket", "/x"],
        &["argus", "key", "revoke", "x", "--reason", "boredom"],
    ] {
        let error = parse(bad).unwrap_err();
        assert!(error.use_stderr() || bad.len() == 1, "{bad:?}");
    }
    let error = parse(&["argus", "key", "creat", "x"]).unwrap_err().to_string();
    assert!(error.contains("create"), "{error}");
}

#[test]
fn options_of_every_command_stand_anywhere() {
    let cli = parse(&["argus", "key", "list", "--json", "-q", "--socket", "/x"]).unwrap();
    assert!(cli.global.json && cli.global.quiet && cli.global.socket.is_some());
    assert!(parse(&["argus", "--json", "key", "list"]).unwrap().global.json);
}

#[test]
fn what_means_nothing_to_a_command_is_refused_not_ignored() {
    let global = args::Global { json: true, ..args::Global::default() };
    let refused = global.refuse("run", &[("--plain", false), ("--json", true)]).unwrap_err();
    assert_eq!((refused.exit, refused.message.as_str()), (Exit::Usage, "`--json` means nothing to `argus run`"));
}

#[test]
fn an_admin_side_is_not_named_to_commands_that_ask_nobody() {
    for line in
        [&["argus", "version"][..], &["argus", "check"], &["argus", "key", "scan-rule", "github"], &["argus", "health"]]
    {
        let Command::Other(command) = parse(line).unwrap().command else { panic!("{line:?}") };
        assert_eq!(asks_nobody(&command), Some(&*line[1..].join(" ").replace(" github", "")));
    }
    let Command::Other(command) = parse(&["argus", "key", "list"]).unwrap().command else { panic!("key list") };
    assert_eq!(asks_nobody(&command), None);
}

#[test]
fn objects_for_programs_are_flat() {
    assert_eq!(flat(&json!(["a", "b"])), "a,b");
    assert_eq!(flat(&json!([1, {"a": null}])), "[1,{\"a\":null}]");
    assert_eq!((flat(&Value::Null), flat(&json!(true))), (String::new(), "true".to_owned()));
}
