//! Fetching what is missing, mending what is damaged, and the list.

use std::collections::HashSet;
use std::convert::Infallible;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::OFlags;

use super::contents::EmbeddedImage;
use super::fetch::fetch;
use super::list::{LIST, List, ListEntry};
use super::options::{EmbedOptions, Platforms};
use super::report::{EmbedOutcome, EmbedReport, ReportLine};
use super::run::EmbedRun;
use super::survey::{Depth, survey, unlisted};
use crate::images::Digest;
use crate::problem::{Problem, Severity, words};
use crate::references::check_reference;
use crate::registry::{RetryLimits, check_authfile, patiently, raw_manifest, require_skopeo};
use crate::store::builder::parallel;
use crate::store::check::Progress;
use crate::sys::Root;

/// Puts the images of `references` into the directory `dir` of the tree, which is made if
/// it is missing: fetches what is not there, verifies what is, fetches again what is
/// damaged, and writes the list. Without references, those of the present list are meant.
/// A failing image does not stop the others. `tell` hears of every image when it is done,
/// from several threads.
///
/// # Errors
/// What keeps it from beginning at all: `list-invalid`, `reference-invalid`, `authfile`,
/// `no-references`, `skopeo-missing`, `busy`, or the system's answer.
pub fn embed(
    root: &Root,
    dir: &Path,
    references: &[String],
    options: &EmbedOptions,
    tell: &(dyn Fn(&ReportLine) + Sync),
) -> Result<EmbedReport, Problem> {
    references.iter().try_for_each(|reference| check_reference(reference))?;
    if let Some(authfile) = &options.authfile {
        check_authfile(authfile)?;
    }
    let before = List::read(root, dir)?;
    let targets = targets(&before, references);
    if targets.is_empty() {
        let message = format!(
            "there is nothing to embed: no image is named, and `{}` has no list",
            root.show(dir).display()
        );
        return Err(Problem::new(
            "no-references",
            message,
            "give references, or a file with them as `--from`",
        ));
    }
    let rehearsed;
    let run;
    let (root, dir, at) = if options.dry_run {
        rehearsed = root.resolve(dir).map_or_else(|_| dir.to_owned(), |at| at.path);
        (root, rehearsed.as_path(), None)
    } else {
        run = EmbedRun::open(root, dir, options.sync)?;
        (&run.root, Path::new("/"), Some(&run))
    };
    // Another run may have been waited for.
    let before = List::read(root, dir)?;
    let targets = self::targets(&before, references);
    let run = Run { root, dir, at, options };
    let mut report = EmbedReport { remarks: before.remarks.clone(), ..EmbedReport::default() };
    let found = run.look(&targets);
    let missing = found.iter().any(|line| matches!(line, TargetState::Fetch(_)));
    if missing && at.is_some() {
        require_skopeo()?;
    }
    let tasks: Vec<(usize, &ListEntry, &TargetState)> =
        targets.iter().zip(&found).enumerate().map(|(index, (entry, found))| (index, entry, found)).collect();
    let done = parallel::run(
        &tasks,
        options.jobs,
        |_| 0,
        |(index, entry, found)| {
            let (line, contents) = run.bring(*index, entry, found);
            tell(&line);
            Ok::<_, Infallible>((line, contents))
        },
    );
    let Ok(done) = done;
    let complete: Vec<(&ListEntry, &EmbeddedImage)> = targets
        .iter()
        .zip(&done)
        .filter_map(|(entry, (_, contents))| Some((entry, contents.as_ref()?)))
        .collect();
    if let Some(at) = at {
        // Images that were fetched at the same time did not know of each other.
        let mut writer = at.directory_writer().map_err(Problem::cannot("open", at.shown()))?;
        for (entry, contents) in &complete {
            let linked = at.links.link(at, &mut writer, &entry.directory, contents, "last");
            if let Err(error) = linked {
                let message = format!("blobs of `{}` were not linked: {}", entry.reference, words(&error));
                let hint = "nothing needs to be done; they are stored again";
                report.remarks.push(Problem::new("embedded-unlinked", message, hint).with(Severity::Warning));
            }
        }
        if at.links.is_refused() {
            let message = format!(
                "`{}` is on a file system without hard links, so shared blobs are stored again",
                at.shown()
            );
            let hint = "nothing needs to be done; another file system would save space";
            report.remarks.push(Problem::new("embedded-unlinked", message, hint).with(Severity::Warning));
        }
    }
    (report.bytes, report.stored) = run.count(&complete);
    let after = run.list(&before, &targets, &done);
    report.unlisted = before
        .entries
        .iter()
        .filter(|entry| after.find(&entry.reference).is_none())
        .map(|entry| entry.reference.clone())
        .collect();
    report.images = done.into_iter().map(|(line, _)| line).collect();
    let text = after.text();
    let is_as_before = root
        .read(&dir.join(LIST))
        .map_err(Problem::cannot("read", root.show(&dir.join(LIST)).display()))?
        .map_or(text.is_empty(), |(bytes, _)| bytes == text.as_bytes());
    report.list_changed = !is_as_before;
    if let (Some(at), true) = (at, report.list_changed) {
        at.write_list(&text)?;
    }
    if options.prune {
        report.removed = run.prune(&before, &after, &targets)?;
    }
    Ok(report)
}

