//! Conditions: what must hold of the caller and the moment.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;
pub mod put;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::admin::v1::documents::{Facts, Resource};
use crate::admin::v1::keys::rules::{self, Check};
use crate::config::{Config, FileCondition};
use crate::model::condition::ConditionText;
use crate::model::id::Name;
use crate::store::DocumentKind;

/// A condition as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Condition)]
pub struct ConditionObject {
    /// Name, origin and version.
    #[serde(flatten)]
    pub facts: Facts,
    /// Settings.
    #[serde(flatten)]
    pub settings: ConditionText,
}

/// A new condition.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = NewCondition)]
pub struct NewCondition {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Settings.
    #[serde(flatten)]
    pub settings: ConditionText,
}

impl Resource for ConditionText {
    const KIND: DocumentKind = DocumentKind::Condition;
    const COLLECTION: &'static str = "/v1/conditions";

    fn check(&self, check: &mut Check, config: &Config) {
        rules::condition(check, "", self, &config.geo);
    }

    fn of_file(config: &Config) -> BTreeMap<Name, (Value, String)> {
        let shown =
            |rule: &FileCondition| (serde_json::to_value(&rule.text).unwrap_or(Value::Null), rule.origin.to_string());
        config.conditions.iter().map(|(name, rule)| (name.clone(), shown(rule))).collect()
    }
}
