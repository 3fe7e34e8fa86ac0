//! Fetching what is missing, mending what is damaged, and the list.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;

use super::contents::{EmbeddedImage, contents};
use super::convert::Conversion;
use super::decide::{Decider, EmbedDecision};
use super::download::{DownloadPlan, FetchTarget};
use super::list::{ImageList, ListEntry};
use super::options::{EmbedOptions, Platforms};
use super::other_directories::OtherDirectories;
use super::referrers::ReferrersReader;
use super::report::{EmbedOutcome, EmbedReport, ReportLine};
use super::run::{EmbedRun, lock_of};
use super::survey::unlisted;
use super::unreachable::UnreachableRegistries;
use crate::problem::{Problem, Severity, total, words};
use crate::references::check_reference;
use crate::registry::check_authfile;
use crate::space::require_space;
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
    progress: &Progress,
    on_event: &(dyn Fn(&ReportLine) + Sync),
) -> Result<EmbedReport, Problem> {
    references.iter().try_for_each(|reference| check_reference(reference))?;
    if let Some(authfile) = &options.authfile {
        check_authfile(authfile)?;
    }
    let before = listed(root, dir, options)?;
    let layout = before.layout;
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
    let elsewhere = OtherDirectories::new(root, dir);
    let rehearsed;
    let mut run;
    let (root, dir, at) = if options.dry_run {
        rehearsed = root.resolve(dir).map_or_else(|_| dir.to_owned(), |at| at.path);
        (root, rehearsed.as_path(), None)
    } else {
        run = EmbedRun::open(root, dir, options.sync)?;
        if options.signatures {
            run.request_signatures()?;
        }
        (&run.root, Path::new("/"), Some(&run))
    };
    // Another run may have been waited for.
    let mut converted = false;
    let before = match options.layout {
        Some(to) => {
            let conversion = Conversion::plan(root, dir, to)?;
            converted = conversion.changes();
            match at {
                Some(at) => conversion.carry_out(at)?,
                None => conversion.list,
            }
        }
        None => ImageList::find_in(root, dir)?.unwrap_or_else(|| ImageList::new(layout)),
    };
    let mut targets = self::targets(&before, references);
    let run = Run { root, dir, at, options, elsewhere: &elsewhere };
    let mut report =
        EmbedReport { layout, converted, remarks: before.remarks.clone(), ..EmbedReport::default() };
    let mut done = run.bring(&targets, &mut report, progress, on_event)?;
    if options.referrers {
        let more = run.referrers(&before, &targets, &done, &mut report)?;
        let download = report.download;
        let options =
            EmbedOptions { platforms: Platforms::All, signatures: false, refresh: false, ..options.clone() };
        done.extend(Run { options: &options, ..run }.bring(&more, &mut report, progress, on_event)?);
        report.download = total([download, report.download]);
        targets.extend(more);
    }
    let complete: Vec<(&ListEntry, &EmbeddedImage)> = targets
        .iter()
        .zip(&done)
        .filter_map(|(entry, (_, contents))| Some((entry, contents.as_ref()?)))
        .collect();
    run.link(&complete, &mut report)?;
    (report.bytes, report.stored) = run.count(&complete);
    let after = run.list(&before, &targets, &done);
    report.unlisted = before
        .entries
        .iter()
        .filter(|entry| after.find(&entry.reference).is_none())
        .map(|entry| entry.reference.clone())
        .collect();
    // Neither goes what is not listed since it failed.
    let is_listed = |entry: &ListEntry| after.find(&entry.reference).is_some();
    let staying = targets
        .iter()
        .zip(&done)
        .filter(|(entry, (line, _))| is_listed(entry) || matches!(line.outcome, EmbedOutcome::Failed(_)));
    let staying: Vec<ListEntry> = staying.map(|(entry, _)| entry.clone()).collect();
    report.images = done.into_iter().map(|(line, _)| line).collect();
    let text = after.text();
    let file = after.file(dir);
    let is_as_before = root
        .read(&file)
        .map_err(Problem::cannot("read", root.show(&file).display()))?
        .map_or(after.entries.is_empty(), |(bytes, _)| bytes == text.as_bytes());
    report.list_changed = !is_as_before;
    if let (Some(at), true) = (at, report.list_changed) {
        at.write_list(&after)?;
    }
    if options.prune {
        report.removed = run.prune(&before, &after, &staying)?;
    }
    Ok(report)
}

