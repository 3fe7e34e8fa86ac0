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

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha512};

use super::Built;
use super::existing::{Paths, Records};
use super::files::{Small, link_target, of_layer};
use super::layer::{self, Facts};
use super::plan::{Plan, PlannedImage, PlannedLayer, link_name};
use super::record::{self, LayerRecord};
use super::unpack::Unpack;
use super::upkeep::{Added, Upkeep};
use super::{Options, fault, parallel};
use crate::host::{Attire, Filling, RecordLock, Root};
use crate::images::Digest;
use crate::problem::Problem;
use crate::store::check::has_selinux;
use crate::store::{Image, Layer};

/// How long an engine that works on the store is waited for: as long as it may take to
/// unpack a large layer.
const PATIENCE: Duration = Duration::from_secs(600);

/// The label of layers and their records: containers may read them.
const LABEL: (&std::ffi::CStr, &[u8]) = (c"security.selinux", b"system_u:object_r:container_ro_file_t:s0\0");

/// Staging directories have this prefix. What is found with it and not locked is left
/// from a run that was killed.
const STAGING: &str = ".storagectl-new-";

/// Builds, or adds to, the store at `store`.
pub(super) fn build(root: &Root, store: &Path, plan: &Plan, options: &Options) -> Result<Built, Problem> {
    let added = add(root, store, plan, options, &Upkeep::ALL_OR_NOTHING)?;
    match added.failed.into_iter().next() {
        Some((_, problem)) => Err(problem),
        None => Ok(added.built),
    }
}

/// Adds what of a plan can be added.
pub(super) fn add(
    root: &Root,
    store: &Path,
    plan: &Plan,
    options: &Options,
    upkeep: &Upkeep<'_>,
) -> Result<Added, Problem> {
    if !rustix::process::geteuid().is_root() {
        let message = "only root can make a store as a directory: its files belong to many users";
        let hint = "write a `.tar` or `.squashfs` file instead, which needs no privileges";
        return Err(Problem::new("root-needed", message, hint));
    }
    let paths = Paths::new(store);
    let is_new = root.stat(&paths.images).map_err(cannot(root, "look at", &paths.images))?.is_none();
    let was_there = root.stat(store).map_err(cannot(root, "look at", store))?.is_some();
    let result = (|| {
        prepare(root, &paths, upkeep)?;
        Adding::new(root, &paths, options, upkeep)?.run(plan, is_new)
    })();
    let is_empty = result.as_ref().is_ok_and(|added| added.built.images == 0 && !added.failed.is_empty());
    if is_new && (result.is_err() || is_empty) {
        // The error is what counts, not what is left of an empty store.
        for dir in [&paths.links, &paths.overlay, &paths.layers, &paths.images] {
            let _ = root.remove_empty_dir(dir);
        }
        if !was_there {
            let _ = root.remove_empty_dir(&paths.store);
        }
    }
    result
}

/// Takes a lock of engines.
pub(super) fn lock(root: &Root, path: &Path) -> Result<RecordLock, Problem> {
    let lock = RecordLock::wait(root, path, PATIENCE).map_err(cannot(root, "lock", path))?;
    lock.ok_or_else(|| {
        let message = format!("an engine keeps `{}` locked", root.show(path).display());
        Problem::new("busy", message, "wait until it is done, and try again")
    })
}

pub(super) fn cannot<'a>(
    root: &'a Root,
    doing: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> Problem + 'a {
    move |error| Problem::io(doing, &root.show(path).display().to_string(), &error)
}

