//! Layers as the overlay driver keeps them: `<id>/diff`, `link`, `lower`,
//! `lower-layers`, and the short symlinks in `l`.
//!
//! A container's own layer is made from what stands in the topmost layer of its
//! image: `link` is its short name, `lower` the short names of all below
//! (`getLowerForParent` in overlay.go). Library 1.63 and later also write, and then
//! prefer, ids in `lower-layers`. What layers further down have in these files
//! counts only for images that end there.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::catalog::{Catalog, is_one_name};
use super::composefs::{self, Composefs, DATA};
use super::finding::{Scope, StoreFinding, StoreReport};
use super::followed::{self, FollowedName};
use super::images::{orphan, unsafe_id};
use super::store_set::{RecordedChain, StoreSet, UsingImages};
use crate::engine::Engines;
use crate::limits;
use crate::problem::{Problem, Severity};
use crate::store::{is_id, short_id};
use crate::sys::{Directory, FileKind};

/// More than the longest `lower`: 500 names of 28 bytes, or as many ids.
const MAX_TEXT: u64 = 64 << 10;

const WRONG_ROOT: &str = "give its containers a wrong root file system";
const MAKE_AGAIN: &str = "remove the image from the store and pull it again, or build the store again";

/// Engines that know no `lower-layers`.
const BY_LINK: Engines = Engines::LEGACY;

/// What stands in a layer's directory.
#[derive(Debug, Default)]
struct OnDisk {
    link: Option<String>,
    lower: Option<String>,
    lower_layers: Option<String>,
    has_diff: bool,
    /// Its content is behind a symlink that is not absolute: engines follow others only.
    relative_diff: bool,
    /// What stands at `lower` is no file.
    lower_is_other: bool,
    /// The same of `lower-layers`.
    lower_layers_is_other: bool,
    /// Its content is somebody else's: the path of an additional layer store.
    foreign: Option<String>,
    composefs: Option<Composefs>,
}

/// The overlay directory of one store.
#[derive(Debug, Default)]
pub(super) struct OverlayHome {
    /// Short names and where they lead: the text of the symlink.
    links: HashMap<String, PathBuf>,
    layers: BTreeMap<String, OnDisk>,
    /// Directories that look like layers.
    ids: Vec<String>,
    has_l: bool,
    /// Layers that could not be looked at.
    closed: HashSet<String>,
    /// Nothing of it could be looked at.
    is_closed: bool,
    /// The short name that leads to each layer.
    names: OnceCell<HashMap<String, String>>,
    /// The layer that says of itself that this is its short name.
    named: OnceCell<HashMap<String, String>>,
}

impl OverlayHome {
    /// One of which nothing is known: it could not be looked at.
    pub(super) fn closed() -> Self {
        Self { is_closed: true, ..Self::default() }
    }

