//! What is said of a layer that differs.

use std::io;

use super::Task;
use super::issues::{FileDifference, Issue};
use super::layer::LayerOutcome;
use crate::problem::{Severity, series};
use crate::store::check::finding::{Scope, StoreFinding, StoreReport};
use crate::store::check::store_set::StoreSet;
use crate::store::short_id;

const PULL_AGAIN: &str = "remove the image from the store and pull it again";
pub(in crate::store::check) const TAMPERED: &str = "run its containers with the changed files";

pub(super) fn add(
    set: &StoreSet<'_>,
    task: &Task,
    outcome: LayerOutcome,
    (times_are_kept, other_times_are_kept): (bool, bool),
    report: &mut StoreReport,
) {
    let store = &set.stores[task.home];
    let users = set.users(&task.id);
    let shown = short_id(&task.id);
    let finding = |id, message: String, saving: bool, silently: &'static str| {
        let mut finding =
            StoreFinding::new(id, &store.path, message, PULL_AGAIN).of_layer(&task.id, users.clone());
        if users.is_empty() {
            return finding.severity(Severity::Warning);
        }
        if saving {
            finding = finding.fails(task.readers, Scope::Saving);
        }
        if silently.is_empty() { finding } else { finding.silently(task.readers, silently) }
    };
    let tar_split = task.tar_split.0.join(&task.tar_split.1);
    if let Some(why) = outcome.damaged {
        let message = format!("the tar-split of the layer `{shown}` cannot be read: {why}");
        report.add(finding("tar-split-damaged", message, true, "").at(tar_split));
        return;
    }
    let content_differs = [FileDifference::Content, FileDifference::MissingContent]
        .iter()
        .any(|way| outcome.issues.by_kind.contains_key(way));
    if let Some(digest) = outcome.digest.filter(|_| !content_differs) {
        let message = format!("the layer `{shown}` has the digest `{digest}` instead of `{}`", task.digest);
        report.add(finding("layer-digest", message, true, "").at(tar_split.clone()));
    } else if let Some(size) = outcome.size.filter(|_| !content_differs) {
        let wanted = task.size.unwrap_or_default();
        let message = format!("the layer `{shown}` has {size} bytes instead of {wanted}");
        report.add(finding("layer-size", message, true, "").at(tar_split.clone()));
    } else if let Some(why) = outcome.not_tar {
        let error = io::Error::other(format!("{why}, so its files were not compared"));
        report.could_not_look(set.could_not_look(&tar_split, &error));
    }
    for (way, issue) in outcome.issues.by_kind {
        if (way == FileDifference::Time && !times_are_kept)
            || (way == FileDifference::TimeOfOther && (task.in_parts || !other_times_are_kept))
        {
            continue;
        }
        let whose = match way {
            FileDifference::WhiteoutMissingForOthers => Some("whiteout-missing"),
            FileDifference::WhiteoutAddedForOthers => Some("whiteout-added"),
            _ => None,
        };
        if let Some(rule) = whose {
            report.add(for_others(set, task, rule, &issue));
            continue;
        }
        let (id, one, several, saving) = match way {
            FileDifference::Added => ("file-added", "is not in", "are not in", false),
            FileDifference::Content => {
                ("file-content", "has different content than in", "have different content than in", true)
            }
            FileDifference::Copy => {
                ("file-content", "has different content than in", "have different content than in", false)
            }
            FileDifference::Missing => ("file-missing", "is missing from", "are missing from", false),
            FileDifference::MissingContent => ("file-missing", "is missing from", "are missing from", true),
            FileDifference::Mode | FileDifference::RootMode => {
                ("file-mode", "has a different mode than in", "have a different mode than in", false)
            }
            FileDifference::Owner => {
                ("file-owner", "has a different owner than in", "have a different owner than in", false)
            }
            FileDifference::Time | FileDifference::TimeOfOther => {
                ("file-time", "has a different time than in", "have a different time than in", false)
            }
            FileDifference::Type => {
                ("file-type", "is of a different type than in", "are of a different type than in", false)
            }
            FileDifference::Attributes => {
                ("file-xattr", "has different attributes than in", "have different attributes than in", false)
            }
            FileDifference::WhiteoutAdded | FileDifference::WhiteoutAddedForOthers => (
                "whiteout-added",
                "hides what is below and is not in",
                "hide what is below and are not in",
                false,
            ),
            FileDifference::WhiteoutMissing | FileDifference::WhiteoutMissingForOthers => (
                "whiteout-missing",
                "does not hide what is below, as in",
                "do not hide what is below, as in",
                false,
            ),
        };
        let verb = if issue.count == 1 { one } else { several };
        let message = format!("{} {verb} the layer `{shown}`", named(&issue));
        let mut finding = finding(id, message, saving, TAMPERED);
        if way == FileDifference::RootMode {
            finding.problem.severity = Severity::Warning;
        }
        if let Some((first, _)) = issue.first.first() {
            finding = finding.at(task.content.join(first));
        }
        finding.files = issue.first.iter().map(|(path, _)| path.to_string_lossy().into_owned()).collect();
        report.add(finding);
    }
}

/// Directories that hide what is below from the engines of the store's owner and not from
/// others', or the reverse.
fn for_others(set: &StoreSet<'_>, task: &Task, rule: &'static str, issue: &Issue) -> StoreFinding {
    let store = &set.stores[task.home];
    let (attribute, of_users) =
        if task.owners { ("user.overlay.opaque", true) } else { ("trusted.overlay.opaque", false) };
    let (has, effect) = match (rule, issue.count) {
        ("whiteout-added", 1) => ("has the", "hide files that the image has"),
        ("whiteout-added", _) => ("have the", "hide files that the image has"),
        (_, 1) => ("has no", "show files that the image has deleted"),
        _ => ("have no", "show files that the image has deleted"),
    };
    let message = format!("{} {has} `{attribute}` in the layer `{}`", named(issue), short_id(&task.id));
    let hint = "build the store again with the engine of the user who runs it";
    let finding = StoreFinding::new(rule, &store.path, message, hint)
        .of_layer(&task.id, set.users(&task.id))
        .silently(task.readers, effect);
    // Root's engines make it so in every store, also in those that are meant for more.
    let severity = if !of_users && store.for_root { Severity::Error } else { Severity::Note };
    StoreFinding { for_users: of_users, ..finding.severity(severity) }
}

/// "`a` (0755 instead of 0644), `b` and 5 others".
fn named(issue: &Issue) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<String> = issue
        .first
        .iter()
        .take(SHOWN)
        .map(|(path, detail)| {
            let path = path.to_string_lossy();
            let path = path.escape_debug();
            if detail.is_empty() {
                format!("`{path}`")
            } else {
                format!("`{path}` ({})", detail.escape_debug())
            }
        })
        .collect();
    match issue.count - names.len() {
        0 => {}
        1 => names.push("1 other".to_owned()),
        more => names.push(format!("{more} others")),
    }
    if names.is_empty() { "something".to_owned() } else { series(&names) }
}
