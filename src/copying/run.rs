//! Image by image: what is to be done, doing it, and trying again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::batch::{ENOUGH, batches};
use super::copy::{CopyEvent, CopyLimits, CopyLine, CopyState};
use super::copy_record::{CopiedImage, CopyRecord, FileStamp, ImportedImage};
use super::listing::Listing;
use super::presence::{CopyTarget, Presence};
use super::wanted::WantedImage;
use super::{in_use, skopeo};
use crate::images::{Image, Name, Platform};
use crate::plan::Host;
use crate::problem::{Problem, size, total};
use crate::store::builder::{self, AddPolicy, ids};

/// How long to wait before images are tried again; twice as long before each further time.
pub(super) const DELAY: Duration = Duration::from_millis(500);

/// A run.
pub(super) struct CopyRun<'a> {
    pub(super) host: &'a Host,
    pub(super) limits: CopyLimits,
    pub(super) target: &'a CopyTarget,
    pub(super) presence: Presence,
    /// What is remembered, and what stood there when it was read.
    pub(super) record: CopyRecord,
    pub(super) before: &'a CopyRecord,
    /// If this is an import: the images of the list of embedded ones, by name.
    pub(super) embedded: Option<&'a BTreeMap<String, String>>,
    pub(super) on_event: &'a (dyn Fn(CopyEvent<'_>) + Sync),
    pub(super) lines: Vec<CopyLine>,
    /// Done as soon as an image is there, while there may be space for it, and before a kill.
    pub(super) listing: Listing,
}