fn prepare(root: &Root, paths: &Paths, upkeep: &Upkeep<'_>) -> Result<(), Problem> {
    let mode = upkeep.access().directory;
    if let Some(above) = paths.store.parent() {
        root.create_dirs(above, 0o755).map_err(cannot(root, "create the directory", above))?;
    }
    let dirs = [
        (&paths.store, mode),
        (&paths.overlay, mode),
        // Engines open this one to everyone.
        (&paths.links, 0o755),
        (&paths.images, mode),
        (&paths.layers, mode),
    ];
    let mut new = Vec::new();
    for (dir, mode) in dirs {
        if root.stat(dir).map_err(cannot(root, "look at", dir))?.is_none() {
            root.create_dirs(dir, mode).map_err(cannot(root, "create the directory", dir))?;
            new.push(dir);
        }
    }
    label(root, paths, &new);
    if root.stat(&paths.store.join("vfs-images")).map_err(cannot(root, "look at", &paths.store))?.is_some() {
        let message = format!("`{}` is a store of the vfs driver", root.show(&paths.store).display());
        return Err(Problem::new("store-malformed", message, "give a directory of its own"));
    }
    Ok(())
}

/// Removes what was left by runs that were killed.
pub(super) fn clean_up(root: &Root, paths: &Paths) -> Result<(), Problem> {
    for dir in [&paths.overlay, &paths.layers] {
        let names = root.list(dir).map_err(cannot(root, "list", dir))?.unwrap_or_default();
        for name in names.iter().map(|name| name.as_encoded_bytes()) {
            if !name.starts_with(STAGING.as_bytes()) {
                continue;
            }
            let mut filling = root.filling(dir).map_err(cannot(root, "open", dir))?;
            let lock = filling.try_lock(name).map_err(cannot(root, "lock", dir))?;
            if lock.is_some() {
                filling.remove(name).map_err(cannot(root, "clean up", dir))?;
            }
        }
    }
    Ok(())
}

/// Gives what is new of the directories of a store the label of such, which files that are
/// made in them inherit. The policy does that by itself for whoever it knows as a container
/// engine (`container_filetrans_named_content` in container-selinux's container.if).
fn label(root: &Root, paths: &Paths, new: &[&std::path::PathBuf]) {
    if !has_selinux(root).unwrap_or(false) {
        return;
    }
    for name in ["overlay", "overlay-images", "overlay-layers"] {
        if new.iter().any(|dir| dir.ends_with(name)) {
            // Where it is not allowed, such as in a build of an image, labels come later.
            let store = root.filling(&paths.store);
            let _ = store.and_then(|mut store| store.attribute(name.as_bytes(), LABEL.0, LABEL.1));
        }
    }
}

/// Who may read what is not content of layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    /// The mode of directories.
    pub(super) directory: u32,
    /// The mode of files.
    pub(super) file: u32,
}

impl Access {
    /// As `init-store` has it: a normal user's engine stops on the first file that it
    /// cannot read.
    pub(super) const EVERYONE: Self = Self { directory: 0o755, file: 0o644 };

    /// As engines have it in their own storage.
    pub(super) const OWNER: Self = Self { directory: 0o700, file: 0o600 };
}

/// A run that adds to a store.
struct Adding<'a> {
    root: &'a Root,
    paths: &'a Paths,
    options: &'a Options,
    upkeep: &'a Upkeep<'a>,
    overlay: Filling,
    layers: Filling,
    staging: String,
    access: Access,
    /// Held until the end: the sign of a run that lives.
    _locks: [OwnedFd; 2],
}

impl Drop for Adding<'_> {
    fn drop(&mut self) {
        // A courtesy: the next run does it otherwise.
        let _ = self.overlay.remove(self.staging.as_bytes());
        let _ = self.layers.remove(self.staging.as_bytes());
    }
}