    /// Reads what is known of the overlay directory of a store.
    pub(super) fn read(set: &StoreSet<'_>, store: &Catalog, report: &mut StoreReport) -> io::Result<Self> {
        let mut home = Self::default();
        if store.driver == "vfs" {
            return Ok(home);
        }
        let path = store.path.join(&store.driver);
        let Some(tree) = set.root.subtree(&path)? else {
            return Ok(home);
        };
        let top = tree.top()?;
        top.for_each(|name| {
            home.ids.extend(name.to_str().filter(|name| is_id(name)).map(str::to_owned));
            Ok(())
        })?;
        if let Some(l) = tree.directory(Path::new("l"))? {
            home.has_l = true;
            let mut names = Vec::new();
            l.for_each(|name| {
                names.extend(name.to_str().map(str::to_owned));
                Ok(())
            })?;
            for name in names {
                if let Some(target) = l.read_link(OsStr::new(&name))? {
                    home.links.insert(name, target.into());
                }
            }
        }
        let mut size = 0;
        // The records of an engine's own storage may be in the other part of it.
        let parts = set.stores.iter().filter(|part| part.own && store.own && part.path != store.path);
        for layer in store.layers.iter().chain(parts.flat_map(|part| &part.layers)) {
            let id = layer.id();
            if !is_one_name(id) || home.layers.contains_key(id) {
                continue;
            }
            let read = match followed::directory(set.root, &tree, &path, id) {
                Ok(Some(dir)) => OnDisk::read(set, &dir, &path.join(id)),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match read {
                Ok(on_disk) => {
                    let texts = [&on_disk.link, &on_disk.lower, &on_disk.lower_layers, &on_disk.foreign];
                    size += texts.into_iter().flatten().map(String::len).sum::<usize>();
                    if size > limits::RECORDS_IN_MEMORY {
                        return Err(limits::too_large(limits::RECORDS_IN_MEMORY as u64));
                    }
                    home.layers.insert(id.to_owned(), on_disk);
                }
                Err(error) => {
                    home.closed.insert(id.to_owned());
                    report.could_not_look(set.could_not_look(&path.join(id), &error));
                }
            }
        }
        Ok(home)
    }

    /// The short name in `l` that leads to the layer `id`.
    fn link_of(&self, id: &str) -> Option<&str> {
        let names = self.names.get_or_init(|| {
            let of = |(name, target): (&String, &PathBuf)| {
                Some((Self::layer_of(target)?.to_owned(), name.clone()))
            };
            self.links.iter().filter_map(of).collect()
        });
        names.get(id).map(String::as_str)
    }

    /// The layer whose `link` is this.
    fn layer_with_link(&self, link: &str) -> Option<&str> {
        let named = self.named.get_or_init(|| {
            let of = |(id, layer): (&String, &OnDisk)| Some((layer.link.clone()?, id.clone()));
            self.layers.iter().rev().filter_map(of).collect()
        });
        named.get(link).map(String::as_str)
    }

    /// Which layer a target of a symlink in `l` means.
    pub(super) fn layer_of(target: &Path) -> Option<&str> {
        target.strip_prefix("..").ok()?.parent()?.to_str().filter(|_| target.ends_with("diff"))
    }
}

impl OnDisk {
    fn read(set: &StoreSet<'_>, dir: &Directory, path: &Path) -> io::Result<Self> {
        let followed = FollowedName::new(set.root, dir, path);
        let text = |name: &str| -> io::Result<Option<String>> {
            let bytes = followed.read(OsStr::new(name), MAX_TEXT)?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let kind = |name: &str| -> io::Result<Option<FileKind>> {
            Ok(followed.node(OsStr::new(name))?.map(|node| node.stat.kind))
        };
        // A symlink to itself can be read no more than a directory.
        let is_other = |name: &str| -> io::Result<bool> {
            Ok(match kind(name)? {
                Some(kind) => kind != FileKind::File,
                None => set.root.stat_or_link(&path.join(name))?.is_some(),
            })
        };
        let foreign = text("additionallayer")?;
        let is_null =
            |name: &str| io::Result::Ok(followed.node(OsStr::new(name))?.is_some_and(|node| node.is_null()));
        Ok(Self {
            link: match text("link")? {
                None if is_null("link")? => Some(String::new()),
                link => link,
            },
            lower: text("lower")?,
            lower_layers: text("lower-layers")?,
            has_diff: kind("diff")? == Some(FileKind::Directory),
            relative_diff: dir
                .read_link(OsStr::new("diff"))?
                .is_some_and(|target| !Path::new(&target).is_absolute()),
            lower_is_other: is_other("lower")?,
            lower_layers_is_other: is_other("lower-layers")?,
            foreign,
            composefs: Composefs::read(set.root, dir, path)?,
        })
    }
}

/// Checks the layers that the store at `home` has records of. `homes` are the
/// overlay directories of all stores.
pub(super) fn check(set: &StoreSet<'_>, home: usize, homes: &[OverlayHome], report: &mut StoreReport) {
    // What could not be looked at is not missing.
    if homes.iter().any(|home| home.is_closed) {
        return;
    }
    let store = &set.stores[home];
    let mut seen = HashSet::new();
    for layer in &store.layers {
        let id = layer.id();
        if !seen.insert(id) {
            continue;
        }
        if !is_one_name(id) {
            report.add(unsafe_id(store, id, "layers.json"));
            continue;
        }
        let check = LayerCheck { set, home, homes, store, id, users: OnceCell::new() };
        match homes[home].layers.get(id) {
            Some(on_disk) => check.layer(on_disk, report),
            None => check.missing(report),
        }
    }
    set.squashed().add_findings(set, home, report);
    let layers = homes[home].layers.iter();
    let composefs = layers.filter(|(_, on_disk)| on_disk.composefs == Some(Composefs::Image));
    let composefs: Vec<&str> = composefs.map(|(id, _)| id.as_str()).filter(|id| seen.contains(id)).collect();
    if let Err(error) = composefs::add_findings_for_users(set, store, &composefs, report) {
        report.could_not_look(set.could_not_look(&store.path, &error));
    }
    let known = |id: &str| {
        let mut parts = set.stores.iter().filter(|part| part.own && store.own);
        store.layer(id).is_some() || parts.any(|part| part.layer(id).is_some())
    };
    let orphans = homes[home].ids.iter().filter(|id| !known(id)).cloned().collect();
    if let Some(finding) =
        orphan(store, "layers", "layers.json", orphans).filter(|_| !store.layers.is_empty())
    {
        let mut finding = finding.at(store.path.join(&store.driver));
        // Containers of a transient store have their records elsewhere.
        if store.is_used_as_own(set.root).unwrap_or(true) {
            finding.problem.severity = Severity::Note;
            finding.problem.hint =
                "leave it while there are containers: with `transient_store` it is one of theirs".to_owned();
        }
        report.add(finding);
    }
}

/// One layer.
struct LayerCheck<'a> {
    set: &'a StoreSet<'a>,
    home: usize,
    homes: &'a [OverlayHome],
    store: &'a Catalog,
    id: &'a str,
    /// The images that have it: asked for only where something is wrong.
    users: OnceCell<UsingImages>,
}

impl LayerCheck<'_> {
    fn users(&self) -> &UsingImages {
        self.users.get_or_init(|| self.set.users(self.id))
    }

