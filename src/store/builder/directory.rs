//! A store as a directory: a new one, or one that is added to while engines use it.
//!
//! Layers are unpacked to staging directories that no engine knows, several at a time
//! and without any lock. Only when all of them are complete, verified and synced are the
//! engines' locks taken, layers first, as engines do. Then layers get their places,
//! layers.json is replaced, and images.json after it, so that whoever reads in between
//! sees no image without its layers. Killed anywhere, the old records are valid, and
//! what was left is removed by the next run.
//!
//! [`add`] does the same for a store that is kept up to date: an image that cannot be
//! added does not stop the others, and layers that are damaged are put in place anew.

use std::io;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha512};

use super::BuildOptions;
use super::BuiltStore;
use super::existing::{Records, StorePaths};
use super::incremental::{AddPolicy, AddReport};
use super::lost::{LostLayers, conflicts, drop_lost, sound};
use super::plan::{BuildPlan, PlannedLayer};
use super::prepare::{make, prepare};
use super::record::{LayerRecord, of_image, of_layer};
use crate::limits;
use crate::problem::{Problem, total};
use crate::space::require_space;
use crate::store::{StoredImage, StoredLayer};
use crate::sys::{DirectoryWriter, FileMetadata, RecordLock, Root, Staging};

/// How long an engine that works on the store is waited for: as long as it may take to
/// unpack a large layer.
const PATIENCE: Duration = Duration::from_secs(600);

/// Builds, or adds to, the store at `store`: all of the plan, or nothing.
pub(super) fn build(
    root: &Root,
    store: &Path,
    plan: &BuildPlan,
    options: &BuildOptions,
    policy: &AddPolicy<'_>,
) -> Result<BuiltStore, Problem> {
    let added = add(root, store, plan, options, policy)?;
    match added.failed.into_iter().next() {
        Some((_, problem)) => Err(problem),
        None => Ok(added.built),
    }
}

/// Adds what of a plan can be added.
pub(super) fn add(
    root: &Root,
    store: &Path,
    plan: &BuildPlan,
    options: &BuildOptions,
    policy: &AddPolicy<'_>,
) -> Result<AddReport, Problem> {
    if !rustix::process::geteuid().is_root() {
        let message = "only root can build a store as a directory: its files belong to many users";
        let hint = "write a `.tar` or `.squashfs` file instead, which needs no privileges";
        return Err(Problem::new("root-needed", message, hint));
    }
    let was_there = root.stat(store).map_err(cannot(root, "look at", store))?.is_some();
    let from = root;
    let root = &make(root, store, policy)?;
    let paths = StorePaths::new(Path::new("/"));
    let is_new = root.stat(&paths.images).map_err(cannot(root, "look at", &paths.images))?.is_none();
    let result = (|| {
        prepare(root, from, &paths, policy)?;
        AddRun::new(root, &paths, options, policy)?.run(plan, is_new)
    })();
    let is_empty = result.as_ref().is_ok_and(|added| added.built.images == 0 && !added.failed.is_empty());
    if is_new && (result.is_err() || is_empty) {
        // The error is what counts, not what is left of an empty store.
        for (dir, records) in [(&paths.layers, paths.layers_json()), (&paths.images, paths.images_json())] {
            // Only what is as it was made here.
            if root.list(dir).is_ok_and(|names| names.is_some_and(|names| names.len() == 1)) {
                let _ = root.remove_file(&records);
            }
        }
        for dir in [&paths.links, &paths.overlay, &paths.layers, &paths.images] {
            let _ = root.remove_empty_dir(dir);
        }
        if !was_there {
            let _ = from.remove_empty_dir(store);
        }
    }
    result
}

/// Takes a lock of engines.
pub(in crate::store) fn lock(root: &Root, path: &Path) -> Result<RecordLock, Problem> {
    let lock = RecordLock::lock(root, path, PATIENCE).map_err(cannot(root, "lock", path))?;
    lock.ok_or_else(|| {
        let message = format!("an engine keeps `{}` locked", root.show(path).display());
        Problem::new("busy", message, "wait until it is done, and try again")
    })
}

pub(in crate::store) fn cannot<'a>(
    root: &'a Root,
    doing: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> Problem + 'a {
    move |error| Problem::io(doing, &root.show(path).display().to_string(), &error)
}

/// Who may read what is not content of layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoreAccess {
    /// The mode of directories.
    pub(super) directory: u32,
    /// The mode of files.
    pub(super) file: u32,
}

impl StoreAccess {
    /// As `init-store` has it: a normal user's engine stops on the first file that it
    /// cannot read.
    pub(super) const EVERYONE: Self = Self { directory: 0o755, file: 0o644 };

