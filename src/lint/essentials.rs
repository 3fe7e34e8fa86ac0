//! Rules about settings that engines of the legacy generation miss in a main file.

use super::finding::{LintFindings, RuleHit};
use super::input::{LintFile, LintInput};
use crate::conf::{Essentials, Splice, add_essentials};
use crate::engine::Engines;

pub(super) fn missing_driver(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in mains(input) {
        let priority = file.key("storage.driver_priority").is_some();
        let engines = file.engines.and(if priority { Engines::PODMAN4 } else { Engines::LEGACY });
        let message = "`storage.driver` is not set";
        let effect = format!(
            "{}, with every command",
            engines.verb("complains and picks a driver itself", "complain and pick a driver themselves")
        );
        let hint = "set it to the driver of the host's storage, most likely `driver = \"overlay\"`";
        missing(file, "driver", RuleHit::new(engines, message, effect, hint), findings);
    }
}

fn mains<'i>(input: &'i LintInput<'_>) -> impl Iterator<Item = &'i LintFile> {
    input.files.iter().filter(|file| file.is_main() && file.doc.is_ok())
}

fn missing(file: &LintFile, key: &str, found: RuleHit, findings: &mut LintFindings<'_, '_>) {
    if file.string(&format!("storage.{key}")).is_some_and(|(_, value)| !value.is_empty())
        // Of the wrong type, it is not missing.
        || file.key(&format!("storage.{key}")).is_some_and(|set| !matches!(set.value, crate::conf::Leaf::String(_)))
    {
        return;
    }
    match file.key("storage").filter(|table| table.is_table) {
        Some(table) => findings.add(file, &table.key, found),
        None => findings.add_for_file(file, found),
    }
}

/// What all engines but podman 4 use anyway, written down.
pub(super) fn fix(input: &LintInput<'_>, file: &LintFile) -> Option<Vec<Splice>> {
    if file.key("storage.driver_priority").is_some() {
        return None;
    }
    let essentials = Essentials { driver: input.host.essentials().driver, ..Essentials::default() };
    let doc = file.doc.as_ref().ok()?;
    let after = add_essentials(doc, &essentials, true).ok()??;
    Some(vec![difference(doc.text(), after.text())])
}

/// One splice that makes `after` of `before`.
fn difference(before: &str, after: &str) -> Splice {
    let same = |(a, b): &(char, char)| a == b;
    let head: usize =
        before.chars().zip(after.chars()).take_while(same).map(|(letter, _)| letter.len_utf8()).sum();
    let (old, new) = (&before[head..], &after[head..]);
    let tail: usize =
        old.chars().rev().zip(new.chars().rev()).take_while(same).map(|(letter, _)| letter.len_utf8()).sum();
    Splice { range: head..before.len() - tail, text: new[..new.len() - tail].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_makes_one_text_of_the_other() {
        for (before, after) in [("a\nb\n", "a\nx\nb\n"), ("", "é"), ("aé", "aè"), ("aa", "aaa")] {
            assert_eq!(Splice::apply(before, vec![difference(before, after)]), after);
        }
    }
}
