//! The syntax of units (systemd.syntax(7)).

use std::ops::Range;

/// A setting of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitSetting {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
    /// The bytes of the value, without the lines that continue it.
    pub(super) span: Range<usize>,
}

/// The settings of a unit, in their order. What is no setting is skipped, as systemd does.
pub(super) fn settings(text: &str) -> Vec<UnitSetting> {
    let (mut settings, mut section): (Vec<UnitSetting>, String) = (Vec::new(), String::new());
    let (mut at, mut continues) = (0, false);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let content = line.trim();
        let is_comment = content.starts_with(['#', ';']);
        // A comment between lines of one value is no part of it.
        if is_comment || (content.is_empty() && !continues) {
            continue;
        }
        let (content, goes_on) = match content.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (content, false),
        };
        if continues {
            if let Some(last) = settings.last_mut() {
                last.value.push(' ');
                last.value.push_str(content.trim());
            }
        } else if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = content.split_once('=') {
            let value = value.trim();
            let from = start + line.find('=').map_or(0, |equals| equals + 1);
            let from = from + text[from..].len() - text[from..].trim_start_matches([' ', '\t']).len();
            settings.push(UnitSetting {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.to_owned(),
                span: from..(from + value.len()).min(at),
            });
        } else {
            continues = false;
            continue;
        }
        continues = goes_on;
    }
    settings
}