/// The images that the directory `dir` has, in a list of the layout that it has or is to have.
///
/// # Errors
/// As [`ImageList::read`]; that there are several lists is none if a layout is asked for.
pub fn listed(root: &Root, dir: &Path, options: &EmbedOptions) -> Result<ImageList, Problem> {
    match options.layout {
        Some(to) => Ok(Conversion::plan(root, dir, to)?.list),
        None => ImageList::read(root, dir),
    }
}

/// The entries that are asked for: a reference that is listed keeps its directory, unless
/// that is another's.
fn targets(list: &ImageList, references: &[String]) -> Vec<ListEntry> {
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
        let mut entry = list.find(reference).cloned().unwrap_or_else(|| list.layout.entry(reference));
        let is_first = list
            .entries
            .iter()
            .find(|other| other.directory == entry.directory)
            .is_none_or(|first| first.reference == reference);
        if !is_first || taken.contains(&entry.directory) {
            entry = list.layout.entry(reference);
        }
        taken.insert(entry.directory.clone());
        targets.push(entry);
    }
    targets
}

/// A run, which changes something if it has a staging directory.
struct Run<'a> {
    root: &'a Root,
    dir: &'a Path,
    at: Option<&'a EmbedRun>,
    options: &'a EmbedOptions,
    elsewhere: &'a OtherDirectories,
}

/// What became of an image, and what it consists of if it is there or would be.
type ImageResult = (ReportLine, Option<EmbeddedImage>);

