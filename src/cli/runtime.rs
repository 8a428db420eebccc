//! What `GET /v1/runtime` tells of the running gateway, as far as commands use it.

use serde_json::Value;

use super::client::Client;
use super::exit::Failure;
use super::field;

/// One value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Dotted path of the field.
    pub field: String,
    /// Its value as TOML, masked if it is secret.
    pub value: String,
    /// Where it comes from.
    pub from: String,
}

/// The running gateway.
#[derive(Debug, Clone, Default)]
pub struct Runtime(pub Value);

impl Runtime {
    /// Asks for it.
    pub async fn fetch(client: &Client) -> Result<Self, Failure> {
        Ok(Runtime(client.get("/v1/runtime").await?.body))
    }

    /// The files the configuration was read from; none if it came from the command line.
    pub fn files(&self) -> Vec<String> {
        field::texts(&self.0, "/config/files")
    }

    /// Every value in force that was written somewhere.
    pub fn settings(&self) -> Vec<Setting> {
        field::list(&self.0, "/config/values")
            .iter()
            .map(|value| {
                let text = |pointer: &str| field::text(value, pointer);
                Setting { field: text("/field"), value: text("/value"), from: text("/from") }
            })
            .collect()
    }

    /// The text that is in force for a field.
    pub fn setting_text(&self, name: &str) -> Option<String> {
        let setting = self.settings().into_iter().find(|setting| setting.field == name)?;
        let table: toml::Table = format!("value = {}", setting.value).parse().ok()?;
        table.get("value")?.as_str().map(str::to_owned)
    }
}
