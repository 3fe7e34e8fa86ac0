//! What is to be done for each image: it is looked at, and its registry is asked where that is
//! needed.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::contents::EmbeddedImage;
use super::list::ListEntry;
use super::options::{EmbedOptions, Platforms};
use super::registry_image::{RegistryImage, RegistryReader};
use super::report::EmbedOutcome;
use super::run::{EmbedRun, lock_of};
use super::survey::{Depth, survey};
use super::unreachable::UnreachableRegistries;
use crate::problem::Problem;
use crate::registry::{SignatureSettings, require_skopeo};
use crate::store::builder::parallel;
use crate::store::check::Progress;
use crate::sys::Root;

/// What is to be done for an image.
#[derive(Debug)]
pub(super) enum EmbedDecision {
    /// Nothing: it is complete.
    Keep(EmbeddedImage),
    /// It is to be fetched, which has this outcome then. What it consists of is not always to be
    /// learned.
    Fetch(EmbedOutcome, Result<RegistryImage, Problem>),
    /// It cannot be looked at.
    Failed(Problem),
}

/// What was found of an image.
enum TargetState {
    /// All of it, as it should be.
    Complete(EmbeddedImage),
    /// It has to be fetched, because of this fault if it is there.
    Fetch(Option<Problem>),
    /// It cannot be looked at.
    Failed(Problem),
}

/// Where to decide, for a run that changes something if it has a staging directory.
pub(super) struct Decider<'a> {
    pub(super) root: &'a Root,
    pub(super) dir: &'a Path,
    pub(super) at: Option<&'a EmbedRun>,
    pub(super) options: &'a EmbedOptions,
    pub(super) unreachable: &'a UnreachableRegistries,
    pub(super) progress: &'a Progress,
}

impl Decider<'_> {
    /// Decides for each image. Those that are complete are known to the run then.
    ///
    /// # Errors
    /// `skopeo-missing` if it is needed.
    pub(super) fn decide(&self, targets: &[ListEntry]) -> Result<Vec<EmbedDecision>, Problem> {
        let found = self.look(targets);
        let is_needed = found.iter().any(|state| match state {
            TargetState::Fetch(_) => self.at.is_some(),
            TargetState::Complete(_) => self.options.refresh,
            TargetState::Failed(_) => false,
        });
        if is_needed {
            require_skopeo()?;
            self.progress.begin("asking registries", 0);
        }
        let shown = self.root.show(self.dir).display().to_string();
        let lock = lock_of(self.root, self.at).map_err(Problem::cannot("open", shown))?;
        let signatures = SignatureSettings::read();
        let tasks: Vec<(&ListEntry, TargetState)> = targets.iter().zip(found).collect();
        let work =
            |(entry, found): &(&ListEntry, TargetState)| Ok(self.one(entry, found, &signatures, &lock));
        let Ok::<_, Infallible>(decided) = parallel::run(&tasks, self.options.jobs, |_| 0, work);
        if let Some(at) = self.at {
            for (entry, decision) in targets.iter().zip(&decided) {
                if let EmbedDecision::Keep(contents) = decision {
                    // What cannot be linked is stored again.
                    let _ = at.links.add_image(at, &entry.directory, contents);
                }
            }
        }
        Ok(decided)
    }

    fn one(
        &self,
        entry: &ListEntry,
        found: &TargetState,
        signatures: &SignatureSettings,
        lock: &OwnedFd,
    ) -> EmbedDecision {
        let (reference, lock) = (&entry.reference, lock.as_fd());
        let reader = RegistryReader::new(reference, self.options, self.unreachable, signatures, lock);
        let outcome = match found {
            TargetState::Failed(problem) => return EmbedDecision::Failed(problem.clone()),
            // Only a tag can mean another image than before.
            TargetState::Complete(contents) if self.options.refresh && !entry.reference.contains('@') => {
                match reader.fetch_digest() {
                    Ok(digest) if digest == contents.digest => return EmbedDecision::Keep(contents.clone()),
                    Ok(_) => EmbedOutcome::Refreshed,
                    Err(problem) => return EmbedDecision::Failed(problem),
                }
            }
            TargetState::Complete(contents) => return EmbedDecision::Keep(contents.clone()),
            TargetState::Fetch(None) => EmbedOutcome::Fetched,
            TargetState::Fetch(Some(fault)) => EmbedOutcome::Repaired(fault.clone()),
        };
        // A rehearsal asks a registry that cannot be reached once.
        let known = self.at.is_none().then(|| self.unreachable.why(&entry.reference)).flatten();
        EmbedDecision::Fetch(outcome, known.map_or_else(|| reader.fetch_image(), Err))
    }

    /// Looks at what is there, to the last byte.
    fn look(&self, targets: &[ListEntry]) -> Vec<TargetState> {
        let wanted = match &self.options.platforms {
            Platforms::All => None,
            Platforms::These(platforms) => Some(platforms.as_slice()),
        };
        let jobs = self.options.jobs;
        let survey = survey(self.root, self.dir, targets, wanted, Depth::Bytes, jobs, self.progress);
        let mut found = Vec::new();
        for image in survey.images {
            let is_whole = image.is_complete();
            let fault = image.faults.into_iter().next();
            found.push(match (image.contents, image.not_looked.into_iter().next(), fault) {
                (Some(contents), None, None) if is_whole => {
                    match self.missing_part(&image.entry, &contents) {
                        Some(problem) => TargetState::Fetch(Some(problem)),
                        None => TargetState::Complete(contents),
                    }
                }
                (_, Some(problem), _) => TargetState::Failed(problem),
                (_, None, Some(problem)) if problem.id == "embedded-missing" => TargetState::Fetch(None),
                (_, None, fault) => TargetState::Fetch(fault),
            });
        }
        found
    }

    /// All images of a list are wanted, and only some were when it was embedded; or signatures are,
    /// and were not.
    fn missing_part(&self, entry: &ListEntry, contents: &EmbeddedImage) -> Option<Problem> {
        if self.options.signatures && !contents.signatures && contents.artifact.is_none() {
            let message = format!(
                "the signatures that are attached to `{}` were not asked for when it was embedded",
                entry.reference
            );
            return Some(Problem::new("signatures-unknown", message, "`--signatures` fetches them"));
        }
        if self.options.platforms != Platforms::All || contents.chosen.is_none() {
            return None;
        }
        let whole = EmbeddedImage { chosen: None, ..contents.clone() };
        whole.require(&entry.reference, None).err()
    }
}
