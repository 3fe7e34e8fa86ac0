//! What has to be fetched for several images: each blob once.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::contents::EmbeddedImage;
use super::fetch::{assemble, copy_whole, failed};
use super::links::{blobs_in, has_blob};
use super::list::ListEntry;
use super::options::EmbedOptions;
use super::other_directories::OtherDirectories;
use super::registry_image::RegistryImage;
use super::report::EmbedOutcome;
use super::run::EmbedRun;
use super::unreachable::UnreachableRegistries;
use crate::images::Digest;
use crate::problem::{Problem, total};
use crate::registry::{Failure, ImageProxy, with_retries};
use crate::store::builder::parallel;
use crate::store::check::Progress;
use crate::sys::Root;

/// An image that is to be fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetchTarget<'a> {
    /// Its number among the images that were asked for.
    pub(super) index: usize,
    pub(super) entry: &'a ListEntry,
    pub(super) image: &'a RegistryImage,
    /// What becomes of it if that goes well.
    pub(super) outcome: &'a EmbedOutcome,
}

/// Hears what came of an image.
pub(super) type OnFetched<'a> = &'a (dyn Fn(&FetchTarget<'_>, Result<EmbeddedImage, Problem>) + Sync);

/// A blob that images need.
#[derive(Debug)]
struct NeededBlob {
    size: u64,
    /// The images, by their numbers in the plan.
    images: Vec<usize>,
    /// Images in the directory that seem to have it.
    candidates: Vec<String>,
    /// Whether another directory of the tree seems to have it.
    is_elsewhere: bool,
}

/// What is to be fetched.
#[derive(Debug)]
pub(super) struct DownloadPlan<'a> {
    wanted: Vec<FetchTarget<'a>>,
    /// The blobs of those that skopeo does not copy as a whole.
    blobs: BTreeMap<Digest, NeededBlob>,
    elsewhere: &'a OtherDirectories,
}

/// One thing to do.
enum DownloadTask<'a> {
    Copy(usize),
    Blob(&'a Digest, &'a NeededBlob),
    /// All blobs of it are there.
    Assemble(usize),
}

impl<'a> DownloadPlan<'a> {
    /// Looks which blobs of these images are in the directory `dir`, or elsewhere in the tree, already.
    pub(super) fn new(
        root: &Root,
        dir: &Path,
        elsewhere: &'a OtherDirectories,
        wanted: Vec<FetchTarget<'a>>,
    ) -> Self {
        let there = if wanted.is_empty() { HashMap::new() } else { blobs_in(root, dir) };
        let mut blobs: BTreeMap<Digest, NeededBlob> = BTreeMap::new();
        for (number, FetchTarget { image, .. }) in
            wanted.iter().enumerate().filter(|(_, wanted)| !wanted.image.is_whole)
        {
            for digest in image.blobs() {
                let size = image.contents.blobs[digest];
                let has = |directory: &&String| has_blob(root, &dir.join(directory).join(digest.hex()), size);
                let blob = blobs.entry(digest.clone()).or_insert_with(|| {
                    let candidates = there.get(digest.hex()).into_iter().flatten().filter(has).cloned();
                    let candidates: Vec<String> = candidates.collect();
                    let is_elsewhere = candidates.is_empty() && elsewhere.has(digest, size);
                    NeededBlob { size, images: Vec::new(), candidates, is_elsewhere }
                });
                blob.images.push(number);
            }
        }
        Self { wanted, blobs, elsewhere }
    }

    /// The images that skopeo copies as a whole.
    fn whole(&self) -> impl Iterator<Item = usize> {
        (0..self.wanted.len()).filter(|number| self.wanted[*number].image.is_whole)
    }

    /// How many bytes each image has to be sent, by its number among those that were asked for. A
    /// blob counts for the first that needs it.
    pub(super) fn bytes(&self) -> BTreeMap<usize, u64> {
        let mut bytes: BTreeMap<usize, u64> = self.wanted.iter().map(|wanted| (wanted.index, 0)).collect();
        let blobs = self.blobs.values().filter(|blob| blob.candidates.is_empty() && !blob.is_elsewhere);
        let shared = blobs.map(|blob| (blob.images[0], blob.size));
        let whole = self.whole().map(|number| (number, self.wanted[number].image.contents.bytes()));
        for (number, size) in shared.chain(whole) {
            let bytes = bytes.get_mut(&self.wanted[number].index).expect("each is there");
            *bytes = bytes.saturating_add(size);
        }
        bytes
    }

    /// How many bytes are copied from elsewhere in the tree.
    pub(super) fn copied(&self) -> u64 {
        total(self.blobs.values().filter(|blob| blob.is_elsewhere).map(|blob| blob.size))
    }