impl CopyRun<'_> {
    /// Makes a line of each image, and returns which are to be copied.
    pub(super) fn look(&mut self, wanted: &[WantedImage]) -> anyhow::Result<Vec<usize>> {
        let mut to_do = Vec::new();
        for (index, wanted) in wanted.iter().enumerate() {
            let reference = wanted.reference.clone();
            let required = wanted.required;
            let (id, state) = match &wanted.image {
                Err(problem) => (None, CopyState::Failed(problem.clone())),
                Ok(image) => {
                    let state = match self.is_replaced(image) {
                        true => CopyState::Replaced,
                        false => CopyState::Present,
                    };
                    if state == CopyState::Present && !self.presence.has(self.host, self.target, image) {
                        to_do.push(index);
                    }
                    (Some(image.config_digest.hex().to_owned()), state)
                }
            };
            self.lines.push(CopyLine { reference, id, bytes: 0, state, required, artifact: false });
        }
        self.refuse_mounted(wanted, &mut to_do)?;
        for line in self.lines.iter().filter(|line| matches!(line.state, CopyState::Failed(_))) {
            (self.on_event)(CopyEvent::Image(line));
        }
        Ok(to_do)
    }

    /// Whether an image that was imported keeps the name of this one, which the list had then, too.
    fn is_replaced(&self, image: &Image) -> bool {
        let (name, id) = (image.names.first().map(Name::as_str), image.config_digest.hex());
        let of_name = self.record.imported.iter().find(|it| Some(it.image.name.as_str()) == name);
        self.embedded.is_none()
            && of_name.is_some_and(|it| {
                it.image.id != id && it.over.as_deref() == Some(id) && self.presence.serves(&it.image)
            })
    }

    /// Leaves out images with layers to be copied again under a container that runs.
    fn refuse_mounted(&mut self, wanted: &[WantedImage], to_do: &mut Vec<usize>) -> anyhow::Result<()> {
        if self.presence.damaged.is_empty() {
            return Ok(());
        }
        let mounted = in_use::mounted(self.host)?;
        to_do.retain(|&index| {
            let Ok(image) = &wanted[index].image else { return true };
            let is_stuck = |id: &String| self.presence.damaged.contains(id) && mounted.contains(id);
            let Some(layer) = ids(image).into_iter().find(is_stuck) else {
                return true;
            };
            let message = format!(
                "the image {}: its layer `{layer}` must be copied again, and a container uses it",
                image.title
            );
            let hint = "stop that container and run this again";
            let problem = Problem::new("containers-mounted", message, hint);
            self.lines[index].state = CopyState::Failed(problem);
            false
        });
        // What others share with it is left alone as well.
        self.presence.damaged.retain(|id| !mounted.contains(id));
        Ok(())
    }

    /// Notes what each image takes at least, and leaves those out that do not fit behind those
    /// before them in the list, the required ones first. Returns those that do, and whether there
    /// is space to spare.
    pub(super) fn fit(&mut self, wanted: &[WantedImage], mut to_do: Vec<usize>) -> (Vec<usize>, bool) {
        to_do.sort_by_key(|&index| !self.lines[index].required);
        let free = self.host.root.free_space(&self.target.path).map_or(u64::MAX, |free| free.bytes);
        let (mut fitting, mut left_out) = (Vec::new(), Vec::new());
        let (mut known, mut taken) = (BTreeSet::new(), 0_u64);
        for index in to_do {
            let image = wanted[index].image.as_ref().expect("it was read");
            let new: Vec<(String, u64)> = ids(image)
                .into_iter()
                .zip(&image.layers)
                .filter(|(id, _)| !known.contains(id) && self.lacks(id))
                .map(|(id, layer)| (id, layer.least_size()))
                .collect();
            let bytes = total(new.iter().map(|(_, bytes)| *bytes));
            self.lines[index].bytes = bytes;
            if taken.saturating_add(bytes) > free {
                let (reference, bytes, left) =
                    (&self.lines[index].reference, size(bytes), size(free - taken));
                let message = format!(
                    "there is no space for `{reference}`: it needs at least {bytes}, and {left} are free"
                );
                let problem = Problem::new("disk-full", message, "free some space and run this again");
                self.lines[index].state = CopyState::Failed(problem);
                left_out.push(index);
                continue;
            }
            taken += bytes;
            known.extend(new.into_iter().map(|(id, _)| id));
            fitting.push(index);
        }
        if !left_out.is_empty() {
            let lines: Vec<&CopyLine> = left_out.iter().map(|&index| &self.lines[index]).collect();
            (self.on_event)(CopyEvent::LeftOut(&lines, free - taken));
        }
        (fitting, taken < free / 2)
    }

    /// Whether the store has not this layer as it should be.
    fn lacks(&self, id: &str) -> bool {
        !self.presence.has_layer(id) || self.presence.damaged.contains(id)
    }

    pub(super) fn run(&mut self, wanted: &[WantedImage], to_do: Vec<usize>) {
        let (mut to_do, has_space) = self.fit(wanted, to_do);
        // Where it is scarce, what fits is there before what does not is tried.
        let enough = if has_space { ENOUGH } else { 1 };
        (self.on_event)(CopyEvent::Total(self.bytes(wanted, &to_do)));
        for attempt in 0..=self.limits.retries {
            if to_do.is_empty() {
                break;
            }
            if attempt > 0 {
                std::thread::sleep(DELAY * 2_u32.saturating_pow(attempt - 1));
                (self.on_event)(CopyEvent::Again(to_do.len()));
            }
            let is_last = attempt == self.limits.retries;
            let mut again = Vec::new();
            let all: Vec<&Image> =
                to_do.iter().map(|&index| wanted[index].image.as_ref().expect("it was read")).collect();
            for batch in batches(&all, enough) {
                let batch: Vec<usize> = batch.into_iter().map(|place| to_do[place]).collect();
                let failed = match self.target.foreign {
                    Some(_) => self.by_skopeo(wanted, &batch),
                    None => self.natively(wanted, &batch),
                };
                for index in batch {
                    match failed.get(&index) {
                        Some(problem) if may_pass(problem) && !is_last => again.push(index),
                        Some(problem) => self.done(index, CopyState::Failed(problem.clone())),
                        None => self.done(index, CopyState::Copied),
                    }
                }
            }
            to_do = again;
        }
    }

    fn done(&mut self, index: usize, state: CopyState) {
        self.lines[index].state = state;
        (self.on_event)(CopyEvent::Image(&self.lines[index]));
    }

    /// How many bytes of blobs will be read, at least.
    fn bytes(&self, wanted: &[WantedImage], to_do: &[usize]) -> u64 {
        let mut layers: BTreeMap<String, u64> = BTreeMap::new();
        for image in to_do.iter().filter_map(|&index| wanted[index].image.as_ref().ok()) {
            for (id, layer) in ids(image).into_iter().zip(&image.layers) {
                if self.lacks(&id) {
                    layers.insert(id, layer.blob.size);
                }
            }
        }
        layers.values().sum()
    }

    /// Copies some images, and returns those that were not.
    fn natively(&mut self, wanted: &[WantedImage], batch: &[usize]) -> BTreeMap<usize, Problem> {
        let of = |index: usize| wanted[index].image.as_ref().expect("it was read");
        let on_event = self.on_event;
        let options = builder::BuildOptions {
            platform: Platform::host(),
            jobs: self.limits.jobs,
            limit: self.limits.limit,
            latest: None,
            sync: true,
        };
        let policy = AddPolicy {
            own: self.target.own,
            keep_going: true,
            damaged: &self.presence.damaged,
            progress: &|bytes| on_event(CopyEvent::Read(bytes)),
        };
        let images = batch.iter().map(|&index| of(index).clone()).collect();
        let added = match builder::add(&self.host.root, images, &self.target.path, &options, &policy) {
            Ok(added) => added,
            Err(problem) => return batch.iter().map(|&index| (index, problem.clone())).collect(),
        };
        let failed: BTreeMap<&str, &Problem> =
            added.failed.iter().map(|(id, problem)| (id.as_str(), problem)).collect();
        let mut problems = BTreeMap::new();
        for &index in batch {
            let image = of(index);
            if let Some(problem) = failed.get(image.config_digest.hex()) {
                problems.insert(index, (*problem).clone());
                continue;
            }
            let layers = ids(image);
            for id in &layers {
                self.presence.damaged.remove(id);
                let mark = FileStamp::of(&self.host.root, &self.target.path, &self.target.driver, id);
                self.record.layers.extend(mark.map(|mark| (id.clone(), mark)));
            }
            self.remember(image);
        }
        // Without it the next run looks closer, and that is all.
        if problems.len() < batch.len() {
            let _ = self.record.write(self.host, &self.target.path, self.before);
            self.listing.now(self.host, self.target);
        }
        problems
    }

    /// Notes that an image is there.
    pub(super) fn remember(&mut self, image: &Image) {
        let id = image.config_digest.hex().to_owned();
        let of = |name: &Name| CopiedImage { name: name.to_string(), id: id.clone(), layers: ids(image) };
        match self.embedded {
            None => self.record.add(of(image.names.first().expect("it was given one"))),
            Some(embedded) => {
                for name in &image.names {
                    let over = embedded.get(name.as_str()).cloned();
                    self.record.import(ImportedImage { image: of(name), over });
                }
            }
        }
    }

    fn by_skopeo(&mut self, wanted: &[WantedImage], batch: &[usize]) -> BTreeMap<usize, Problem> {
        let mut problems = BTreeMap::new();
        for &index in batch {
            let image = wanted[index].image.as_ref().expect("it was read");
            match skopeo::copy(self.host, image, &wanted[index].source) {
                Ok(()) if self.embedded.is_some() => self.remember(image),
                Ok(()) => {}
                Err(problem) => _ = problems.insert(index, problem),
            }
            let size = image.layers.iter().map(|layer| layer.blob.size).sum();
            (self.on_event)(CopyEvent::Read(size));
        }
        problems
    }
}

/// Whether it may go well the next time: the system or an engine was in the way.
pub(super) fn may_pass(problem: &Problem) -> bool {
    matches!(problem.id, "io" | "busy" | "skopeo-failed")
}