    fn finding(&self, rule: &'static str, message: String, place: PathBuf) -> StoreFinding {
        let finding = StoreFinding::new(rule, &self.store.path, message, MAKE_AGAIN).at(place);
        let finding = finding.of_layer(self.id, self.users().clone());
        // Of a layer that no image has, nobody notices anything.
        if self.users().is_empty() { finding.severity(Severity::Warning) } else { finding }
    }

    /// That engines fail with the images that have this layer, if there are any.
    fn fails(&self, finding: StoreFinding, engines: Engines, scope: Scope) -> StoreFinding {
        if self.users().is_empty() { finding } else { finding.fails(engines, scope) }
    }

    fn dir(&self) -> PathBuf {
        self.store.layer_dir(self.id)
    }

    fn missing(&self, report: &mut StoreReport) {
        // Another store may lend it: that is told by `across`.
        let has = |home: &OverlayHome| home.layers.contains_key(self.id) || home.closed.contains(self.id);
        if self.homes.iter().any(has) {
            return;
        }
        let message = format!("the layer `{}` has no directory", short_id(self.id));
        let finding = self.finding("layer-missing", message, self.dir());
        report.add(self.fails(finding, Engines::ALL, Scope::Image));
    }

    /// Engines that read `l` for layers below `top`: those that know no
    /// `lower-layers`, and all where it is missing.
    fn readers_of_links(&self, top: &str) -> Engines {
        let by_id = self.homes.iter().find_map(|home| home.layers.get(top)?.lower_layers.as_ref()).is_some();
        if by_id { BY_LINK } else { Engines::ALL }
    }

    fn layer(&self, on_disk: &OnDisk, report: &mut StoreReport) {
        if let Some(place) = &on_disk.foreign {
            // Its layers come and go with what is mounted there.
            let info = Path::new(place.trim_end()).join("info");
            let there = self.set.root.stat(&info).is_ok_and(|stat| stat.is_some());
            let message = format!(
                "the layer `{}` comes from the additional layer store at `{}`{}",
                short_id(self.id),
                place.trim_end().escape_debug(),
                if there { "" } else { ", which does not exist" }
            );
            let hint = "mount that layer store, or pull the image again without it";
            let finding = self.finding("layer-elsewhere", message, self.dir().join("additionallayer"));
            let finding =
                StoreFinding { problem: Problem { hint: hint.to_owned(), ..finding.problem }, ..finding };
            report.add(if there {
                finding.severity(Severity::Note)
            } else {
                self.fails(finding, Engines::ALL, Scope::Saving)
            });
        }
        if let Some(composefs) = &on_disk.composefs {
            let finding = self.finding(composefs.rule(), composefs.message(self.id), self.dir().join(DATA));
            report.add(if self.users().is_empty() { finding } else { composefs.effects(finding) });
        }
        if on_disk.relative_diff {
            let message = format!("the layer `{}` has a relative symlink as `diff`", short_id(self.id));
            let finding = self.finding("symlink", message, self.dir().join("diff"));
            let finding = finding.severity(Severity::Error);
            report.add(self.fails(finding, Engines::ALL, Scope::Saving));
        }
        if !on_disk.has_diff {
            let message = format!("the layer `{}` has no directory `diff`", short_id(self.id));
            let finding = self.finding("diff-missing", message, self.dir().join("diff"));
            report.add(self.fails(finding, Engines::ALL, Scope::Image));
        }
        self.link(on_disk, report);
        // What is below it is in the file of the layer on top.
        if self.set.squashed().has(self.home, self.id) {
            return;
        }
        if let RecordedChain::Whole(chain) = self.set.chain(self.home, self.id) {
            self.lower(on_disk, &chain[1..], report);
            self.lower_layers(on_disk, &chain[1..], report);
        }
    }