    /// How many files are made.
    pub(super) fn files(&self) -> u64 {
        let documents = |wanted: &FetchTarget<'_>| wanted.image.documents.len() as u64 + 3;
        let whole = self.whole().map(|number| self.wanted[number].image.contents.blobs.len() as u64);
        self.wanted.iter().map(documents).chain(whole).sum::<u64>() + self.blobs.len() as u64
    }

    /// The tasks, in the order of the images. Without an image proxy skopeo copies all.
    fn tasks(&self, has_proxy: bool) -> Vec<DownloadTask<'_>> {
        let blobs = self.blobs.iter().filter(|_| has_proxy);
        let mut tasks: Vec<(usize, DownloadTask<'_>)> =
            blobs.map(|(digest, blob)| (blob.images[0], DownloadTask::Blob(digest, blob))).collect();
        for (number, FetchTarget { image, .. }) in self.wanted.iter().enumerate() {
            if image.is_whole || !has_proxy {
                tasks.push((number, DownloadTask::Copy(number)));
            } else if image.blobs().next().is_none() {
                tasks.push((number, DownloadTask::Assemble(number)));
            }
        }
        tasks.sort_by_key(|(number, _)| *number);
        tasks.into_iter().map(|(_, task)| task).collect()
    }

    /// Fetches all of it, `jobs` blobs at a time. `done` is told of each image once, from several
    /// threads.
    pub(super) fn fetch(
        self,
        at: &EmbedRun,
        options: &EmbedOptions,
        unreachable: &UnreachableRegistries,
        progress: &Progress,
        done: OnFetched<'_>,
    ) {
        let is_needed = !self.blobs.is_empty();
        let first = is_needed.then(|| ImageProxy::start(options.access(at.lock_for_children()))).flatten();
        let has_proxy = first.is_some() || !is_needed;
        let missing: Vec<AtomicUsize> = self.wanted.iter().map(|_| AtomicUsize::new(0)).collect();
        for number in self.blobs.values().flat_map(|blob| &blob.images) {
            missing[*number].fetch_add(1, Ordering::Relaxed);
        }
        let failed = self.wanted.iter().map(|_| AtomicBool::new(false)).collect();
        let proxies = Mutex::new(first.into_iter().collect());
        let download =
            Download { plan: &self, at, options, unreachable, progress, done, proxies, missing, failed };
        let tasks = self.tasks(has_proxy);
        let work = |task: &DownloadTask<'_>| {
            match task {
                DownloadTask::Copy(number) => download.copy(*number),
                DownloadTask::Assemble(number) => download.assemble(*number),
                DownloadTask::Blob(digest, blob) => download.blob(digest, blob),
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(_) = parallel::run(&tasks, options.jobs, |_| 0, work);
    }
}

/// A download that is under way.
struct Download<'a> {
    plan: &'a DownloadPlan<'a>,
    at: &'a EmbedRun,
    options: &'a EmbedOptions,
    unreachable: &'a UnreachableRegistries,
    progress: &'a Progress,
    done: OnFetched<'a>,
    /// Those that nobody uses now.
    proxies: Mutex<Vec<ImageProxy>>,
    /// How many blobs each image still lacks.
    missing: Vec<AtomicUsize>,
    /// Whether it was told that an image failed.
    failed: Vec<AtomicBool>,
}

