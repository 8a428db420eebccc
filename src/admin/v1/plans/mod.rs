//! Plans: named limits.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;
pub mod put;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::admin::problem::FieldProblem;
use crate::admin::v1::documents::{Facts, Resource};
use crate::admin::v1::keys::rules::{self, Check};
use crate::config::{Config, FilePlan};
use crate::model::id::Name;
use crate::model::plan::PlanText;
use crate::store::DocumentKind;

/// A plan as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Plan)]
pub struct PlanObject {
    /// Name, origin and version.
    #[serde(flatten)]
    pub facts: Facts,
    /// Settings.
    #[serde(flatten)]
    pub settings: PlanText,
}

/// A new plan.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = NewPlan)]
pub struct NewPlan {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Settings.
    #[serde(flatten)]
    pub settings: PlanText,
}

impl Resource for PlanText {
    const KIND: DocumentKind = DocumentKind::Plan;
    const COLLECTION: &'static str = "/v1/plans";

    fn check(&self, check: &mut Check, _: &Config) {
        if self.limits.is_empty() && self.quota.is_none() {
            check.add(FieldProblem::at("", "the plan limits nothing: give it `limits` or a `quota`"));
        }
        rules::limits(check, "", &self.limits, self.quota.as_ref());
    }

    fn of_file(config: &Config) -> BTreeMap<Name, (Value, String)> {
        let shown =
            |plan: &FilePlan| (serde_json::to_value(&plan.text).unwrap_or(Value::Null), plan.origin.to_string());
        config.plans.iter().map(|(name, plan)| (name.clone(), shown(plan))).collect()
    }
}
