//! How keys are made and kept, and secrets of the configuration.

use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::policy::DEFAULT_PLAN;
use crate::config::KeyRules;
use crate::config::problem::Code;
use crate::config::secrets::{SECRET_BYTES_MAX, read_secret};
use crate::config::tree::path;
use crate::config::words::short;
use crate::config::written::Written;
use crate::model::id::Name;
use crate::model::key_format::{ADMIN_PREFIX, ENVIRONMENT_LEN_MAX, is_environment, is_prefix};
use crate::model::secret::{Pepper, Secret};

const HOUR: Duration = Duration::from_secs(3_600);

impl Context<'_> {
    pub(super) fn keys(&mut self, written: &Written) -> KeyRules {
        let none = Default::default();
        let text = written.keys.as_ref().unwrap_or(&none);
        let prefix = text.prefix.as_deref().unwrap_or("argus");
        if !is_prefix(prefix) || prefix == ADMIN_PREFIX {
            self.error(Code::Value, &["keys", "prefix"], format!("`{}` cannot stand in front of keys", short(prefix)))
                .label(format!(
                    "expected 2 to 16 lower-case letters and digits, a letter first, and not \"{ADMIN_PREFIX}\""
                ));
        }
        if let Some(None) = text.default_ttl.map(|ttl| ttl.0) {
            self.warning(Code::KeysForEver, &["keys", "default_ttl"], "new keys never expire unless they are told to")
                .help("default_ttl = \"365d\"");
        }
        if text.default_ttl.and_then(|t| t.0).is_some_and(|t| t.is_zero()) {
            self.error(Code::Value, &["keys", "default_ttl"], "`default_ttl` must be longer than nothing");
        }
        KeyRules {
            prefix: prefix.into(),
            environments: self.environments(text.environments.as_ref().map(|e| e.0.as_slice())),
            default_ttl: text.default_ttl.and_then(|t| t.0),
            max_per_owner: self.within(&["keys", "max_per_owner"], text.max_per_owner, [1, 1_000_000], 50),
            pepper: self.pepper(text.pepper.as_deref(), text.pepper_file.as_deref()),
            rotation_overlap: text.rotation.as_ref().and_then(|r| r.overlap).map_or(24 * HOUR, |d| d.0),
            default_plan: self.default_plan(text.default_plan.as_deref(), written),
        }
    }

    fn environments(&mut self, given: Option<&[String]>) -> Vec<Box<str>> {
        let field = ["keys", "environments"];
        let Some(given) = given else { return vec!["live".into(), "test".into()] };
        if given.is_empty() && !self.problems.any_below(&path(&field)) {
            self.error(Code::Value, &field, "no environment is named").label("at least one, such as [\"live\"]");
        }
        let mut out: Vec<Box<str>> = Vec::new();
        for (n, word) in given.iter().enumerate() {
            let at = self.item(&field, n);
            if !is_environment(word) {
                self.error(Code::Value, &at, format!("`{}` cannot name an environment", short(word)))
                    .label(format!("expected 1 to {ENVIRONMENT_LEN_MAX} lower-case letters and digits"));
            } else if out.iter().any(|have| **have == **word) {
                self.error(Code::Value, &at, format!("`{word}` is named twice"));
            }
            out.push(word.as_str().into());
        }
        out
    }

    fn default_plan(&mut self, given: Option<&str>, written: &Written) -> Option<Name> {
        let plan = given.unwrap_or(DEFAULT_PLAN);
        if plan != DEFAULT_PLAN && !written.plans.as_ref().is_some_and(|plans| plans.contains_key(plan)) {
            let defined = self.in_order("plans");
            let defined = defined.iter().map(String::as_str);
            self.undefined(Code::PlanUnknown, path(&["keys", "default_plan"]), "plans", plan, defined);
            return None;
        }
        plan.parse().ok()
    }

    /// The secret in `table`, given as it is or by a file. `None` too where it cannot be had, which was told then.
    pub(super) fn secret(
        &mut self,
        table: &str,
        field: &str,
        given: Option<&str>,
        file: Option<&str>,
    ) -> Option<Secret> {
        let file_field = format!("{field}_file");
        if given.is_some() && file.is_some() {
            let message = format!("`{field}` and `{file_field}` are both given");
            self.error(Code::SecretTwice, &[table, &file_field], message).label("keep one of them");
            return None;
        }
        if let Some(file) = file {
            let at = [table, file_field.as_str()];
            let file = self.watched_file(&at, file);
            let place = self.at(&at);
            return read_secret(&file, place, path(&at), self.problems).map(|t| Secret::new(t.to_string()));
        }
        given.map(|text| Secret::new(text.to_owned()))
    }

    /// Whether a secret's length is within bounds; told at whichever field gave it.
    pub(super) fn secret_length(&mut self, table: &str, field: &str, secret: &Secret, least: usize) -> bool {
        let good = (least..=SECRET_BYTES_MAX).contains(&secret.expose().len());
        if !good {
            let file_field = format!("{field}_file");
            let at = if self.has(&[table, &file_field]) { file_field } else { field.to_owned() };
            let place = self.tree.find(&[table, &at]).and_then(|n| n.key);
            let message = format!("`{field}` must have {least} to {SECRET_BYTES_MAX} bytes");
            let problem = self.error(Code::SecretShape, &[table, &at], message).help("openssl rand -base64 32");
            if let Some(place) = place {
                problem.at(place);
            }
        }
        good
    }

    fn pepper(&mut self, given: Option<&str>, file: Option<&str>) -> Option<Arc<Pepper>> {
        let secret = self.secret("keys", "pepper", given, file)?;
        if !self.secret_length("keys", "pepper", &secret, Pepper::LEN_MIN) {
            return None;
        }
        Pepper::new(secret.expose().as_bytes().to_vec()).map(Arc::new)
    }
}
