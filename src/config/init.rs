//! The commented file that `argus init` writes. With the default answers it is the `gateway.toml` of the repository.

use super::words::quoted;

/// What `argus init` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// URL of the API, such as `http://127.0.0.1:3000`.
    pub upstream: String,
    /// Where to listen, such as `:8080`.
    pub listen: String,
    /// Directory for keys and records; chosen at start if absent.
    pub state_dir: Option<String>,
    /// The word in front of every key.
    pub key_prefix: String,
}

impl Default for Answers {
    fn default() -> Self {
        Answers {
            upstream: "http://127.0.0.1:3000".into(),
            listen: ":8080".into(),
            state_dir: None,
            key_prefix: "argus".into(),
        }
    }
}

const TEMPLATE: &str = include_str!("init.toml");

/// The file for these answers. They are quoted, not checked: load the outcome to learn what is wrong with them.
pub fn init_template(answers: &Answers) -> String {
    let line = |field: &str, value: String, default: &str| {
        if value == default { format!("# {field} = {value}") } else { format!("{field} = {value}") }
    };
    let store = match &answers.state_dir {
        Some(dir) => format!("[store]\nurl = {}", quoted(&format!("file:{dir}"))),
        None => "# [store]\n# url = \"file:/var/lib/argus\"".to_owned(),
    };
    // Answers go in last and together, so that none of them can hold the mark of another.
    let filled = [
        ("{listen}", quoted(&answers.listen)),
        ("{upstream}", quoted(&answers.upstream)),
        ("{prefix}", line("prefix       ", quoted(&answers.key_prefix), "\"argus\"")),
        ("{store}", store),
    ];
    let mut out = String::with_capacity(TEMPLATE.len() + 256);
    let mut rest = TEMPLATE;
    while let Some((at, mark, value)) =
        filled.iter().filter_map(|(mark, value)| Some((rest.find(mark)?, mark, value))).min_by_key(|(at, _, _)| *at)
    {
        out.push_str(&rest[..at]);
        out.push_str(value);
        rest = &rest[at + mark.len()..];
    }
    out.push_str(rest);
    out
}