    /// As engines have it in their own storage.
    pub(super) const OWNER: Self = Self { directory: 0o700, file: 0o600 };
}

/// How the store's own files and directories are: root's.
pub(super) fn own(mode: u32, mtime: (i64, u32)) -> FileMetadata<'static> {
    FileMetadata { mode, uid: 0, gid: 0, mtime, attributes: &[] }
}

/// A run that adds to a store.
pub(super) struct AddRun<'a> {
    /// The store, in which no symlink is followed.
    pub(super) root: &'a Root,
    pub(super) paths: &'a StorePaths,
    pub(super) options: &'a BuildOptions,
    pub(super) policy: &'a AddPolicy<'a>,
    pub(super) overlay: DirectoryWriter,
    pub(super) layers: DirectoryWriter,
    /// In `overlay`, for layers.
    pub(super) staging: Staging,
    /// In `layers`, for what they are assembled by again.
    pub(super) splits: Staging,
    pub(super) access: StoreAccess,
}

impl<'a> AddRun<'a> {
    fn run(&mut self, plan: &BuildPlan, is_new: bool) -> Result<AddReport, Problem> {
        if is_new {
            // Whatever ends this run, what it leaves is a store, if an empty one.
            self.start_lists()?;
        }
        let known = Records::<StoredLayer>::read(self.root, self.paths)?;
        let images = Records::<StoredImage>::read(self.root, self.paths)?;
        let mut lost: LostLayers<'_> = conflicts(plan, &known);
        let mut failed = drop_lost(plan, &lost);
        failed.extend(images.others(plan.images.iter().map(of_image)));
        self.stop_at_first(&lost, &failed)?;
        let wanted = sound(plan, &failed);
        let missing = self.missing(&wanted, &known)?;
        if !self.policy.keep_going {
            let bytes = total(missing.iter().map(|layer| layer.source.least_size()));
            require_space(
                &self.root.show(Path::new("/")),
                bytes,
                0,
                self.root.free_space(Path::new("/")).ok(),
            )?;
        }
        let facts = self.unpack(&missing, &mut lost)?;
        failed.extend(drop_lost(plan, &lost));
        self.stop_at_first(&lost, &failed)?;
        let wanted = sound(plan, &failed);
        self.give_back(&missing, &wanted).map_err(cannot(self.root, "clean up", &self.paths.overlay))?;
        if wanted.images.is_empty() && !plan.images.is_empty() {
            return Ok(AddReport { failed, ..AddReport::default() });
        }
        self.sync()?;
        // Whoever waits for a lock that is held while a layer is unpacked is an engine.
        let layers_lock = self.lock(&self.paths.layers_lock())?;
        let images_lock = self.lock(&self.paths.images_lock())?;
        self.start_lists()?;
        // What engines did meanwhile.
        let known = Records::<StoredLayer>::read(self.root, self.paths)?;
        let still: Vec<&PlannedLayer> = self.missing(&wanted, &known)?;
        let gone = still.iter().find(|layer| !facts.contains_key(layer.id.as_str()));
        if let Some(gone) = gone {
            let message = format!("an engine removed `{}` from the store meanwhile", gone.id);
            return Err(Problem::new("busy", message, "try again"));
        }
        let records: Vec<LayerRecord> =
            still.iter().map(|layer| of_layer(layer, &facts[layer.id.as_str()])).collect();
        self.place(&still, &known, &plan.links).map_err(cannot(
            self.root,
            "write to",
            &self.paths.overlay,
        ))?;
        self.sync()?;
        let layers_json = known.append(&records);
        if !records.is_empty() || is_new {
            self.replace(&self.paths.layers_json(), &layers_json, &layers_lock)?;
        }
        let images_before = self.root.read_up_to(&self.paths.images_json(), limits::RECORDS);
        let images_before = images_before.map_err(cannot(self.root, "read", &self.paths.images_json()))?;
        let images = Records::<StoredImage>::read(self.root, self.paths)?;
        let mut new = 0;
        let mut records = Vec::new();
        for planned in &wanted.images {
            let known = images.of(planned.image.config_digest.hex());
            let planned = self.signed(planned, known);
            self.image(&planned, known).map_err(cannot(self.root, "write to", &self.paths.images))?;
            records.push(of_image(&planned));
            new += usize::from(known.is_none());
        }
        // Whoever finds the images looks for nothing that a run has left that was cut off.
        let _ = self.splits.remove().and_then(|()| self.staging.remove());
        self.sync()?;
        let (images_json, moved) = images.merge(records)?;
        if images_before.is_none_or(|(before, _)| before != images_json) {
            self.replace(&self.paths.images_json(), &images_json, &images_lock)?;
        }
        if is_new && !self.policy.own {
            // Last, since each directory that changes has a new time.
            self.settle(plan).map_err(cannot(self.root, "set times in", &self.paths.store))?;
            self.sync()?;
        }
        let built = BuiltStore {
            images: wanted.images.len(),
            new_images: new,
            layers: wanted.layers.len(),
            new_layers: still.len(),
            bytes: still.iter().map(|layer| facts[layer.id.as_str()].size).sum(),
            moved_names: moved,
            nameless: wanted.nameless(),
        };
        Ok(AddReport { built, failed })
    }

