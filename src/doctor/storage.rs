//! The directories with images on this host, and what is known of each image.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::forecast::StoragePlace;
use crate::conf::{Leaf, clean};
use crate::declare::SEALED_STORES;
use crate::engine::{Engines, InstalledProgram, Reading};
use crate::judgement::Judgement;
use crate::limits;
use crate::problem::Problem;
use crate::store::{self, StoredImage, StoredLayer};
use crate::sys::{FileKind, Root};

/// An engine's own storage, or an additional store.
#[derive(Debug)]
pub struct HostStorage {
    /// Its path, inside the tree.
    pub path: PathBuf,
    /// The engines whose own storage it is.
    pub own_of: Engines,
    /// The engines that have it listed.
    pub listed_by: Engines,
    /// The storage driver.
    pub driver: String,
    /// Where it is, from CRI-O's point of view.
    pub place: StoragePlace,
    /// Whether its file system is in memory.
    pub in_memory: bool,
    /// Whether what is written there is synced at once, or nothing can be.
    synced: bool,
    /// Its images, or why they cannot be told.
    pub images: Result<Vec<StoredImage>, Problem>,
    layers: HashMap<String, StoredLayer>,
    /// When layers were written, as far as that was looked up.
    written: RefCell<HashMap<String, Option<(i64, i64)>>>,
    id: (u64, u64),
}

/// All of them, in the order in which engines search them: own storage first.
///
/// `crio_root` is CRI-O's root and `crio_own` all that it wipes.
pub(super) fn storages(
    root: &Root,
    judgements: &[Rc<Judgement>],
    programs: &[InstalledProgram],
    crio_own: &[String],
    not_looked: &mut Vec<Problem>,
) -> Vec<HostStorage> {
    let mut storages: Vec<HostStorage> = Vec::new();
    for own in [true, false] {
        for judgement in judgements {
            let paths: Vec<PathBuf> = if own {
                judgement.own_storage().parts().map(Path::to_owned).collect()
            } else {
                judgement.reading.paths().into_iter().map(|path| clean(path).into()).collect()
            };
            for path in paths.iter().filter(|path| path.is_absolute()) {
                let stat = match root.stat(path) {
                    Ok(Some(stat)) if stat.kind == FileKind::Directory => stat,
                    Ok(_) => continue,
                    Err(error) => {
                        not_looked.push(Problem::io(
                            "look at",
                            &root.show(path).display().to_string(),
                            &error,
                        ));
                        continue;
                    }
                };
                let index = storages.iter().position(|other| other.id == stat.id).unwrap_or_else(|| {
                    let driver = judgement.driver.clone();
                    storages.push(HostStorage::read(root, path, driver, stat.id, crio_own, not_looked));
                    storages.len() - 1
                });
                let engine = Engines::one(judgement.reading.profile);
                let seen = if own { &mut storages[index].own_of } else { &mut storages[index].listed_by };
                *seen = seen.or(engine);
            }
        }
    }
    for storage in &mut storages {
        storage.synced |= synced_by_engines(storage.own_of, judgements, programs);
    }
    storages
}

impl HostStorage {
    fn read(
        root: &Root,
        path: &Path,
        driver: String,
        id: (u64, u64),
        crio_own: &[String],
        not_looked: &mut Vec<Problem>,
    ) -> Self {
        let shown = root.show(path).display().to_string();
        let real = |path: &Path| root.resolve(path).map_or_else(|_| path.to_owned(), |at| at.path);
        let here = real(path);
        let place = match crio_own {
            own if own.iter().any(|own| real(Path::new(own)) == here) => StoragePlace::Own,
            // Of the imagestore only the images go, not the directory.
            [crio_root, ..] if here.starts_with(real(Path::new(crio_root))) => StoragePlace::Inside,
            _ => StoragePlace::Apart,
        };
        let mut asked = |answer: std::io::Result<bool>| match answer {
            Ok(answer) => answer,
            Err(error) => {
                not_looked.push(Problem::io("look at", &shown, &error));
                false
            }
        };
        // A sealed store is mounted there at each boot.
        let is_sealed = path.starts_with(SEALED_STORES);
        let in_memory = !is_sealed && asked(root.is_in_memory(path));
        // Whoever built a tree syncs it as a whole.
        let synced = root.is_tree() || asked(root.is_read_only(path));
        let images = store::images(root, path, &driver).map_err(|error| unreadable(&shown, &error));
        // That its layers cannot be read is found by the check.
        let layers = store::layers(root, path, &driver).unwrap_or_default();
        let layers = layers.into_iter().filter_map(|layer| Some((layer.id.clone()?, layer))).collect();
        Self {
            path: path.to_owned(),
            own_of: Engines::NONE,
            listed_by: Engines::NONE,
            driver,
            place,
            in_memory,
            synced,
            images,
            layers,
            written: RefCell::default(),
            id,
        }
    }