/// The entries that are asked for: a reference that is listed keeps its directory, unless
/// that is another's.
fn targets(list: &List, references: &[String]) -> Vec<ListEntry> {
    let mut targets: Vec<ListEntry> = Vec::new();
    let mut seen = HashSet::new();
    let mut taken: HashSet<String> = HashSet::new();
    let wanted = if references.is_empty() {
        list.entries.iter().map(|entry| entry.reference.as_str()).collect::<Vec<_>>()
    } else {
        references.iter().map(String::as_str).collect()
    };
    for reference in wanted {
        if !seen.insert(reference) {
            continue;
        }
        let mut entry = list.find(reference).cloned().unwrap_or_else(|| ListEntry::new(reference));
        let is_first = list
            .entries
            .iter()
            .find(|other| other.directory == entry.directory)
            .is_none_or(|first| first.reference == reference);
        if !is_first || taken.contains(&entry.directory) {
            entry = ListEntry::new(reference);
        }
        taken.insert(entry.directory.clone());
        targets.push(entry);
    }
    targets
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

/// A run, which changes something if it has a staging directory.
struct Run<'a> {
    root: &'a Root,
    dir: &'a Path,
    at: Option<&'a EmbedRun>,
    options: &'a EmbedOptions,
}

impl Run<'_> {
    /// Looks at what is there, to the last byte.
    fn look(&self, targets: &[ListEntry]) -> Vec<TargetState> {
        let wanted = match &self.options.platforms {
            Platforms::All => None,
            Platforms::These(platforms) => Some(platforms.as_slice()),
        };
        let jobs = self.options.jobs;
        let survey = survey(self.root, self.dir, targets, wanted, Depth::Bytes, jobs, &Progress::default());
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
        if let Some(at) = self.at {
            for (entry, image) in targets.iter().zip(&found) {
                if let TargetState::Complete(contents) = image {
                    // What cannot be linked is stored again.
                    let _ = at.links.know(at, &entry.directory, contents);
                }
            }
        }
        found
    }

    /// All images of a list are wanted, and only some were when it was embedded.
    fn missing_part(&self, entry: &ListEntry, contents: &EmbeddedImage) -> Option<Problem> {
        if self.options.platforms != Platforms::All || contents.chosen.is_none() {
            return None;
        }
        let whole = EmbeddedImage { chosen: None, ..contents.clone() };
        whole.require(&entry.reference, None).err()
    }

    /// Does for an image what is to be done.
    fn bring(
        &self,
        index: usize,
        entry: &ListEntry,
        found: &TargetState,
    ) -> (ReportLine, Option<EmbeddedImage>) {
        let (outcome, contents) = match found {
            TargetState::Failed(problem) => (EmbedOutcome::Failed(problem.clone()), None),
            TargetState::Complete(contents) => match self.has_moved(entry, contents) {
                Ok(false) => (EmbedOutcome::WasThere, Some(contents.clone())),
                Ok(true) => self.fetched(index, entry, EmbedOutcome::Refreshed),
                Err(problem) => (EmbedOutcome::Failed(problem), None),
            },
            TargetState::Fetch(None) => self.fetched(index, entry, EmbedOutcome::Fetched),
            TargetState::Fetch(Some(fault)) => {
                self.fetched(index, entry, EmbedOutcome::Repaired(fault.clone()))
            }
        };
        let line = ReportLine {
            reference: entry.reference.clone(),
            directory: entry.directory.clone(),
            outcome,
            digest: contents.as_ref().map(|contents| contents.digest.clone()),
            bytes: contents.as_ref().map_or(0, EmbeddedImage::bytes),
        };
        (line, contents)
    }

    fn fetched(
        &self,
        index: usize,
        entry: &ListEntry,
        outcome: EmbedOutcome,
    ) -> (EmbedOutcome, Option<EmbeddedImage>) {
        let Some(at) = self.at else {
            return (outcome, None);
        };
        match fetch(at, entry, self.options, &index.to_string()) {
            Ok(contents) => (outcome, Some(contents)),
            Err(problem) => (EmbedOutcome::Failed(problem), None),
        }
    }

    /// Whether the tag of a complete image means another one now, if that is asked.
    fn has_moved(&self, entry: &ListEntry, contents: &EmbeddedImage) -> Result<bool, Problem> {
        if !self.options.refresh || entry.reference.contains('@') {
            return Ok(false);
        }
        let shown = self.root.show(self.dir).display().to_string();
        let opened;
        let lock = match self.at {
            Some(at) => at.alive(),
            None => {
                opened = self.root.open(self.dir, OFlags::PATH).map_err(Problem::cannot("open", shown))?;
                opened.as_fd()
            }
        };
        let options = self.options;
        let access = options.access(lock);
        let patience = RetryLimits { retries: options.retries, delay: options.retry_delay };
        let manifest = patiently(patience, || raw_manifest(&entry.reference, access));
        let manifest = manifest.map_err(|failure| failure.problem)?;
        Ok(Digest::of(&manifest) != contents.digest)
    }

    /// How many bytes the images have, and how many are stored.
    fn count(&self, complete: &[(&ListEntry, &EmbeddedImage)]) -> (u64, u64) {
        let (mut bytes, mut stored) = (0, 0);
        let mut seen = HashSet::new();
        for (entry, contents) in complete {
            for (path, _, size) in contents.files(&self.dir.join(&entry.directory)) {
                bytes += size;
                let id = self.root.stat(&path).ok().flatten().map(|stat| stat.id);
                if id.is_none_or(|id| seen.insert(id)) {
                    stored += size;
                }
            }
        }
        (bytes, stored)
    }

    /// The new list: what was listed stays, unless it is pruned, and what is complete now
    /// comes behind it.
    fn list(
        &self,
        before: &List,
        targets: &[ListEntry],
        done: &[(ReportLine, Option<EmbeddedImage>)],
    ) -> List {
        let target = |reference: &str| targets.iter().find(|target| target.reference == reference);
        let mut entries: Vec<ListEntry> = before
            .entries
            .iter()
            .filter(|entry| !self.options.prune || target(&entry.reference).is_some())
            .cloned()
            .collect();
        for (entry, (line, _)) in targets.iter().zip(done) {
            if matches!(line.outcome, EmbedOutcome::Failed(_)) {
                continue;
            }
            match entries.iter_mut().find(|there| there.reference == entry.reference) {
                Some(there) => *there = entry.clone(),
                None => entries.push(entry.clone()),
            }
        }
        List { entries, remarks: Vec::new() }
    }

    /// Removes the directories that are not listed any more, and those of images that
    /// never were.
    fn prune(&self, before: &List, after: &List, targets: &[ListEntry]) -> Result<Vec<String>, Problem> {
        let is_kept =
            |directory: &str| after.entries.iter().chain(targets).any(|entry| entry.directory == directory);
        let mut gone = unlisted(self.root, self.dir, &after.entries)?;
        gone.extend(before.entries.iter().map(|entry| entry.directory.clone()));
        gone.sort();
        gone.dedup();
        gone.retain(|directory| !is_kept(directory));
        let is_there =
            |directory: &String| self.root.stat(&self.dir.join(directory)).is_ok_and(|stat| stat.is_some());
        gone.retain(is_there);
        if let Some(at) = self.at {
            gone.iter().try_for_each(|directory| at.discard(directory))?;
        }
        Ok(gone)
    }
}
