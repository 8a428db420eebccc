//! Whatever a file holds, loading it says what is wrong and does not panic.

use proptest::prelude::*;

use super::*;

/// Loads and looks at everything that is made of the outcome.
fn survive(toml: &str) -> Loaded {
    let loaded = text(toml);
    let printed = loaded.problems.render(true);
    assert_eq!(loaded.config.is_some(), loaded.problems.errors() == 0);
    assert_eq!(printed.is_empty(), loaded.problems.is_empty());
    assert!(loaded.problems.to_json().is_array());
    loaded
}

/// Words that mean something somewhere, so that noise gets further than the parser.
const WORDS: &[&str] = &[
    "[routes.a]",
    "[[routes]]",
    "[keys]",
    "[plans.p]",
    "[conditions.c]",
    "[listeners.l]",
    "[tls.t]",
    "listen",
    "paths",
    "upstream",
    "auth",
    "limits",
    "rate",
    "ip",
    "allow",
    "time",
    "scopes",
    "cost",
    "pepper",
    "store.url",
    "=",
    "= {",
    "}",
    "= [",
    "]",
    "\"",
    "'",
    "\"\"\"",
    ",",
    "\n",
    "\"/*\"",
    "\"none\"",
    "\"api_key\"",
    "\"http://h\"",
    "\"${X}\"",
    "\"$${\"",
    "\":8080\"",
    "1",
    "-1",
    "1e400",
    "true",
    "1979-05-27",
    "\"10.0.0.0/8\"",
    "\"1/s\"",
    "é",
    "\u{1b}",
    "\r\n",
    "\0",
    ".",
    "#",
];

/// One of these, or anything.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => proptest::sample::select(WORDS).prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_text(toml in any::<String>()) {
        survive(&toml);
    }

    #[test]
    fn arbitrary_words(words in proptest::collection::vec(word(), 0..60)) {
        survive(&words.join(" "));
    }

    #[test]
    fn arbitrary_bytes_in_a_file(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.toml");
        std::fs::write(&path, &bytes).unwrap();
        let loaded = load(&Source::File(path), &|_| None);
        prop_assert!(loaded.config.is_none() && loaded.problems.errors() > 0);
    }

    /// A good file of which a stretch is replaced by something else.
    #[test]
    fn mutated_files(at in 0..REALISTIC.len(), len in 0_usize..80, word in word()) {
        let start = REALISTIC.floor_char_boundary(at);
        let end = REALISTIC.floor_char_boundary((at + len).min(REALISTIC.len()));
        survive(&format!("{}{word}{}", &REALISTIC[..start], &REALISTIC[end..]));
    }

    #[test]
    fn what_is_shown(line in 0_usize..140) {
        let cut: String = REALISTIC.lines().take(line).map(|l| format!("{l}\n")).collect();
        prop_assert!(survive(&cut).shown().iter().all(|s| !s.from.is_empty()));
    }

    /// A value replaced by one of another kind is a mistake of that field, not of the text.
    #[test]
    fn values_of_another_kind(line in 0_usize..140, value in proptest::sample::select(
        ["1", "-1", "1.5", "true", "\"x\"", "\"\"", "[]", "[1]", "[\"x\"]", "{}", "{ x = 1 }", "1979-05-27", "[[]]"].as_slice()
    )) {
        let mut number = 0;
        let changed: String = REALISTIC.lines().map(|have| {
            number += 1;
            match have.split_once('=') {
                Some((key, rest)) if number == line && !rest.trim_end().ends_with(['[', ',']) => format!("{key}= {value}\n"),
                _ => format!("{have}\n"),
            }
        }).collect();
        let loaded = survive(&changed);
        for problem in loaded.problems.iter().filter(|p| p.code == Code::Syntax) {
            prop_assert!(false, "{}", problem.message);
        }
    }

    #[test]
    fn values_round_trip(nanos in 0_u64..1 << 60, bytes in any::<u32>()) {
        prop_assert_eq!(parse_duration(&format!("{nanos}ns")).unwrap(), Duration::from_nanos(nanos));
        prop_assert_eq!(parse_duration(&format!("{}s{}ms", nanos >> 30, nanos % 1_000)).unwrap(),
            Duration::from_secs(nanos >> 30) + Duration::from_millis(nanos % 1_000));
        prop_assert_eq!(parse_size(&format!("{bytes}KiB")).unwrap(), u64::from(bytes) * 1_024);
    }
}

#[test]
fn single_values() {
    for (text, seconds) in [("30s", 30), ("1h30m", 5_400), ("90d", 7_776_000), ("0s", 0), (" 5m ", 300), ("1000ms", 1)]
    {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for bad in ["", "30", "s", "-1s", "1.5s", "1 s", "30s5", "1w", "99999999999999d", &format!("{}s", u128::MAX)] {
        assert!(parse_duration(bad).is_err(), "{bad}");
    }
    for (text, bytes) in [("512B", 512), ("64KiB", 65_536), ("10MB", 10_000_000), ("1 GiB", 1 << 30), ("2kB", 2_000)] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    for bad in ["", "512", "KiB", "-1B", "1.5MiB", "1TiB", "99999999999GiB"] {
        assert!(parse_size(bad).is_err(), "{bad}");
    }
    for (text, port) in [(":80", 80), ("127.0.0.1:1", 1), ("[::1]:2", 2), ("localhost:3", 3), (":0", 0)] {
        assert_eq!(parse_address(text).unwrap().port(), port, "{text}");
    }
    for bad in ["", "80", ":", "host:80", ":65536", "::1:80", "http://x:80", "127.0.0.1"] {
        assert!(parse_address(bad).is_err(), "{bad}");
    }
    assert!(parse_address("localhost:3").unwrap().ip().is_loopback());
    assert!(parse_address(":80").unwrap().ip().is_unspecified());
}