    /// The layers of an image that this storage has, the topmost first, and the id
    /// of the first that it has not.
    fn chain<'s>(&'s self, image: &'s StoredImage) -> (Vec<&'s str>, Option<&'s str>) {
        let mut chain: Vec<&str> = Vec::new();
        let mut next = image.layer.as_deref().filter(|layer| !layer.is_empty());
        // Of more, or of a layer that is below itself, nothing can be started.
        while let Some(id) = next.filter(|_| chain.len() < limits::LAYERS) {
            let Some(layer) = self.layers.get(id) else {
                return (chain, Some(id));
            };
            chain.push(id);
            next = layer.parent.as_deref().filter(|parent| !parent.is_empty());
        }
        (chain, None)
    }

    /// The other storage that has the layer below this storage's part of an image.
    pub(super) fn built_on<'a>(&self, image: &StoredImage, all: &'a [Self]) -> Option<&'a Path> {
        let (own, missing) = self.chain(image);
        let missing = missing.filter(|_| !own.is_empty())?;
        let other = all.iter().find(|other| other.id != self.id && other.layers.contains_key(missing))?;
        Some(&other.path)
    }

    /// How long ago an image was written, if that is so recent that it may not have
    /// reached the disk.
    ///
    /// The kernel does not tell which files have. It writes back what is older than
    /// `vm.dirty_expire_centisecs`, looks every `vm.dirty_writeback_centisecs`, and the
    /// file system's journal is up to half a minute behind that.
    pub(super) fn unsynced(&self, root: &Root, image: &StoredImage) -> Option<Duration> {
        if self.synced {
            return None;
        }
        let images = self.path.join(format!("{}-images", self.driver));
        let layers = self.path.join(format!("{}-layers", self.driver));
        let of = |path: &Path| root.stat(path).ok().flatten().map(|stat| stat.mtime);
        let mut known = self.written.borrow_mut();
        let of_layers = self.chain(image).0.into_iter().map(|layer| match known.get(layer) {
            Some(time) => *time,
            None => {
                let time = of(&layers.join(format!("{layer}.tar-split.gz")));
                known.insert(layer.to_owned(), time);
                time
            }
        });
        let own = of(&images.join(image.id.as_deref()?));
        let written = of_layers.chain([own]).flatten().max()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let written = Duration::new(
            u64::try_from(written.0).unwrap_or_default(),
            u32::try_from(written.1).unwrap_or_default(),
        );
        let age = now.saturating_sub(written);
        (age < patience(root)).then_some(age)
    }
}

/// How long the kernel and a file system may take to write something.
fn patience(root: &Root) -> Duration {
    const JOURNAL: Duration = Duration::from_secs(25);
    let setting = |name: &str, default: u64| {
        let read = root.read(&Path::new("/proc/sys/vm").join(name)).ok().flatten();
        let text = read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
        let hundredths = text.and_then(|text| text.trim().parse().ok()).unwrap_or(default);
        Duration::from_millis(hundredths * 10)
    };
    setting("dirty_expire_centisecs", 3000) + setting("dirty_writeback_centisecs", 500) + JOURNAL
}

/// Whether all engines that write here sync layers: `sync = "filesystem"`, which the
/// modern generation knows.
fn synced_by_engines(engines: Engines, judgements: &[Rc<Judgement>], programs: &[InstalledProgram]) -> bool {
    let syncs = |reading: &Reading| {
        let sync = reading.values.get("storage.options.overlay.sync");
        reading.profile.is_modern()
            && sync.is_some_and(|sync| sync.value == Leaf::String("filesystem".to_owned()))
    };
    let readings = judgements.iter().map(|judgement| judgement.reading.as_ref());
    let mut writers = readings.filter(|reading| engines.has(reading.profile)).peekable();
    !programs.is_empty() && writers.peek().is_some() && writers.all(syncs)
}

fn unreadable(shown: &str, error: &anyhow::Error) -> Problem {
    match error.downcast_ref::<std::io::Error>() {
        Some(error) => Problem::io("read the images of", shown, error),
        None => Problem::new(
            "images-json-malformed",
            format!("cannot list the images of `{shown}`: its images.json is malformed"),
            "build the store again, or restore this file",
        ),
    }
}