impl<'a> Adding<'a> {
    fn new(
        root: &'a Root,
        paths: &'a Paths,
        options: &'a Options,
        upkeep: &'a Upkeep<'a>,
    ) -> Result<Self, Problem> {
        let access = match root.stat(&paths.images).map_err(cannot(root, "look at", &paths.images))? {
            Some(stat) if stat.mode & 0o055 != 0o055 => Access::OWNER,
            _ => Access::EVERYONE,
        };
        let mut overlay = root.filling(&paths.overlay).map_err(cannot(root, "open", &paths.overlay))?;
        let mut layers = root.filling(&paths.layers).map_err(cannot(root, "open", &paths.layers))?;
        clean_up(root, paths)?;
        for number in 0..1000 {
            let staging = format!("{STAGING}{}-{number}", std::process::id());
            let make = |filling: &mut Filling| -> io::Result<Option<OwnedFd>> {
                match filling.directory(staging.as_bytes()) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                    result => result?,
                }
                let lock = filling.try_lock(staging.as_bytes())?;
                // Another run may have taken it for left over before it was locked.
                let there = filling.has(staging.as_bytes())?;
                Ok(lock.filter(|_| there))
            };
            let first = make(&mut overlay).map_err(cannot(root, "make a directory in", &paths.overlay))?;
            let second = make(&mut layers).map_err(cannot(root, "make a directory in", &paths.layers))?;
            if first.is_none() || second.is_none() {
                // One is a run's of the same name, or was taken for left over.
                for (made, filling) in [(&first, &mut overlay), (&second, &mut layers)] {
                    if made.is_some() {
                        let _ = filling.remove(staging.as_bytes());
                    }
                }
            }
            if let (Some(first), Some(second)) = (first, second) {
                let _locks = [first, second];
                return Ok(Self { root, paths, options, upkeep, overlay, layers, staging, access, _locks });
            }
        }
        let message = format!("other runs keep `{}` busy", root.show(&paths.store).display());
        Err(Problem::new("busy", message, "wait for them and try again"))
    }

    fn run(&mut self, plan: &Plan, is_new: bool) -> Result<Added, Problem> {
        let known: Records<Layer> = Records::read(self.root, &self.paths.layers_json())?;
        let images: Records<Image> = Records::read(self.root, &self.paths.images_json())?;
        let mut lost: Lost<'_> = conflicts(plan, &known);
        let mut failed = drop_lost(plan, &lost);
        failed.extend(images.others(plan.images.iter().map(image_record)));
        if let Some(first) = self.first(&failed) {
            return Err(first);
        }
        let wanted = sound(plan, &failed);
        let missing = self.missing(&wanted, &known)?;
        let facts = self.unpack(&missing, &mut lost)?;
        failed.extend(drop_lost(plan, &lost));
        if let Some(first) = self.first(&failed) {
            return Err(first);
        }
        let wanted = sound(plan, &failed);
        self.give_back(&missing, &wanted).map_err(cannot(self.root, "clean up", &self.paths.overlay))?;
        if wanted.images.is_empty() && !plan.images.is_empty() {
            return Ok(Added { failed, ..Added::default() });
        }
        self.sync()?;
        // Whoever waits for a lock that is held while a layer is unpacked is an engine.
        let layers_lock = self.lock(&self.paths.layers_lock())?;
        let images_lock = self.lock(&self.paths.images_lock())?;
        // What engines did meanwhile.
        let known: Records<Layer> = Records::read(self.root, &self.paths.layers_json())?;
        let still: Vec<&PlannedLayer> = self.missing(&wanted, &known)?;
        let gone = still.iter().find(|layer| !facts.contains_key(layer.id.as_str()));
        if let Some(gone) = gone {
            let message = format!("an engine removed `{}` from the store meanwhile", gone.id);
            return Err(Problem::new("busy", message, "try again"));
        }
        let records: Vec<LayerRecord> =
            still.iter().map(|layer| record(layer, &facts[layer.id.as_str()])).collect();
        self.place(&still, &known).map_err(cannot(self.root, "write to", &self.paths.overlay))?;
        self.sync()?;
        let layers_json = known.append(&records);
        if !records.is_empty() || is_new {
            self.replace(&self.paths.layers_json(), &layers_json, &layers_lock)?;
        }
        let images_before = self.root.read(&self.paths.images_json());
        let images_before = images_before.map_err(cannot(self.root, "read", &self.paths.images_json()))?;
        let images: Records<Image> = Records::read(self.root, &self.paths.images_json())?;
        let ids = images.ids();
        for planned in &wanted.images {
            let id = planned.image.config_digest.hex();
            let known = ids.contains(id).then(|| images.manifest_of(id));
            self.image(planned, known).map_err(cannot(self.root, "write to", &self.paths.images))?;
        }
        self.sync()?;
        let new =
            wanted.images.iter().filter(|planned| !ids.contains(planned.image.config_digest.hex())).count();
        let (images_json, moved) = images.merge(wanted.images.iter().map(image_record).collect())?;
        if images_before.is_none_or(|(before, _)| before != images_json) {
            self.replace(&self.paths.images_json(), &images_json, &images_lock)?;
        }
        if is_new && !self.upkeep.own {
            // Last, and with the staging directories gone.
            let _ = self.overlay.remove(self.staging.as_bytes());
            let _ = self.layers.remove(self.staging.as_bytes());
            self.settle(plan).map_err(cannot(self.root, "set times in", &self.paths.store))?;
            self.sync()?;
        }
        let built = Built {
            images: wanted.images.len(),
            new_images: new,
            layers: wanted.layers.len(),
            new_layers: still.len(),
            bytes: still.iter().map(|layer| facts[layer.id.as_str()].size).sum(),
            moved_names: moved,
            nameless: wanted.nameless(),
        };
        Ok(Added { built, failed })
    }

    /// The first failure, where one is one too many.
    fn first(&self, failed: &[(String, Problem)]) -> Option<Problem> {
        let (_, problem) = failed.first().filter(|_| !self.upkeep.keep_going)?;
        Some(problem.clone())
    }

    /// The layers of the plan that the store does not have, or has damaged.
    fn missing<'b>(&self, plan: &'b Plan, known: &Records<Layer>) -> Result<Vec<&'b PlannedLayer>, Problem> {
        let known = known.by_id();
        let mut missing = Vec::new();
        for layer in &plan.layers {
            let there = known.get(layer.id.as_str());
            let Some(there) = there.filter(|_| !self.upkeep.damaged.contains(&layer.id)) else {
                missing.push(layer);
                continue;
            };
            let incomplete = there.flags.as_ref().is_some_and(|flags| flags.contains_key("incomplete"));
            if incomplete && self.upkeep.keep_going {
                missing.push(layer);
            } else if incomplete {
                let message = format!("the layer `{}` in the store is not complete", layer.id);
                let hint = "run an engine on it, such as `podman --root STORE images`, which removes it";
                return Err(Problem::new("store-incomplete", message, hint));
            }
        }
        Ok(missing)
    }

    /// Unpacks layers; what cannot be is `lost`.
    fn unpack<'b>(
        &mut self,
        layers: &[&'b PlannedLayer],
        lost: &mut Lost<'b>,
    ) -> Result<BTreeMap<&'b str, Facts>, Problem> {
        for layer in layers {
            let path = format!("{}/{}", self.staging, layer.id);
            let made = self.overlay.directory(path.as_bytes());
            let made = made.and_then(|()| self.overlay.directory(format!("{path}/diff").as_bytes()));
            made.map_err(cannot(self.root, "make a directory in", &self.paths.overlay))?;
        }
        let work = |layer: &&PlannedLayer| {
            let facts = self.unpack_one(layer).map_err(|error| fault::problem(layer, error));
            (self.upkeep.progress)(layer.source.blob.size);
            facts
        };
        // With a full disk there is no sense in going on.
        let is_last = |problem: &Problem| !self.upkeep.keep_going || problem.id == "disk-full";
        let done = parallel::each(layers, self.options.jobs, |layer| layer.source.blob.size, work, is_last);
        let mut facts = BTreeMap::new();
        let mut last = None;
        let mut undone = Vec::new();
        for (layer, result) in layers.iter().zip(done) {
            match result {
                Some(Ok(found)) => {
                    facts.insert(layer.id.as_str(), found);
                }
                Some(Err(problem)) => {
                    if is_last(&problem) {
                        last.get_or_insert_with(|| problem.clone());
                    }
                    lost.insert(&layer.id, problem);
                }
                None => undone.push(layer),
            }
        }
        if let Some(problem) = last {
            lost.extend(undone.into_iter().map(|layer| (layer.id.as_str(), problem.clone())));
        }
        Ok(facts)
    }

    /// Removes what was unpacked for images that cannot be added, so that a full disk has
    /// room for the records of the others.
    fn give_back(&mut self, unpacked: &[&PlannedLayer], wanted: &Plan) -> io::Result<()> {
        let wanted: BTreeSet<&str> = wanted.layers.iter().map(|layer| layer.id.as_str()).collect();
        for layer in unpacked.iter().filter(|layer| !wanted.contains(layer.id.as_str())) {
            self.overlay.remove(format!("{}/{}", self.staging, layer.id).as_bytes())?;
            self.layers.remove(format!("{}/{}", self.staging, split_name(&layer.id)).as_bytes())?;
        }
        Ok(())
    }

    fn unpack_one(&self, layer: &PlannedLayer) -> Result<Facts, layer::Fault> {
        let at = |error| layer::Fault::Write(None, error);
        let time = (layer.created.0, layer.created.1);
        let diff = self.paths.overlay.join(&self.staging).join(&layer.id).join("diff");
        let mut sink = Unpack::new(self.root.filling(&diff).map_err(at)?, time);
        let mut layers = self.root.filling(&self.paths.layers.join(&self.staging)).map_err(at)?;
        let split = layers.file(split_name(&layer.id).as_bytes()).map_err(at)?;
        let split = io::BufWriter::with_capacity(64 << 10, split);
        let (facts, split) =
            layer::read(self.root, &layer.source, self.options.limit, &mut sink, Some(split))?;
        let split = split.expect("it was given").into_inner().map_err(|error| at(error.into_error()))?;
        split.dress(&own(self.access.file, time)).map_err(at)?;
        sink.finish().map_err(at)?;
        // Engines take nothing from the entry for the root, and give it this mode.
        self.root.filling(&diff).and_then(|diff| diff.dress_itself(0o555, time)).map_err(at)?;
        Ok(facts)
    }

    fn lock(&self, path: &Path) -> Result<RecordLock, Problem> {
        lock(self.root, path)
    }

    /// Gives layers their places.
    fn place(&mut self, layers: &[&PlannedLayer], known: &Records<Layer>) -> io::Result<()> {
        let known = known.by_id();
        for layer in layers {
            let staged = format!("{}/{}", self.staging, layer.id);
            let mut links = Vec::new();
            for id in &layer.below {
                // An engine has drawn the name by lot. Those below have their places by now.
                links.push(self.link_of(id)?);
            }
            let mut filling = self.overlay.inside(staged.as_bytes())?;
            let time = (layer.created.0, layer.created.1);
            let is_known = known.contains_key(layer.id.as_str());
            // Other layers may know a damaged one by the name that it had.
            let link = if is_known { self.old_link(&layer.id)? } else { link_name(&layer.id) };
            for small in of_layer(&link, &links, &layer.below) {
                match small {
                    Small::Directory(name, mode) => {
                        filling.directory(name.as_bytes())?;
                        filling.dress(name.as_bytes(), &own(mode, time), false)?;
                    }
                    Small::File(name, mode, content) => {
                        filling.whole_file(name.as_bytes(), &content, &own(mode, time))?;
                    }
                }
            }
            filling.dress_itself(self.access.directory, time)?;
            if is_known {
                // Out of the way at once; what takes its time is done in the end.
                let aside = format!("old-{}", layer.id);
                let (mut from, mut to) =
                    (self.overlay.inside(b".")?, self.overlay.inside(self.staging.as_bytes())?);
                from.move_to(layer.id.as_bytes(), &mut to, aside.as_bytes())?;
            } else if self.overlay.has(layer.id.as_bytes())? {
                // No record names it, and engines would remove it, too.
                self.overlay.remove(layer.id.as_bytes())?;
            }
            let (mut from, mut to) =
                (self.overlay.inside(self.staging.as_bytes())?, self.overlay.inside(b".")?);
            from.move_to(layer.id.as_bytes(), &mut to, layer.id.as_bytes())?;
            let link = format!("l/{link}");
            let target = link_target(&layer.id);
            if self.overlay.target(link.as_bytes())?.as_deref() != Some(target.as_bytes()) {
                self.overlay.remove(link.as_bytes())?;
                self.overlay.bare(link.as_bytes(), crate::host::Bare::Symlink(target.as_bytes()))?;
                self.overlay.dress(link.as_bytes(), &own(0o777, time), true)?;
            }
            let split = split_name(&layer.id);
            self.layers.remove(split.as_bytes())?;
            let (mut from, mut to) =
                (self.layers.inside(self.staging.as_bytes())?, self.layers.inside(b".")?);
            from.move_to(split.as_bytes(), &mut to, split.as_bytes())?;
        }
        self.overlay.inside(b"l")?.sync()?;
        self.overlay.sync()?;
        self.layers.sync()
    }

    /// The name that a layer of the store has in `l`.
    fn link_of(&self, id: &str) -> io::Result<String> {
        let path = self.paths.overlay.join(id).join("link");
        let link = self.root.read(&path)?.and_then(|(bytes, _)| String::from_utf8(bytes).ok());
        let link =
            link.filter(|link| !link.is_empty() && link.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let damaged = || io::Error::other(format!("the layer `{id}` of the store has no sound `link`"));
        link.ok_or_else(damaged)
    }

    /// The name in `l` that a damaged layer had, by itself or by `l`.
    fn old_link(&mut self, id: &str) -> io::Result<String> {
        if let Ok(link) = self.link_of(id) {
            return Ok(link);
        }
        let target = link_target(id);
        for name in self.root.list(&self.paths.links)?.unwrap_or_default() {
            let Some(name) =
                name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            else {
                continue;
            };
            if self.overlay.target(format!("l/{name}").as_bytes())?.as_deref() == Some(target.as_bytes()) {
                return Ok(name.to_owned());
            }
        }
        Ok(link_name(id))
    }

    /// The files of an image. Those that are there and sound stay.
    ///
    /// If it is `known`, the manifest that is used stays: it has that digest.
    fn image(&self, planned: &PlannedImage, known: Option<Option<Digest>>) -> io::Result<()> {
        let is_known = known.is_some();
        let used = known.flatten().filter(|used| *used != Digest::of(&planned.image.manifest));
        let id = planned.image.config_digest.hex();
        let mut images = self.root.filling(&self.paths.images)?;
        if !is_known {
            images.remove(id.as_bytes())?;
        }
        let is_new = match images.directory(id.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            result => result.map(|()| true)?,
        };
        let time = (planned.created.0, planned.created.1);
        let mut dir = images.inside(id.as_bytes())?;
        for (key, bytes) in record::big_data(&planned.image) {
            let name = record::file_name(&key);
            let file = self.paths.images.join(id).join(&name);
            let there = self.root.read(&file).ok().flatten().map(|(there, _)| there);
            let bytes = match used.as_ref().filter(|_| key == "manifest") {
                None => bytes,
                // It stands under its digest, too.
                Some(used) => {
                    let same = file.with_file_name(record::file_name(&format!("manifest-{used}")));
                    self.root.read(&same)?.map_or(bytes, |(same, _)| same)
                }
            };
            if there.is_none_or(|there| there != bytes) {
                dir.remove(name.as_bytes())?;
                dir.whole_file(name.as_bytes(), &bytes, &own(self.access.file, time))?;
            }
        }
        if is_new {
            dir.dress_itself(self.access.directory, time)?;
        }
        dir.sync()?;
        images.sync()
    }

    /// Replaces a file of records and tells engines so.
    fn replace(&self, path: &Path, bytes: &[u8], lock: &RecordLock) -> Result<(), Problem> {
        self.root.create_empty(path, self.access.file).map_err(cannot(self.root, "create", path))?;
        self.root.replace_file(path, bytes).map_err(cannot(self.root, "replace", path))?;
        let marked = lock.is_unwritten().and_then(|unwritten| {
            // Nobody has read it before, so what nobody can know need not differ.
            let id = Sha512::digest(bytes);
            if unwritten { lock.mark_written_as(&id.into()) } else { lock.mark_written() }
        });
        marked.map_err(cannot(self.root, "write to the lock of", path))
    }

    /// Gives what is in every store the same time each time it is made.
    fn settle(&mut self, plan: &Plan) -> io::Result<()> {
        let time = (plan.time.0, plan.time.1);
        let mut store = self.root.filling(&self.paths.store)?;
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
            store.time(name.as_bytes(), time)?;
        }
        // The store's own directory may hold other things.
        if self.root.list(&self.paths.store)?.is_some_and(|names| names.len() == 3) {
            let mode = self.root.stat(&self.paths.store)?.map_or(0o755, |stat| stat.mode);
            store.dress_itself(mode, time)?;
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

/// Layers that cannot be added, and why.
type Lost<'a> = BTreeMap<&'a str, Problem>;

/// Layers of the plan whose ids are those of others in the store.
fn conflicts<'a>(plan: &'a Plan, known: &Records<Layer>) -> Lost<'a> {
    let known = known.by_id();
    let mut lost = Lost::new();
    for layer in &plan.layers {
        let there = known.get(layer.id.as_str());
        if there.is_some_and(|there| there.diff_digest.as_deref() != Some(layer.source.diff_id.as_str())) {
            let message = format!("the store has another layer with the id `{}`", layer.id);
            lost.insert(&layer.id, Problem::new("layer-conflict", message, "make a new store"));
        }
    }
    lost
}

