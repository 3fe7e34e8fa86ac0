//! The images of an item: read, judged by the policy, and copied.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::find::find;
use super::look::ItemLook;
use super::{ImportEvent, ImportedLine};
use crate::copying::copy::{CopyEvent, CopyLimits, CopyLine, CopyState};
use crate::copying::copy_record::CopyRecord;
use crate::copying::listing::Listing;
use crate::copying::presence::{CopyTarget, Presence};
use crate::copying::run::CopyRun;
use crate::copying::wanted::{self, WantedImage};
use crate::embedded::ImageList;
use crate::images::{Image, Platform, Source, Transport, read_all};
use crate::plan::{CommitMode, Host};
use crate::problem::Problem;
use crate::registry::{accepts_anything, copy_if_accepted};
use crate::sys::{PrivateDir, Root};

/// What makes an item one that is not taken as it is, and not the store, or the system, one that cannot
/// take it now.
const UNSOUND: [&str; 22] = [
    "blob-digest",
    "blob-missing",
    "embedded-missing",
    "embedded-other",
    "image-ambiguous",
    "image-invalid",
    "image-missing",
    "image-name-invalid",
    "image-name-twice",
    "image-platform",
    "image-unsupported",
    "layer-digest",
    "layer-invalid",
    "layer-too-large",
    "layer-unsupported",
    "list-invalid",
    "list-missing",
    "list-twice",
    "lists-several",
    "reference-invalid",
    "signature-policy",
    "symlink-loop",
];

/// What an item is.
pub(super) enum Verdict {
    /// Its images are there: some are new, or none is.
    Taken(bool),
    /// It is not as it should be, or not yet.
    Unsound(Problem),
    /// It cannot be taken now.
    Stays(Problem),
}

/// Takes items into a store.
pub(super) struct ItemImporter<'a> {
    pub(super) host: &'a Host,
    pub(super) mode: CommitMode,
    pub(super) limits: CopyLimits,
    pub(super) target: &'a CopyTarget,
    /// The directory with the items.
    pub(super) opened: &'a Root,
    /// The ids of the images of the list of embedded ones, by name.
    pub(super) embedded: BTreeMap<String, String>,
    pub(super) on_event: &'a (dyn Fn(ImportEvent<'_>) + Sync),
    /// Lent to each copy.
    pub(super) listing: Option<Listing>,
}

/// The ids of the images of the list of embedded ones, by name. An image that cannot be read is none.
pub(super) fn embedded(host: &Host, dir: &Path) -> BTreeMap<String, String> {
    let Ok(Some(list)) = ImageList::find_in(&host.root, dir) else { return BTreeMap::new() };
    let wanted = wanted::read(host, dir, list, &[]);
    let id = |image: &WantedImage| Some(image.image.as_ref().ok()?.config_digest.hex().to_owned());
    wanted.iter().filter_map(|image| Some((image.name()?.to_owned(), id(image)?))).collect()
}

