//! What the configuration on this machine says about reaching the gateway. A configuration that is wrong, or that
//! this person may not read, is no reason to fail here: then the usual places are looked at.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{Config, Loaded, Source, load};

/// The shape of keys.
pub struct KeyShape {
    /// The word in front.
    pub prefix: String,
    /// Environments.
    pub environments: Vec<String>,
}

/// The admin socket.
pub fn socket() -> Option<PathBuf> {
    let loaded = find();
    match &loaded.config {
        Some(config) => Some(config.admin.socket.clone()),
        None => written(&loaded, "admin.socket").map(PathBuf::from),
    }
}

/// The shape of keys, if there is a configuration.
pub fn key_shape() -> Option<KeyShape> {
    let config = valid()?;
    Some(KeyShape {
        prefix: config.keys.prefix.into(),
        environments: config.keys.environments.into_iter().map(Into::into).collect(),
    })
}

/// Where probes are answered: `None` without a configuration, `Some(None)` if nowhere.
pub fn ops_address() -> Option<Option<SocketAddr>> {
    valid().map(|config| config.ops.address)
}

fn valid() -> Option<Config> {
    find().config
}

fn find() -> Loaded {
    load(&Source::Search, &|name| std::env::var(name).ok())
}

/// A text as it is written in a configuration that is wrong elsewhere.
fn written(loaded: &Loaded, field: &str) -> Option<String> {
    let shown = loaded.shown().into_iter().find(|shown| shown.field == field && shown.from != "default")?;
    let table: toml::Table = format!("value = {}", shown.value).parse().ok()?;
    table.get("value")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_found_in_a_file_that_is_wrong_elsewhere() {
        let text = "[admin]\nsocket = \"/run/x/admin.sock\"\n[routes.a]\nupsteam = 1\n";
        let source = Source::Text { name: "t".to_owned(), text: text.to_owned() };
        let loaded = load(&source, &|_| None);
        assert!(loaded.config.is_none());
        assert_eq!(written(&loaded, "admin.socket").as_deref(), Some("/run/x/admin.sock"));
        assert_eq!(written(&loaded, "admin.address"), None);
    }
}