    /// `link`, and the symlink in `l` that it names.
    fn link(&self, on_disk: &OnDisk, report: &mut StoreReport) {
        let shown = short_id(self.id);
        let Some(link) = &on_disk.link else {
            let message = format!("the layer `{shown}` has no file `link`");
            let finding = self.finding("link-missing", message, self.dir().join("link"));
            report.add(self.of_ending(finding, |finding| finding.fails(Engines::ALL, Scope::Image)));
            return;
        };
        let l = self.store.path.join(&self.store.driver).join("l");
        let target = self.homes.iter().find_map(|home| home.links.get(link));
        let led_to = target.and_then(|target| OverlayHome::layer_of(target));
        if led_to == Some(self.id) {
            return;
        }
        let own = self.homes[self.home].link_of(self.id);
        let (rule, message, place) = match (target, own) {
            // `l` has a symlink for this layer, so it is `link` that is wrong.
            (_, Some(own)) => (
                "link-wrong",
                format!(
                    "the file `link` of the layer `{shown}` says `{}` instead of `{own}`",
                    link.escape_debug()
                ),
                self.dir().join("link"),
            ),
            (None, None) => (
                "l-link-missing",
                format!("the layer `{shown}` has no symlink `l/{}`", link.escape_debug()),
                l.join(name_only(link)),
            ),
            (Some(target), None) => (
                "l-link-wrong",
                format!(
                    "the symlink `l/{}` of the layer `{shown}` leads to `{}`",
                    link.escape_debug(),
                    target.display()
                ),
                l.join(name_only(link)),
            ),
        };
        let mut finding = self.finding(rule, message, place);
        // Who reads it: for an image that ends here, engines that go by `link`; below
        // another top, those that go by that one's `lower`, where this name stands.
        let mut readers = Engines::NONE;
        let mut twice = false;
        let above_other = led_to.map(|other| self.set.tops_above(other)).unwrap_or_default();
        for top in self.set.tops_above(self.id) {
            let more = match (top == self.id, rule) {
                (true, _) => BY_LINK,
                (false, "link-wrong") => Engines::NONE,
                (false, _) => self.readers_of_links(top),
            };
            readers = readers.or(more);
            twice |= !more.is_empty() && above_other.contains(top);
        }
        let leads_to_a_layer =
            led_to.is_some_and(|other| self.homes.iter().any(|home| home.layers.contains_key(other)));
        if rule == "link-wrong" {
            finding = finding.concerns(self.set.ends_at(self.id));
        }
        report.add(if readers.is_empty() {
            finding.severity(Severity::Warning)
        } else if leads_to_a_layer && !twice {
            finding.silently(readers, WRONG_ROOT)
        } else {
            // The kernel mounts no directory twice in one overlay.
            finding.fails(readers, Scope::Image)
        });
    }

    /// `lower`: the short names of all layers below.
    fn lower(&self, on_disk: &OnDisk, below: &[&str], report: &mut StoreReport) {
        let readers = if on_disk.lower_layers.is_some() { BY_LINK } else { Engines::ALL };
        let shown = short_id(self.id);
        let place = self.dir().join("lower");
        if on_disk.lower_is_other {
            return report.add(self.no_file("lower-wrong", place, Engines::ALL));
        }
        let said = match (&on_disk.lower, below) {
            (None, []) => return,
            (None, [parent, ..]) => {
                let message = format!(
                    "the layer `{shown}` has no file `lower`, although `{}` is below it",
                    short_id(parent)
                );
                let finding = self.finding("lower-missing", message, place);
                return report.add(self.wrong_root(finding, readers));
            }
            (Some(lower), _) => lower,
        };
        let names: Vec<&str> = said.split(':').map(|name| name.strip_prefix("l/").unwrap_or(name)).collect();
        let ids: Vec<Option<&str>> = names.iter().map(|name| self.means(name)).collect();
        if ids.iter().copied().eq(below.iter().map(|id| Some(*id))) {
            return;
        }
        let difference = match ids.iter().position(Option::is_none) {
            Some(unknown) => format!("names `l/{}`, which is not a layer", names[unknown].escape_debug()),
            None => {
                format!("names {} where {} below it", layers(ids.len()), are_layers(below.len(), &ids, below))
            }
        };
        let message = format!("the file `lower` of the layer `{shown}` {difference}");
        let finding = self.finding("lower-wrong", message, place);
        let mut once = HashSet::from([Some(self.id)]);
        let twice = ids.iter().any(|id| !once.insert(*id));
        report.add(if ids.contains(&None) || twice {
            self.of_ending(finding, |finding| finding.fails(readers, Scope::Image))
        } else {
            self.wrong_root(finding, readers)
        });
    }