/// The images that need a layer which is lost, by id.
fn drop_lost(plan: &Plan, lost: &Lost<'_>) -> Vec<(String, Problem)> {
    if lost.is_empty() {
        return Vec::new();
    }
    let failed = plan.images.iter().filter_map(|planned| {
        let ids = super::plan::ids(&planned.image);
        let problem = ids.iter().find_map(|id| lost.get(id.as_str()))?;
        Some((planned.image.config_digest.hex().to_owned(), problem.clone()))
    });
    failed.collect()
}

/// The plan without the images that cannot be added, and without layers of theirs alone.
fn sound(plan: &Plan, failed: &[(String, Problem)]) -> Plan {
    if failed.is_empty() {
        return plan.clone();
    }
    let failed: BTreeSet<&str> = failed.iter().map(|(id, _)| id.as_str()).collect();
    let is_sound = |planned: &&PlannedImage| !failed.contains(planned.image.config_digest.hex());
    let images: Vec<PlannedImage> = plan.images.iter().filter(is_sound).cloned().collect();
    let ids: BTreeSet<String> = images.iter().flat_map(|planned| super::plan::ids(&planned.image)).collect();
    let layers = plan.layers.iter().filter(|layer| ids.contains(&layer.id)).cloned().collect();
    Plan { images, layers, time: plan.time }
}

