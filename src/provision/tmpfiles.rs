//! A file of tmpfiles.d(5): systemd makes the directories at each boot, before any
//! engine starts, and writes storage.conf.

use std::fmt::Write as _;

use super::layout::{Directories, NodeLayout};
use super::model::{NodeModel, NodeStore};
use super::script::label_rule;
use crate::problem::{Problem, series};

/// A model as such a file.
///
/// # Errors
/// As [`NodeLayout::of`].
pub fn write(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    let layout = NodeLayout::of(model, Directories::Made)?;
    let mut out = format!("{made_by}# For /etc/tmpfiles.d, or /usr/lib/tmpfiles.d of an image.\n");
    out.extend(model.created().map(directory));
    for file in &layout.files {
        let (path, text) = (field(&file.path), argument(&file.text));
        let _ = writeln!(out, "f+ {path} {:04o} root root - {text}", file.mode);
    }
    Ok(out)
}

/// The line that makes a store.
pub(super) fn directory(store: &NodeStore) -> String {
    format!("d {} {:04o} root root -\n", field(&store.path), store.mode)
}

/// What there is to know about such a file.
pub fn warnings(model: &NodeModel) -> Vec<String> {
    let mut warnings = vec![
        "storage.conf is written again at each boot: what is changed in it on a node does not stay".into(),
    ];
    warnings.extend(unlabelled(model, "tmpfiles.d"));
    warnings
}

/// What to do by hand where a kind of document cannot say how stores are labelled.
pub(super) fn unlabelled(model: &NodeModel, what: &str) -> Option<String> {
    let rules: Vec<String> =
        model.labelled().map(|store| format!("`{}`", label_rule(model, store))).collect();
    (!rules.is_empty()).then(|| {
        format!(
            "{what} cannot label stores for SELinux: add {} to file_contexts.subs of the image",
            series(&rules)
        )
    })
}

/// A path as a field. systemd 252 takes no codes such as `\x20` there, in spite of its
/// manual; what stands in double quotes is read alike by all. `%` would start a specifier.
pub(super) fn field(path: &str) -> String {
    let path = path.replace('%', "%%");
    if path.contains([' ', '"', '\'', '\\']) {
        return format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""));
    }
    path
}

/// A text as the last field, in one line.
fn argument(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::new();
    for (index, letter) in text.chars().enumerate() {
        match letter {
            '%' => out.push_str("%%"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' ' if index == 0 || index == last => out.extend(code(letter)),
            letter if letter.is_ascii_control() => out.extend(code(letter)),
            other => out.push(other),
        }
    }
    out
}

fn code(letter: char) -> impl Iterator<Item = char> {
    format!("\\x{:02x}", u32::from(letter)).chars().collect::<Vec<_>>().into_iter()
}
