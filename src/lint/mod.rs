//! What is wrong with a host's storage configuration: a table of rules, each with
//! a stable id, over its files, over what each engine makes of them, and over the
//! disk where they name places.
//!
//! A rule says what an engine will do because of what it found, and which
//! engines; where there is one right answer, it says that as splices. Rules only
//! read. "Could not look" is not "looked, and it is wrong": what a rule could not
//! look at is kept apart in [`LintReport::not_looked`].

mod drivers;
mod essentials;
mod finding;
mod input;
mod judged;
mod keys;
mod places;
mod rules;
mod stores;
mod values;

pub use crate::engine::Engines;
pub use crate::problem::Severity;
pub use finding::{LintFinding, LintReport};
pub use input::{LintFile, LintInput};
pub use rules::{LintRule, RULES};

use crate::plan::{After, FileChange, Plan};
use finding::LintFindings;

/// Applies every rule but those in `skip` to the files of `input`.
pub fn check(input: &LintInput<'_>, skip: &[String]) -> LintReport {
    let mut report = LintReport::default();
    for rule in RULES.iter().filter(|rule| !skip.iter().any(|id| id == rule.id)) {
        let mut findings = LintFindings::new(input, rule, &mut report);
        rule.apply(input, &mut findings);
    }
    report.sort();
    report
}

/// Applies fixes to one file after the other and checks again, until nothing is
/// left that can be fixed. Returns the paths and texts of the files that changed.
///
/// One fix at a time, since one may change what another finding is about.
pub fn fix(input: &mut LintInput<'_>, skip: &[String]) -> Vec<(std::path::PathBuf, String)> {
    // Each fix takes a finding away; this many are in no file that a person wrote.
    const ENOUGH: usize = 10_000;
    let mut changed: Vec<usize> = Vec::new();
    for _ in 0..ENOUGH {
        let Some((file, text)) = check(input, skip).first_fix(input) else {
            break;
        };
        if !changed.contains(&file) {
            changed.push(file);
        }
        input.set_text(file, text);
    }
    changed.into_iter().map(|file| (input.files[file].path.clone(), input.files[file].text.clone())).collect()
}

/// The fixes as a plan.
pub fn plan_fixes(mut input: LintInput<'_>, skip: &[String]) -> Plan {
    let before: Vec<String> = input.files.iter().map(|file| file.text.clone()).collect();
    let fixed = fix(&mut input, skip);
    let change = |(path, text)| {
        let place = input.files.iter().position(|file| file.path == path);
        FileChange {
            before: place.map(|place| before[place].clone()),
            path,
            original: None,
            after: After::Text(text),
        }
    };
    Plan { changes: fixed.into_iter().map(change).collect(), ..Plan::default() }
}
