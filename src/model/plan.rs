//! Plans: named limits.

use serde::{Deserialize, Serialize};

use super::limit::{LIMITS_MAX, Limit, LimitError, LimitText, QuotaText};

/// How a plan is written, in the file and in the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanText {
    /// Rates; all of them apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitText>,
    /// Units per billing period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaText>,
}

/// Reads limits and a quota into what is counted, giving repeated names a number.
pub fn compile_limits(limits: &[LimitText], quota: Option<&QuotaText>) -> Result<Vec<Limit>, LimitError> {
    let mut out: Vec<Limit> = limits.iter().map(Limit::try_from).collect::<Result<_, _>>()?;
    if let Some(quota) = quota {
        out.push(Limit::try_from(quota)?);
    }
    if out.len() > LIMITS_MAX {
        return Err(LimitError::TooMany);
    }
    for at in 1..out.len() {
        let mut n = 1;
        let base = out[at].name.clone();
        while out[..at].iter().any(|l| l.name == out[at].name) {
            n += 1;
            out[at].name = format!("{base}-{n}").parse().unwrap_or_else(|_| base.clone());
            if n > LIMITS_MAX {
                break;
            }
        }
    }
    Ok(out)
}