impl Download<'_> {
    fn end(&self, number: usize, result: Result<EmbeddedImage, Problem>) {
        let wanted = &self.plan.wanted[number];
        if let Err(problem) = &result {
            self.unreachable.note(&wanted.entry.reference, problem);
            if self.failed[number].swap(true, Ordering::Relaxed) {
                return;
            }
        }
        (self.done)(wanted, result);
    }

    fn copy(&self, number: usize) {
        let FetchTarget { index, entry, .. } = &self.plan.wanted[number];
        let patience = self.unreachable.retry_limits(&entry.reference, self.options);
        let copied = copy_whole(self.at, entry, self.options, patience, &index.to_string());
        self.progress.add(copied.as_ref().map_or(0, EmbeddedImage::bytes));
        self.end(number, copied);
    }

    fn assemble(&self, number: usize) {
        let FetchTarget { index, entry, image, .. } = &self.plan.wanted[number];
        self.end(number, assemble(self.at, entry, image, &index.to_string()));
    }

    /// Brings a blob to the directory of the run, unless the tree has it, and completes the images
    /// that lacked nothing else.
    fn blob(&self, digest: &Digest, blob: &NeededBlob) {
        let has_failed = |number: &usize| self.failed[*number].load(Ordering::Relaxed);
        let images: Vec<usize> = blob.images.iter().copied().filter(|number| !has_failed(number)).collect();
        let mut problems = Vec::new();
        let mut is_there = self.at.links.find(self.at, digest, &blob.candidates).unwrap_or(false)
            || blob.is_elsewhere && self.plan.elsewhere.copy(self.at, digest, blob.size).unwrap_or(false);
        for number in &images {
            if is_there {
                break;
            }
            // What one registry does not have, another may.
            match self.download(&self.plan.wanted[*number], digest, blob.size) {
                Ok(()) => is_there = true,
                Err(problem) => problems.push((*number, problem)),
            }
        }
        if !is_there {
            problems.into_iter().for_each(|(number, problem)| self.end(number, Err(problem)));
            return;
        }
        for number in images {
            if self.missing[number].fetch_sub(1, Ordering::AcqRel) == 1 {
                self.assemble(number);
            }
        }
    }

    fn download(&self, wanted: &FetchTarget<'_>, digest: &Digest, size: u64) -> Result<(), Problem> {
        let (at, reference) = (self.at, &wanted.entry.reference);
        let cannot = |error: io::Error| failed(Problem::io("write to", &at.shown_path(), &error));
        let fetched = with_retries(self.unreachable.retry_limits(reference, self.options), || {
            let path = at.place(digest.hex());
            let mut writer = at.directory_writer().map_err(cannot)?;
            writer.remove(path.as_bytes()).map_err(cannot)?;
            let file = at.new_file(&mut writer, &path).map_err(cannot)?;
            let mut hash = Sha256::new();
            let mut proxy = self.proxy(reference)?;
            let mut received = 0;
            let sent = proxy.fetch_blob(&wanted.image.source, reference, digest, size, &mut |bytes| {
                hash.update(bytes);
                received += bytes.len() as u64;
                self.progress.add(bytes.len() as u64);
                file.write(bytes).map_err(cannot)
            });
            // All of it comes again.
            sent.inspect_err(|_| self.progress.take_back(received))?;
            if Digest::finish(hash) != *digest {
                return Err(Failure::of(reference, "the blob does not match its digest"));
            }
            self.proxies.lock().expect("no thread panics with the lock").push(proxy);
            at.links.add_blob(at, digest, path).map_err(cannot)
        });
        fetched.map_err(|failure| failure.problem)
    }

    /// One that nobody uses, or a new one.
    fn proxy(&self, reference: &str) -> Result<ImageProxy, Failure> {
        let free = self.proxies.lock().expect("no thread panics with the lock").pop();
        let start = || ImageProxy::start(self.options.access(self.at.lock_for_children()));
        free.or_else(start).ok_or_else(|| Failure::of(reference, "the image proxy does not start"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::contents::contents_of;

    /// Nothing that a manifest says is verified when the sizes are added up.
    #[test]
    fn sizes_that_no_disk_has_are_told_and_not_met() {
        let config = "application/vnd.oci.image.config.v1+json";
        let manifest = |name: &str| {
            let layer = |n: u8| {
                format!(r#"{{"digest": "{}", "size": {}}}"#, Digest::of(&[n, name.len() as u8]), u64::MAX)
            };
            format!(
                r#"{{"schemaVersion": 2, "config": {{"mediaType": "{config}", "digest": "{}", "size": 2}}, "layers": [{}, {}]}}"#,
                Digest::of(b"{}"),
                layer(1),
                layer(2)
            )
        };
        let image = |name: &str| {
            let text = manifest(name).into_bytes();
            let read = |document: &str| Ok((document == "manifest.json").then(|| text.clone()));
            RegistryImage {
                contents: contents_of(name, &read).unwrap(),
                documents: BTreeMap::new(),
                source: name.to_owned(),
                is_whole: name.len() > 1,
            }
        };
        let (one, two) = (image("a"), image("bb"));
        let entry = ListEntry { reference: "a".to_owned(), directory: "a".to_owned(), line: 0 };
        let wanted = [&one, &two].into_iter().enumerate();
        let wanted = wanted
            .map(|(index, image)| FetchTarget {
                index,
                entry: &entry,
                image,
                outcome: &EmbedOutcome::Fetched,
            })
            .collect();
        let root = Root::system().unwrap();
        let elsewhere = OtherDirectories::new(&root, Path::new("/nowhere"));
        let plan = DownloadPlan::new(&root, Path::new("/nowhere"), &elsewhere, wanted);
        assert_eq!(plan.bytes(), BTreeMap::from([(0, u64::MAX), (1, u64::MAX)]));
        let free = crate::sys::FreeSpace { bytes: 1 << 40, inodes: None, of_bytes: 1 << 41, of_inodes: None };
        crate::space::require_space(Path::new("/"), u64::MAX, plan.files(), Some(free)).unwrap_err();
    }
}