fn own(mode: u32, mtime: (i64, u32)) -> Attire<'static> {
    Attire { mode, uid: 0, gid: 0, mtime, attributes: &[] }
}

/// The name of a layer's tar-split.
pub(super) fn split_name(id: &str) -> String {
    format!("{id}.tar-split.gz")
}

/// The record of a layer.
pub(super) fn record(layer: &PlannedLayer, facts: &Facts) -> LayerRecord {
    let blob = &layer.source.blob;
    // What an engine gets from a docker archive is always uncompressed.
    let compression = if blob.is_verbatim { facts.blob.compression as u8 } else { 0 };
    LayerRecord {
        id: layer.id.clone(),
        parent: layer.below.first().cloned(),
        created: layer.created.text(),
        compressed_diff_digest: blob.digest.to_string(),
        compressed_size: if blob.is_verbatim { facts.blob.size } else { facts.size },
        diff_digest: layer.source.diff_id.to_string(),
        diff_size: facts.size,
        compression,
        uidset: facts.uids.clone(),
        gidset: facts.gids.clone(),
    }
}

/// The record of an image.
pub(super) fn image_record(planned: &PlannedImage) -> record::ImageRecord {
    let top = super::plan::ids(&planned.image).pop();
    record::image(&planned.image, top, planned.created.text())
}
