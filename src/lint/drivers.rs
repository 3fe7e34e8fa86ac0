//! The storage driver's name.

use super::finding::{LintFindings, RuleHit};
use super::input::LintInput;
use crate::conf::Splice;

pub(super) fn old_driver_name(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in &input.files {
        if let Some((key, "overlay2")) = file.string("storage.driver") {
            let engines = file.engines;
            let effect = engines.verb("warns and uses `overlay`", "warn and use `overlay`");
            let message = "`overlay2` is an old name of the driver `overlay`";
            let found = RuleHit::new(engines, message, effect, "write `driver = \"overlay\"`");
            // The value alone: its quotes stay.
            let digit = key.span.end - 2..key.span.end - 1;
            let plain = file.text.get(digit.clone()) == Some("2");
            findings.add(
                file,
                &key.span,
                if plain { found.with_fix(vec![Splice::delete(digit)]) } else { found },
            );
        }
    }
}
