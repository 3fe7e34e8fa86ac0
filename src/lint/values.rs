//! Values of the right type that engines cannot make sense of.

use super::finding::{LintFindings, RuleHit};
use super::input::LintInput;
use super::judged;
use super::keys::known_keys;
use crate::conf::Leaf;
use crate::conf::schema::{self, ValueType};

pub(super) fn bad_value(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    judged::check(input, "bad-value", findings);
    // In a map nobody stops on a value.
    for file in &input.files {
        for (known, key) in known_keys(file)
            .filter(|(known, _)| known.kind == ValueType::StringBoolean && schema::is_map(known.table))
        {
            let Leaf::String(value) = &key.value else {
                continue;
            };
            if value.is_empty() || ["true", "false"].contains(&value.to_lowercase().as_str()) {
                continue;
            }
            let engines = input.deciding_engines(file, known, key);
            let message = format!("`{}` must be `\"true\"` or `\"false\"`, but is `{value}`", key.dotted());
            let effect = engines.verb("takes it for `\"false\"`", "take it for `\"false\"`");
            let hint = "write such a value, or remove the setting: there is a default";
            findings.add(file, &key.span, RuleHit::new(engines, message, effect, hint));
        }
    }
}