impl Run<'_> {
    /// Embeds the images of `targets`, and notes in the report what that takes.
    fn bring(
        &self,
        targets: &[ListEntry],
        report: &mut EmbedReport,
        progress: &Progress,
        on_event: &(dyn Fn(&ReportLine) + Sync),
    ) -> Result<Vec<ImageResult>, Problem> {
        let Self { root, dir, at, options, elsewhere } = *self;
        let unreachable = UnreachableRegistries::default();
        let decided =
            Decider { root, dir, at, options, unreachable: &unreachable, progress }.decide(targets)?;
        let wanted = decided.iter().zip(targets).enumerate().filter_map(|(index, (decision, entry))| {
            let EmbedDecision::Fetch(outcome, Ok(image)) = decision else { return None };
            Some(FetchTarget { index, entry, image, outcome })
        });
        let plan = DownloadPlan::new(root, dir, elsewhere, wanted.collect());
        let downloads = plan.bytes();
        report.download = total(downloads.values().copied());
        report.free = root.free_space(dir).ok();
        let done: Vec<OnceLock<ImageResult>> = targets.iter().map(|_| OnceLock::new()).collect();
        let end = |index: usize, outcome: EmbedOutcome, contents: Option<EmbeddedImage>| {
            let line = ReportLine {
                reference: targets[index].reference.clone(),
                directory: targets[index].directory.clone(),
                outcome,
                contents: contents.clone(),
                download: downloads.get(&index).copied(),
                unknown: match &decided[index] {
                    EmbedDecision::Fetch(_, Err(problem)) => Some(problem.clone()),
                    _ => None,
                },
            };
            on_event(&line);
            done[index].set((line, contents)).expect("each image ends once");
        };
        if at.is_some() {
            require_space(
                &root.show(dir),
                total([report.download, plan.copied()]),
                plan.files(),
                report.free,
            )?;
        }
        for (index, decision) in decided.iter().enumerate() {
            match decision {
                EmbedDecision::Keep(contents) => end(index, EmbedOutcome::WasThere, Some(contents.clone())),
                EmbedDecision::Failed(problem) => end(index, EmbedOutcome::Failed(problem.clone()), None),
                // A rehearsal does not need to know more.
                EmbedDecision::Fetch(outcome, image) if at.is_none() => {
                    end(index, outcome.clone(), image.as_ref().ok().map(|image| image.contents.clone()));
                }
                EmbedDecision::Fetch(_, Err(problem)) => {
                    end(index, EmbedOutcome::Failed(problem.clone()), None)
                }
                EmbedDecision::Fetch(_, Ok(_)) => {}
            }
        }
        if let Some(at) = at {
            progress.begin("fetching", report.download);
            plan.fetch(at, options, &unreachable, progress, &|wanted, result| match result {
                Ok(contents) => end(wanted.index, wanted.outcome.clone(), Some(contents)),
                Err(problem) => end(wanted.index, EmbedOutcome::Failed(problem), None),
            });
        }
        Ok(done.into_iter().map(|done| done.into_inner().expect("each image ended")).collect())
    }

    /// What refers to the images that are there, and is no target yet.
    fn referrers(
        &self,
        before: &ImageList,
        targets: &[ListEntry],
        done: &[ImageResult],
        report: &mut EmbedReport,
    ) -> Result<Vec<ListEntry>, Problem> {
        let shown = self.root.show(self.dir).display().to_string();
        let lock = lock_of(self.root, self.at).map_err(Problem::cannot("open", shown))?;
        let images = targets.iter().zip(done);
        let images = images.filter_map(|(entry, (_, contents))| Some((entry, contents.as_ref()?)));
        let found = ReferrersReader::new(self.options, lock.as_fd()).find(images);
        report.remarks.extend(found.remarks);
        report.referrers_unknown = found.unknown;
        let known = targets.iter().map(|target| target.reference.clone());
        let all: Vec<String> = known.chain(found.all.keys().cloned()).collect();
        if let Some(at) = self.at {
            at.referrers.set(found.all).expect("they are looked for once");
        }
        Ok(self::targets(before, &all).split_off(targets.len()))
    }

    /// Images that were fetched at the same time did not know of each other.
    fn link(
        &self,
        complete: &[(&ListEntry, &EmbeddedImage)],
        report: &mut EmbedReport,
    ) -> Result<(), Problem> {
        let Some(at) = self.at else { return Ok(()) };
        let mut unlinked = |message: String, hint: &str| {
            report.remarks.push(Problem::new("embedded-unlinked", message, hint).with(Severity::Warning));
        };
        let mut writer = at.directory_writer().map_err(Problem::cannot("open", at.shown_path()))?;
        for (entry, contents) in complete {
            if let Err(error) = at.links.link(at, &mut writer, &entry.directory, contents, "last") {
                let message = format!("blobs of `{}` were not linked: {}", entry.reference, words(&error));
                unlinked(message, "nothing needs to be done; they are stored again");
            }
        }
        if at.links.is_refused() {
            let message = format!(
                "`{}` is on a file system without hard links, so shared blobs are stored again",
                at.shown_path()
            );
            unlinked(message, "nothing needs to be done; another file system would save space");
        }
        Ok(())
    }

    /// How many bytes the images have, and how many are stored.
    fn count(&self, complete: &[(&ListEntry, &EmbeddedImage)]) -> (u64, u64) {
        let (mut bytes, mut stored) = (0, 0);
        let mut seen = HashSet::new();
        for (entry, contents) in complete {
            for (path, digest, size) in contents.files(&self.dir.join(&entry.directory)) {
                bytes = total([bytes, size]);
                let id = self.root.stat(&path).ok().flatten().map(|stat| stat.id);
                if seen.insert(id.ok_or(digest)) {
                    stored = total([stored, size]);
                }
            }
        }
        (bytes, stored)
    }

    /// The new list: what was listed stays, unless it is pruned, and what is complete now
    /// comes behind it.
    fn list(
        &self,
        before: &ImageList,
        targets: &[ListEntry],
        done: &[(ReportLine, Option<EmbeddedImage>)],
    ) -> ImageList {
        let target = |reference: &str| targets.iter().find(|target| target.reference == reference);
        // What was embedded since it refers to an image stays as long as that does.
        let images: Vec<&EmbeddedImage> = done.iter().filter_map(|(_, contents)| contents.as_ref()).collect();
        let is_wanted = |entry: &ListEntry| {
            let contents = contents(self.root, &self.dir.join(&entry.directory), &entry.reference);
            match contents.ok().and_then(|contents| contents.refers_to) {
                Some(image) => {
                    images.len() < done.len() || images.iter().any(|it| it.has_digest(image.as_str()))
                }
                None => target(&entry.reference).is_some(),
            }
        };
        let is_kept = |entry: &ListEntry| !self.options.prune || is_wanted(entry);
        let mut entries: Vec<ListEntry> =
            before.entries.iter().filter(|entry| is_kept(entry)).cloned().collect();
        for (entry, (line, _)) in targets.iter().zip(done) {
            if matches!(line.outcome, EmbedOutcome::Failed(_)) || !is_kept(entry) {
                continue;
            }
            match entries.iter_mut().find(|there| there.reference == entry.reference) {
                Some(there) => *there = entry.clone(),
                None => entries.push(entry.clone()),
            }
        }
        ImageList { entries, remarks: Vec::new(), ..before.clone() }
    }

    /// Removes the directories that are not listed any more, and those of images that
    /// never were.
    fn prune(
        &self,
        before: &ImageList,
        after: &ImageList,
        targets: &[ListEntry],
    ) -> Result<Vec<String>, Problem> {
        let is_kept =
            |directory: &str| after.entries.iter().chain(targets).any(|entry| entry.directory == directory);
        let mut gone = unlisted(self.root, self.dir, after)?;
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