    /// Stops at a failure, where one is one too many.
    fn stop_at_first(&self, lost: &LostLayers<'_>, failed: &[(String, Problem)]) -> Result<(), Problem> {
        let mut problems = lost.values().chain(failed.iter().map(|(_, problem)| problem));
        match problems.next() {
            Some(problem) if !self.policy.keep_going => Err(problem.clone()),
            _ => Ok(()),
        }
    }

    /// The layers of the plan that the store does not have, or has damaged.
    fn missing<'b>(
        &self,
        plan: &'b BuildPlan,
        known: &Records<StoredLayer>,
    ) -> Result<Vec<&'b PlannedLayer>, Problem> {
        let known = known.by_id();
        let mut missing = Vec::new();
        for layer in &plan.layers {
            let there = known.get(layer.id.as_str());
            let Some(there) = there.filter(|_| !self.policy.damaged.contains(&layer.id)) else {
                missing.push(layer);
                continue;
            };
            let incomplete = there.is_incomplete();
            if incomplete && self.policy.keep_going {
                missing.push(layer);
            } else if incomplete {
                let message = format!("the layer `{}` in the store is incomplete", layer.id);
                let hint = "run an engine on it, such as `podman --root STORE images`, which removes it";
                return Err(Problem::new("store-incomplete", message, hint));
            }
        }
        Ok(missing)
    }

    fn lock(&self, path: &Path) -> Result<RecordLock, Problem> {
        lock(self.root, path)
    }

    /// Writes the lists that are not there yet, as `init-store` leaves a store. Files of images or
    /// layers are damage where there is no list, and in nobody's way where it does not name them.
    fn start_lists(&self) -> Result<(), Problem> {
        for path in [self.paths.layers_json(), self.paths.images_json()] {
            let there = self.root.read_up_to(&path, limits::RECORDS);
            let there = there.map_err(cannot(self.root, "read", &path))?;
            if there.is_none_or(|(bytes, _)| bytes.trim_ascii().is_empty()) {
                self.write(&path, b"[]")?;
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
        self.root.create_empty(path, self.access.file).map_err(cannot(self.root, "create", path))?;
        self.root.replace_file(path, bytes).map_err(cannot(self.root, "replace", path))
    }

    /// Replaces a file of records and tells engines so.
    fn replace(&self, path: &Path, bytes: &[u8], lock: &RecordLock) -> Result<(), Problem> {
        self.write(path, bytes)?;
        let marked = lock.is_unwritten().and_then(|unwritten| {
            // Nobody has read it before, so what nobody can know need not differ.
            let id = Sha512::digest(bytes);
            if unwritten { lock.mark_written_as(&id.into()) } else { lock.mark_written() }
        });
        marked.map_err(cannot(self.root, "write to the lock of", path))
    }

    /// Gives what is in every store the same time each time it is made.
    fn settle(&mut self, plan: &BuildPlan) -> io::Result<()> {
        let time = (plan.time.0, plan.time.1);
        let mut store = self.root.directory_writer(&self.paths.store)?;
        let names: &[&str] = &[
            "overlay-images/images.json",
            "overlay-images/images.lock",
            "overlay-layers/layers.json",
            "overlay-layers/layers.lock",
            "overlay/l",
            "overlay",
            "overlay-images",
            "overlay-layers",
        ];
        for name in names {
            store.set_time(name.as_bytes(), time)?;
        }
        // The store's own directory may hold other things.
        if self.root.list(&self.paths.store)?.is_some_and(|names| names.len() == 3) {
            let mode = self.root.stat(&self.paths.store)?.map_or(0o755, |stat| stat.mode);
            store.set_own_metadata(mode, time)?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Problem> {
        if !self.options.sync {
            return Ok(());
        }
        self.overlay.sync_all().map_err(cannot(self.root, "sync", &self.paths.store))
    }
}
