//! From an edited document to the file as it will stand there.

use super::copy::{TextSource, VendorCopy};
use super::directory;
use super::generations;
use super::host::Host;
use super::snapshot::Snapshot;
use super::{After, FileChange, Note};
use crate::conf::{self, Document, EditError, Fault, Position, add_essentials};
use crate::problem::Problem;

/// An edit, ready to be verified and committed.
pub(super) struct FinishedEdit {
    /// The file that changes.
    pub(super) change: FileChange,
    /// What engines will read, also if that is another file.
    pub(super) doc: Document,
    /// What else this does.
    pub(super) notes: Vec<Note>,
}

impl Snapshot {
    /// Takes the `edited` document and sees to the rest: settings that a file
    /// needs in which there were none, the head of a copy, and that a copy which
    /// has become equal to its original goes. `edit` is applied again if it has
    /// to be made on another document.
    ///
    /// # Errors
    /// Those of `edit`.
    pub(super) fn finish(
        &self,
        host: &Host,
        edited: Document,
        edit: impl Fn(&Document) -> Result<Option<Document>, Problem>,
    ) -> Result<FinishedEdit, Problem> {
        let at = |fault: Fault| self.problem(host, fault);
        let path = host.show(&self.path);
        let original = match &self.source {
            TextSource::Vendor(file) | TextSource::Link { file, .. } => {
                Some((file.clone(), self.doc.text().to_owned()))
            }
            TextSource::Itself | TextSource::BuiltIn => None,
        };
        let change =
            |after| FileChange { path: self.path.clone(), before: self.before.clone(), original, after };
        let image = self.head.as_ref().filter(|head| head.follows_image());
        if let Some(original) = image.and_then(|_| self.original_text(host)).filter(|it| it == edited.text())
        {
            let note = format!("`{path}` is the image's own again");
            let notes = vec![Note::Then(note)];
            return Ok(FinishedEdit { change: change(After::Text(original)), doc: edited, notes });
        }
        let copy = self.head.as_ref().filter(|head| !head.follows_image());
        let spent = copy.filter(|head| head.is_spent(edited.text()));
        if let Some(head) = spent.filter(|_| generations::can_do_without(host, self)) {
            let note = match &head.from {
                Some(from) => {
                    format!("removed `{path}`, by now an unchanged copy: engines follow `{from}` again")
                }
                None => format!("removed `{path}`, which held nothing else"),
            };
            let after = head.link.clone().map_or(After::Nothing, After::Link);
            return Ok(FinishedEdit { change: change(after), doc: edited, notes: vec![Note::Then(note)] });
        }
        let mut notes: Vec<Note> = self.origin(host).map(Note::First).into_iter().collect();
        let edited = match conf::without_essentials(&edited).map_err(at)? {
            Some(rest) if self.works_with(host, &rest) => {
                notes.push(Note::Then(format!("removed from `{path}` the settings that were added for it")));
                rest
            }
            Some(_) => {
                notes.push(Note::Stays(format!("`{path}` keeps settings without which podman 4 stops")));
                edited
            }
            None => edited,
        };
        let whole = add_essentials(&self.doc, &self.essentials, self.creates()).map_err(at)?;
        let doc = match &whole {
            Some(whole) => {
                let what = match self.essentials.runroot {
                    Some(_) => "driver, runroot and graphroot",
                    None => "driver",
                };
                notes.push(Note::First(format!(
                    "set {what} in `{path}`: engines before podman 5 stop without them"
                )));
                edit(whole)?.unwrap_or(edited)
            }
            None => edited,
        };
        let head = match &self.head {
            Some(head) => Some(head.clone()),
            None if self.creates() => {
                let emptied = emptied(whole.as_ref().unwrap_or(&self.doc)).map_err(at)?;
                let directory =
                    directory::made_for(host, &self.path).map_err(host.cannot("look at", &self.path))?;
                VendorCopy::new(&self.source, self.doc.text(), &emptied)
                    .map(|head| VendorCopy { directory, ..head })
            }
            None => None,
        };
        let text = head.map_or_else(|| doc.text().to_owned(), |head| head.join(doc.text()));
        Ok(FinishedEdit { change: change(After::Text(text)), doc, notes })
    }

    /// Whether every engine that works now works with `rest` in this file.
    fn works_with(&self, host: &Host, rest: &Document) -> bool {
        let view = host.view().with(self.path.clone(), Some(rest.text().to_owned()));
        host.goes_on_working(&view)
    }

    /// What is said of a file that is made.
    fn origin(&self, host: &Host) -> Option<String> {
        let path = host.show(&self.path);
        match &self.source {
            TextSource::Itself => None,
            TextSource::Vendor(file) | TextSource::Link { file, .. } if self.renewed => {
                Some(format!("created `{path}` again from `{}`, which has changed", host.show(file)))
            }
            TextSource::Vendor(file) => Some(format!("created `{path}` as a copy of `{}`", host.show(file))),
            TextSource::Link { target, .. } => {
                Some(format!("replaced the symlink `{path}` by a copy of `{target}`"))
            }
            TextSource::BuiltIn => Some(format!("created `{path}`")),
        }
    }
}

/// What stays of a document's text when all stores that are added from now on
/// have gone again.
pub(super) fn emptied(doc: &Document) -> Result<String, Fault> {
    const PROBE: &str = "/storagectl-probe";
    let added = conf::add(doc, &[PROBE.to_owned()], &Position::Any).map_err(|error| match error {
        EditError::Fault(fault) => fault,
        EditError::NotListed(_) => unreachable!("no neighbour was named"),
    })?;
    let added = added.expect("nobody lists the probe");
    Ok(conf::remove(&added, |path| path == PROBE)?.map_or_else(String::new, |doc| doc.text().to_owned()))
}