    /// `lower-layers`: the ids of all layers below.
    fn lower_layers(&self, on_disk: &OnDisk, below: &[&str], report: &mut StoreReport) {
        let place = self.dir().join("lower-layers");
        let readers = Engines::ALL.without(BY_LINK);
        if on_disk.lower_layers_is_other {
            return report.add(self.no_file("lower-layers-wrong", place, readers));
        }
        let Some(said) = &on_disk.lower_layers else {
            return;
        };
        let ids: Vec<&str> = said.split(':').collect();
        if ids.iter().copied().eq(below.iter().copied()) {
            return;
        }
        let unknown = ids.iter().find(|id| !self.homes.iter().any(|home| home.layers.contains_key(**id)));
        let difference = match unknown {
            Some(id) => format!("names `{}`, which is not a layer", short_id(&id.escape_debug().to_string())),
            None => {
                let ids: Vec<Option<&str>> = ids.iter().copied().map(Some).collect();
                format!("names {} where {} below it", layers(ids.len()), are_layers(below.len(), &ids, below))
            }
        };
        let message = format!("the file `lower-layers` of the layer `{}` {difference}", short_id(self.id));
        let finding = self.finding("lower-layers-wrong", message, place);
        let mut once = HashSet::from([self.id]);
        let twice = ids.iter().any(|id| !once.insert(id));
        report.add(if unknown.is_some() || twice {
            self.of_ending(finding, |finding| finding.fails(readers, Scope::Image))
        } else {
            self.wrong_root(finding, readers)
        });
    }

    /// What engines want to read whatever image the layer is in.
    fn no_file(&self, rule: &'static str, place: PathBuf, readers: Engines) -> StoreFinding {
        let name = place.file_name().unwrap_or_default().display();
        let message = format!("`{name}` in the layer `{}` is not a file", short_id(self.id));
        let finding = self.finding(rule, message, place);
        let finding = self.fails(finding, readers, Scope::Saving);
        self.fails(finding, readers, Scope::Image)
    }

    fn wrong_root(&self, finding: StoreFinding, readers: Engines) -> StoreFinding {
        self.of_ending(finding, |finding| finding.silently(readers, WRONG_ROOT))
    }

    /// Only images that end here are hurt by what stands in its files; those that will
    /// be built on it otherwise.
    fn of_ending(
        &self,
        finding: StoreFinding,
        hurt: impl FnOnce(StoreFinding) -> StoreFinding,
    ) -> StoreFinding {
        let finding = finding.concerns(self.set.ends_at(self.id));
        if finding.images.is_empty() { finding.severity(Severity::Warning) } else { hurt(finding) }
    }

    /// The layer that a short name means: by `l` of the first store that has it, or,
    /// where that symlink is missing and told of, by the layers' own `link`.
    fn means(&self, name: &str) -> Option<&str> {
        let mut targets = self.homes.iter().filter_map(|home| home.links.get(name));
        if let Some(id) = targets.find_map(|target| OverlayHome::layer_of(target)) {
            return Some(id);
        }
        self.homes.iter().find_map(|home| home.layer_with_link(name))
    }
}

/// `name` as one component of a path in a message.
fn name_only(name: &str) -> String {
    name.chars().filter(|letter| *letter != '/').take(64).collect()
}

fn layers(count: usize) -> String {
    if count == 1 { "1 layer".to_owned() } else { format!("{count} layers") }
}

/// "are 3", or "are others" if there are as many.
fn are_layers(expected: usize, said: &[Option<&str>], below: &[&str]) -> String {
    match expected {
        0 => "there is none".to_owned(),
        _ if said.len() == below.len() => "others are".to_owned(),
        1 => "there is 1".to_owned(),
        count => format!("there are {count}"),
    }
}
