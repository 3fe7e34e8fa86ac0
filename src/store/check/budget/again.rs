//! What a run found that did not come to read its layer again in a later run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::{Engines, Profile};
use crate::problem::Severity;
use crate::store::Timestamp;
use crate::store::check::artifacts::USE_IT;
use crate::store::check::deep::TAMPERED;
use crate::store::check::finding::{DamageEffect, Scope, StoreFinding};
use crate::store::check::rules::RULES;
use crate::store::check::store_set::StoreSet;

const READ_AGAIN: &str = "remove the image from the store and pull it again; what was replaced is read first";

/// How many files are remembered of those that a finding names, and how long a text may be, in
/// bytes: whoever made the store has named its files.
const NAMED: usize = 3;
const LONG: usize = 500;

fn is_short(text: &str) -> bool {
    text.len() <= LONG
}

/// As much of a text as is remembered.
fn start(text: &str) -> String {
    match text.char_indices().find(|(at, letter)| at + letter.len_utf8() > LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A finding of a deep check, as far as it has to be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotedFinding {
    rule: String,
    pub(super) severity: Severity,
    message: String,
    path: Option<String>,
    files: Vec<String>,
    effects: Vec<(Scope, Vec<Profile>)>,
    for_users: bool,
}

impl From<&StoreFinding> for NotedFinding {
    fn from(finding: &StoreFinding) -> Self {
        let effects = finding.effects.iter().map(|effect| (effect.scope, effect.engines.list().collect()));
        Self {
            rule: finding.id.to_owned(),
            severity: finding.severity,
            message: start(&finding.message),
            path: finding
                .path
                .as_ref()
                .and_then(|path| path.to_str())
                .filter(|path| is_short(path))
                .map(str::to_owned),
            files: finding.files.iter().filter(|file| is_short(file)).take(NAMED).cloned().collect(),
            effects: effects.collect(),
            for_users: finding.for_users,
        }
    }
}

impl NotedFinding {
    /// The same as a finding of today about the layer, if it is one, in the store `home`. Nothing
    /// if no deep check has such a rule.
    pub(super) fn finding(
        &self,
        set: &StoreSet<'_>,
        home: usize,
        layer: Option<&str>,
        read: u64,
    ) -> Option<StoreFinding> {
        let rule = RULES.iter().find(|rule| rule.deep && rule.id == self.rule)?;
        let store: &Path = &set.stores[home].path;
        let time = Timestamp(i64::try_from(read).unwrap_or_default(), 0).text();
        let message = format!("{} (read {time})", self.message);
        let mut finding = StoreFinding::new(rule.id, store, message, READ_AGAIN).severity(self.severity);
        if let Some(layer) = layer {
            finding = finding.of_layer(layer, set.users(layer));
        }
        let silently = if layer.is_some() { TAMPERED } else { USE_IT };
        for (scope, engines) in &self.effects {
            let engines: Engines = engines.iter().copied().collect();
            let silently = if *scope == Scope::Silent { silently } else { "" };
            finding = finding.with(DamageEffect { engines, scope: *scope, silently });
        }
        // It names a place in the store, or none.
        finding.path = self.path.as_ref().map(PathBuf::from).filter(|path| path.starts_with(store));
        finding.files.clone_from(&self.files);
        finding.for_users = self.for_users;
        Some(finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_ends_between_two_letters() {
        assert_eq!(start("short"), "short");
        assert_eq!(start(&"é".repeat(LONG)), format!("{}…", "é".repeat(LONG / 2)));
        assert_eq!(start(&format!("a{}", "é".repeat(LONG))), format!("a{}…", "é".repeat(LONG / 2 - 1)));
    }
}
