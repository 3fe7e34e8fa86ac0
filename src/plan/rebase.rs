//! A main file that was made from another one follows it.
//!
//! Where storagectl had to make /etc/containers/storage.conf, as a copy of the
//! vendor's file or in place of a symlink to it, engines no longer read the
//! original, and an update of that would be lost. The head of the copy tells what
//! it was made from. If all that somebody changed since is which stores are listed,
//! the copy is made again from the original as it is now.
//!
//! On ostree hosts the image's own /etc is kept in /usr/etc, and a file that is
//! changed locally stops following it in the same way. There the first change of
//! `storagectl apply` gives the file a head that names that original.

use std::path::Path;
use std::rc::Rc;

use super::copy::{TextSource, VendorCopy};
use super::finish::emptied;
use super::host::Host;
use super::snapshot::{Snapshot, read_text};
use crate::conf::{self, Document, add_essentials};
use crate::engine;

/// More stores than that added by hand are not tried in all combinations.
const MAX_BY_HAND: usize = 8;

/// What a main file is in relation to the file that it was made from.
#[derive(Debug)]
pub(super) enum Basis {
    /// It is none, or its original is as it was.
    Same,
    /// It is to be made again: as this snapshot, with these stores added by hand.
    Renewed(Box<Snapshot>, Vec<String>),
    /// Its original has changed, and so has the file itself.
    Diverged(String),
}

impl Snapshot {
    /// Compares the main file with what it was made from.
    pub(super) fn basis(&self, host: &Host) -> anyhow::Result<Basis> {
        let Some(head) = self.head.as_ref().filter(|_| self.source == TextSource::Itself) else {
            return Ok(Basis::Same);
        };
        let from = head.from.clone().unwrap_or_else(|| engine::VENDOR_FILE.to_owned());
        let Some((original, _)) = read_text(&host.root, Path::new(&from))? else {
            return Ok(Basis::Same);
        };
        if head.is_made_from(&original) {
            return Ok(Basis::Same);
        }
        let doc = host.parse(Path::new(&from), original)?;
        let unmarked = conf::without_marked(&doc).map_err(|fault| self.problem(host, fault))?;
        let Some(by_hand) = self.added_by_hand(head) else {
            return Ok(Basis::Diverged(from));
        };
        let source = match &head.link {
            Some(target) => TextSource::Link { target: target.clone(), file: from.clone().into() },
            None => TextSource::Vendor(from.clone().into()),
        };
        let whole =
            add_essentials(&doc, &self.essentials, true).map_err(|fault| self.problem(host, fault))?;
        let without = emptied(whole.as_ref().unwrap_or(&doc)).map_err(|fault| self.problem(host, fault))?;
        let directory = head.directory.clone();
        let head =
            VendorCopy::new(&source, unmarked.text(), &without).map(|head| VendorCopy { directory, ..head });
        let renewed = Snapshot { renewed: true, ..self.to_edit(source, doc, head) };
        Ok(Basis::Renewed(Box::new(renewed), by_hand))
    }

    /// The stores that are to be taken out of this copy, beside those that have an
    /// owner, to get what it was made from; `None` if something else differs, too.
    fn added_by_hand(&self, head: &VendorCopy) -> Option<Vec<String>> {
        let back = conf::put_back(&self.doc, |_| true).ok()?;
        let whole = back.as_ref().unwrap_or(&self.doc);
        let mut entries = conf::listed(whole).ok()?;
        entries.retain(|entry| entry.mark.is_none());
        // Stores are added behind others as a rule, so the last are tried first.
        let count = entries.len().min(MAX_BY_HAND);
        let candidates = &entries[entries.len() - count..];
        let mut tries: Vec<usize> = (0..1 << count).collect();
        tries.sort_by_key(|set| (set.count_ones(), usize::MAX - set));
        tries.into_iter().find_map(|set| {
            let going: Vec<&String> = candidates
                .iter()
                .enumerate()
                .filter(|(index, _)| set & (1 << index) != 0)
                .map(|(_, entry)| &entry.path)
                .collect();
            let rest = conf::remove(whole, |path| going.iter().any(|other| *other == path)).ok()?;
            let unmarked = conf::without_marked(rest.as_ref().unwrap_or(whole)).ok()?;
            head.is_spent(unmarked.text()).then(|| going.into_iter().cloned().collect())
        })
    }

    /// On an ostree host, a file that so far is the image's own, with the head that it
    /// gets with its first change.
    pub(super) fn adopted(&self, host: &Host) -> anyhow::Result<Option<Snapshot>> {
        let head = self.image_head(host)?;
        Ok(head.map(|head| self.to_edit(self.source.clone(), Rc::clone(&self.doc), Some(head))))
    }

    /// The head for a file that is the one below /usr/etc, but for entries that have
    /// an owner.
    fn image_head(&self, host: &Host) -> anyhow::Result<Option<VendorCopy>> {
        let plain = self.source == TextSource::Itself && self.head.is_none() && host.config.is_none();
        if !plain || host.is_rootless() || !self.path.starts_with("/etc") {
            return Ok(None);
        }
        let file = Path::new("/usr").join(self.path.strip_prefix("/").unwrap_or(&self.path));
        let Some((original, stat)) = read_text(&host.root, &file)? else {
            return Ok(None);
        };
        // While rpm-ostree runs scriptlets, /usr/etc is a symlink to /etc, which is the image's.
        if self.found.as_ref().is_some_and(|found| found.id == stat.id) {
            return Ok(None);
        }
        let Ok(original) = Document::parse(original) else {
            return Ok(None);
        };
        let unmarked = |doc: &Document| conf::without_marked(doc).map(|doc| doc.text().to_owned());
        match (unmarked(&original), unmarked(&self.doc)) {
            (Ok(theirs), Ok(ours)) if theirs == ours => {
                let without = conf::without_marked(&original).and_then(|doc| emptied(&doc));
                let without = without.map_err(|fault| self.problem(host, fault))?;
                let new = VendorCopy::new(&TextSource::Vendor(file), &theirs, &without);
                Ok(new.map(|new| VendorCopy {
                    directory: self.head.as_ref().and_then(|head| head.directory.clone()),
                    ..new
                }))
            }
            _ => Ok(None),
        }
    }

    /// The same file with another document to edit. Where it is written is known from
    /// the snapshot that it was made from.
    fn to_edit(&self, source: TextSource, doc: Rc<Document>, head: Option<VendorCopy>) -> Snapshot {
        Snapshot {
            path: self.path.clone(),
            target: None,
            found: None,
            before: self.before.clone(),
            source,
            doc,
            head,
            essentials: self.essentials.clone(),
            renewed: false,
        }
    }
}
