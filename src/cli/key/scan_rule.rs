//! `argus key scan-rule`: the rule by which secret scanners find keys with the configured prefix.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::configured;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::output::Format;
use crate::cli::session::Session;
use crate::model::key_format::{CHECKSUM_LEN, PUBLIC_ID_LEN, SECRET_LEN, is_environment, is_prefix};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key scan-rule gitleaks >> .gitleaks.toml
  argus key scan-rule trufflehog --output custom-detector.yaml
  argus key scan-rule github --prefix acme";

/// For which scanner.
#[derive(Debug, Args)]
pub struct ScanRuleArgs {
    /// The scanner
    pub scanner: Scanner,
    /// The word in front of keys [default: as configured, else `argus`]
    #[arg(long, value_name = "WORD", value_parser = prefix)]
    pub prefix: Option<String>,
    /// Environments that keys are made for [default: as configured, else `live` and `test`]
    #[arg(long = "environment", value_name = "WORD", value_delimiter = ',', value_parser = environment)]
    pub environments: Vec<String>,
}

/// A secret scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scanner {
    /// A rule of `.gitleaks.toml`
    Gitleaks,
    /// A custom detector of TruffleHog
    Trufflehog,
    /// The custom pattern of GitHub secret scanning
    Github,
}

fn prefix(text: &str) -> Result<String, String> {
    is_prefix(text).then(|| text.to_owned()).ok_or_else(|| "write 2 to 16 small letters or digits".to_owned())
}

fn environment(text: &str) -> Result<String, String> {
    is_environment(text).then(|| text.to_owned()).ok_or_else(|| "write 1 to 8 small letters or digits".to_owned())
}

pub(super) fn run(session: &mut Session, args: ScanRuleArgs) -> Outcome {
    let shape = configured::key_shape();
    let prefix = args.prefix.or(shape.as_ref().map(|s| s.prefix.clone())).unwrap_or_else(|| "argus".to_owned());
    let environments = match (args.environments, shape) {
        (given, _) if !given.is_empty() => given,
        (_, Some(shape)) if !shape.environments.is_empty() => shape.environments,
        _ => vec!["live".to_owned(), "test".to_owned()],
    };
    let regex = regex(&prefix, &environments);
    match session.out.format {
        Format::Json => session.out.json(&json!({"regex": regex, "keywords": keywords(&prefix, &environments)}))?,
        Format::Plain => session.out.result(&regex)?,
        Format::Human => session.out.result(&rule(args.scanner, &prefix, &environments))?,
    }
    Ok(Exit::Done)
}

fn regex(prefix: &str, environments: &[String]) -> String {
    let tail = SECRET_LEN + CHECKSUM_LEN;
    format!(r"\b{prefix}_(?:{})_[0-9A-Za-z]{{{PUBLIC_ID_LEN}}}_[0-9A-Za-z]{{{tail}}}\b", environments.join("|"))
}

fn keywords(prefix: &str, environments: &[String]) -> Vec<String> {
    environments.iter().map(|environment| format!("{prefix}_{environment}_")).collect()
}

fn rule(scanner: Scanner, prefix: &str, environments: &[String]) -> String {
    let regex = regex(prefix, environments);
    let keywords = keywords(prefix, environments);
    match scanner {
        Scanner::Gitleaks => {
            let words: Vec<String> = keywords.iter().map(|word| format!("\"{word}\"")).collect();
            format!(
                "[[rules]]\n\
                 id = \"{prefix}-api-key\"\n\
                 description = \"API key issued by argus with the prefix {prefix}\"\n\
                 regex = '''{regex}'''\n\
                 entropy = 3\n\
                 keywords = [{}]\n",
                words.join(", ")
            )
        }
        Scanner::Trufflehog => {
            let words: String = keywords.iter().map(|word| format!("      - {word}\n")).collect();
            format!(
                "detectors:\n\
                 \x20 - name: {prefix}-api-key\n\
                 \x20   keywords:\n{words}\
                 \x20   regex:\n\
                 \x20     key: '{regex}'\n"
            )
        }
        // GitHub's patterns are written in Hyperscan's dialect and look at the characters around a match separately.
        Scanner::Github => format!(
            "Secret format:   {}\n\
             Before secret:   \\A|[^0-9A-Za-z_]\n\
             After secret:    \\z|[^0-9A-Za-z_]\n\
             Test string:     {}\n",
            regex.trim_start_matches(r"\b").trim_end_matches(r"\b").replace("(?:", "("),
            example(prefix, &environments[0])
        ),
    }
}

/// A key of the right shape that nobody was ever given.
fn example(prefix: &str, environment: &str) -> String {
    let text = format!("{prefix}_{environment}_{}_{}", "0".repeat(PUBLIC_ID_LEN), "0".repeat(SECRET_LEN));
    let sum = crate::model::key_format::checksum(text.as_bytes());
    text + &sum.iter().map(|b| char::from(*b)).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environments() -> Vec<String> {
        vec!["live".to_owned(), "test".to_owned()]
    }

    #[test]
    fn rules_name_the_prefix_and_the_shape() {
        assert_eq!(
            rule(Scanner::Gitleaks, "argus", &environments()),
            "[[rules]]\n\
             id = \"argus-api-key\"\n\
             description = \"API key issued by argus with the prefix argus\"\n\
             regex = '''\\bargus_(?:live|test)_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}\\b'''\n\
             entropy = 3\n\
             keywords = [\"argus_live_\", \"argus_test_\"]\n"
        );
        assert_eq!(
            rule(Scanner::Trufflehog, "acme", &["live".to_owned()]),
            "detectors:\n  - name: acme-api-key\n    keywords:\n      - acme_live_\n    regex:\n      \
             key: '\\bacme_(?:live)_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}\\b'\n"
        );
        let github = rule(Scanner::Github, "argus", &environments());
        assert!(github.starts_with("Secret format:   argus_(live|test)_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}\n"), "{github}");
    }

    #[test]
    fn the_rule_of_gitleaks_is_toml() {
        let text = rule(Scanner::Gitleaks, "argus", &environments());
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["rules"][0]["id"].as_str(), Some("argus-api-key"));
    }

    #[test]
    fn the_example_is_well_formed_and_prefixes_are_checked() {
        assert!(crate::model::key_format::parse(example("argus", "live").as_bytes()).is_some());
        assert!(prefix("Acme").is_err() && prefix("acme").is_ok());
        assert!(environment("staging").is_ok() && environment("live-1").is_err());
    }
}