impl ItemImporter<'_> {
    /// Copies the images of an item.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub(super) fn take(
        &mut self,
        name: &OsStr,
        look: &ItemLook,
    ) -> anyhow::Result<(Verdict, Vec<ImportedLine>)> {
        let nothing = |verdict| Ok((verdict, Vec::new()));
        if let Some(fault) = &look.fault {
            return nothing(Verdict::Unsound(fault.clone()));
        }
        let images = match find(self.opened, Path::new(name)) {
            Ok(images) => images,
            Err(problem) => return nothing(verdict_of(problem)),
        };
        // What skopeo has copied goes with these.
        let mut judged = Vec::new();
        let mut wanted = Vec::new();
        for (source, image) in images {
            let (text, image) = match self.judge(&source, image, &mut judged) {
                Ok(image) => image,
                Err(problem) if matches!(problem.id, "disk-full" | "io" | "missing" | "skopeo-missing") => {
                    return nothing(Verdict::Stays(problem));
                }
                Err(problem) => return nothing(Verdict::Unsound(problem)),
            };
            let reference = image.names.first().expect("each has one").to_string();
            wanted.push(WantedImage { reference, source: text, required: false, image: Ok(image) });
        }
        let lines = self.copy(&wanted)?;
        let mut images = Vec::new();
        for (image, copied) in wanted.iter().filter_map(|it| it.image.as_ref().ok()).zip(&lines) {
            images.push(ImportedLine {
                names: image.names.iter().map(ToString::to_string).collect(),
                id: image.config_digest.hex().to_owned(),
                bytes: copied.bytes,
                is_there: !matches!(copied.state, CopyState::Failed(_)),
            });
        }
        let failed = |line: &CopyLine| match &line.state {
            CopyState::Failed(problem) => Some(verdict_of(problem.clone())),
            _ => None,
        };
        // What keeps the item here counts more than what is wrong with another part of it.
        let mut failed: Vec<Verdict> = lines.iter().filter_map(failed).collect();
        failed.sort_by_key(|verdict| matches!(verdict, Verdict::Unsound(_)));
        let is_new = lines.iter().any(|line| line.state == CopyState::Copied);
        Ok((failed.into_iter().next().unwrap_or(Verdict::Taken(is_new)), images))
    }

    /// The image as the policy for signatures lets it in, and where it is.
    fn judge(
        &self,
        source: &Source,
        image: Image,
        judged: &mut Vec<PrivateDir>,
    ) -> Result<(String, Image), Problem> {
        let transport = source.transport.prefix().trim_end_matches(':');
        // skopeo, which copies to such storage, judges then.
        if self.target.foreign.is_some() || accepts_anything(&self.host.root, transport) {
            return Ok((source.text.clone(), image));
        }
        let within = std::env::temp_dir();
        let cannot = |error| Problem::io("create a directory in", &within.display().to_string(), &error);
        let staging = PrivateDir::new(&within, "storagectl-").map_err(cannot)?;
        copy_if_accepted(&self.host.root, &source.text, staging.path())?;
        let root = staging.root().map_err(cannot)?;
        let found = read_all(&root, Path::new("/"), &image.names, &Platform::host())?;
        let copied = found.into_iter().next().ok_or_else(|| {
            let message = format!("skopeo has left nothing of `{}`", source.text);
            Problem::new("skopeo-failed", message, "update skopeo")
        })?;
        judged.push(staging);
        debug_assert_eq!(copied.source.transport, Transport::Dir);
        Ok((copied.source.text, copied.image?))
    }

    /// Copies images that are not there.
    fn copy(&mut self, wanted: &[WantedImage]) -> anyhow::Result<Vec<CopyLine>> {
        let on_event = self.on_event;
        let forward = |event: CopyEvent<'_>| match event {
            CopyEvent::Total(bytes) => on_event(ImportEvent::Total(bytes)),
            CopyEvent::Read(bytes) => on_event(ImportEvent::Read(bytes)),
            CopyEvent::Image(_) | CopyEvent::LeftOut(..) | CopyEvent::Again(_) => {}
        };
        let before = CopyRecord::read(self.host, &self.target.path);
        let mut record = before.clone();
        let images: Vec<&Image> = wanted.iter().filter_map(|wanted| wanted.image.as_ref().ok()).collect();
        let limits = self.limits;
        let presence = Presence::read(self.host, self.target, &images, limits.jobs, &mut record)?;
        let mut copying = CopyRun {
            host: self.host,
            limits,
            target: self.target,
            presence,
            record,
            before: &before,
            embedded: Some(&self.embedded),
            on_event: &forward,
            lines: Vec::new(),
            listing: self.listing.take().expect("each item gives it back"),
        };
        let to_do = copying.look(wanted)?;
        if self.mode == CommitMode::DryRun {
            for index in copying.fit(wanted, to_do).0 {
                copying.lines[index].state = CopyState::Copied;
            }
        } else {
            copying.run(wanted, to_do);
            for (index, wanted) in wanted.iter().enumerate() {
                if let (Ok(image), CopyState::Present) = (&wanted.image, &copying.lines[index].state) {
                    copying.remember(image);
                }
            }
        }
        let CopyRun { lines, record, listing, .. } = copying;
        self.listing = Some(listing);
        if self.mode == CommitMode::Commit && record != before {
            record.write(self.host, &self.target.path, &before)?;
        }
        Ok(lines)
    }
}

fn verdict_of(problem: Problem) -> Verdict {
    match UNSOUND.contains(&problem.id) {
        true => Verdict::Unsound(problem),
        false => Verdict::Stays(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_an_item_unsound_is_in_the_table_of_problems() {
        assert!(UNSOUND.is_sorted());
        for id in UNSOUND {
            assert!(crate::problem::IDS.iter().any(|(known, _)| *known == id), "{id}");
        }
    }
}
