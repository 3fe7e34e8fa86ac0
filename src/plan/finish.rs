//! From an edited text to the file as it will stand there.

use super::copy::{Copied, Source};
use super::snapshot::{Host, Snapshot};
use super::{After, FileChange, Note};
use crate::conf::{self, EditError, Fault, Position, add_essentials};
use crate::problem::Problem;

/// An edit, ready to be verified and committed.
pub(super) struct Finished {
    /// The file that changes.
    pub(super) change: FileChange,
    /// What engines will read, also if that is another file.
    pub(super) text: String,
    /// What else this does.
    pub(super) notes: Vec<Note>,
}

impl Snapshot {
    /// Applies `edit` and sees to the rest: settings that a file needs in which
    /// there were none, the head of a copy, and that a copy which has become
    /// equal to its original goes.
    ///
    /// # Errors
    /// Those of `edit`.
    pub(super) fn finish(
        &self,
        host: &Host,
        edit: impl Fn(&str) -> Result<String, Problem>,
    ) -> anyhow::Result<Finished> {
        let at = |fault: Fault| Problem::at(fault, host.root.show(&self.path), &self.text);
        let path = host.show(&self.path);
        let mut notes = Vec::new();
        let edited = edit(&self.text)?;
        let original = match &self.source {
            Source::Vendor(file) | Source::Link { file, .. } => Some((file.clone(), self.text.clone())),
            Source::Itself | Source::BuiltIn => None,
        };
        let change =
            |after| FileChange { path: self.path.clone(), before: self.before.clone(), original, after };
        if let Some(head) = self.head.as_ref().filter(|head| head.is_spent(&edited)) {
            notes.push(Note::Then(match &head.from {
                Some(from) => {
                    format!("removed `{path}`, by now an unchanged copy: engines follow `{from}` again")
                }
                None => format!("removed `{path}`, which held nothing else"),
            }));
            let after = head.link.clone().map_or(After::Nothing, After::Link);
            return Ok(Finished { change: change(after), text: edited, notes });
        }
        match &self.source {
            Source::Itself => {}
            Source::Vendor(file) => {
                notes.push(Note::First(format!("created `{path}` as a copy of `{}`", host.show(file))));
            }
            Source::Link { target, .. } => {
                notes.push(Note::First(format!("replaced the symlink `{path}` by a copy of `{target}`")));
            }
            Source::BuiltIn => notes.push(Note::First(format!("created `{path}`"))),
        }
        let whole = add_essentials(&self.text, &self.essentials, self.creates()).map_err(at)?;
        if whole != self.text {
            notes.push(Note::First(format!(
                "set driver, runroot and graphroot in `{path}`: engines before podman 5 stop without them"
            )));
        }
        let text = if whole == self.text { edited } else { edit(&whole)? };
        let head = match &self.head {
            Some(head) => Some(head.clone()),
            None if self.creates() => Copied::new(&self.source, &self.text, &emptied(&whole).map_err(at)?),
            None => None,
        };
        let after = After::Text(head.map_or_else(|| text.clone(), |head| head.join(&text)));
        Ok(Finished { change: change(after), text, notes })
    }
}

/// What stays of `text` when all stores that are added from now on have gone again.
fn emptied(text: &str) -> Result<String, Fault> {
    const PROBE: &str = "/storagectl-probe";
    let added = conf::add(text, &[PROBE.to_owned()], &Position::Any).map_err(|error| match error {
        EditError::Fault(fault) => fault,
        EditError::NotListed(_) => unreachable!("no neighbour was named"),
    })?;
    conf::remove(&added, |path| path == PROBE)
}
