//! The rules that a command checks, as its `--list` prints them.

use serde::Serialize;

use super::output::Output;
use crate::problem::Severity;

/// A rule of a check.
#[derive(Serialize)]
pub(super) struct RuleJson {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    /// Whether only a check of every byte applies it, where there is such a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deep: Option<bool>,
    pub(super) description: &'static str,
}

/// Prints `rules`, a line each.
pub(super) fn print_rules(output: &Output, rules: &[RuleJson]) -> anyhow::Result<()> {
    if output.json {
        return output.print_json(&serde_json::json!({ "version": 1, "rules": rules }));
    }
    let widest = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let row =
        |rule: &RuleJson| format!("{:widest$}  {:7}  {}\n", rule.id, rule.severity.name(), rule.description);
    output.print_lines(&rules.iter().map(row).collect::<String>())
}
