//! Nothing is passed over in silence: each layer, image and file of records ends as
//! verified, as damaged, or as not verified, and why.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use crate::problem::Severity;
use crate::store::StoredLayer;
use crate::store::check::catalog::Catalog;
use crate::store::check::finding::{StoreFinding, StoreReport, Tally, Verification};
use crate::store::check::store_set::{RecordedChain, StoreSet};
use crate::store::short_id;

/// What became of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Verified,
    Damaged,
    NotVerified(&'static str),
}

/// Whether a layer is asked for, by the number of its store and its id.
pub(super) type AskedFor<'a> = &'a dyn Fn(usize, &str) -> bool;

/// Counts what became of everything in the stores that were checked, or of the layers alone for
/// which `only` holds. `read` has the layers that were assembled again. Both know a layer by its
/// store and its id.
pub(super) fn count(
    set: &StoreSet<'_>,
    read: &HashSet<(usize, String)>,
    only: Option<AskedFor<'_>>,
    report: &mut StoreReport,
) {
    let mut all = Verification::default();
    let mut notes = Vec::new();
    let is_asked_for = |home, layer: &StoredLayer| only.is_none_or(|only| only(home, layer.id()));
    let mut ends: HashMap<&str, End> = HashMap::new();
    let checked = || set.stores.iter().enumerate().filter(|(_, store)| store.checked);
    for (home, store) in checked() {
        let damage = Damage::of(store, report);
        let mut seen = HashSet::new();
        let mut reasons: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
        for layer in store.layers.iter().filter(|layer| is_asked_for(home, layer) && seen.insert(layer.id()))
        {
            let was_read = read.contains(&(home, layer.id().to_owned()));
            let end = match (damage.layers.contains(layer.id()), was_read) {
                (true, _) => End::Damaged,
                (false, true) => End::Verified,
                (false, false) => End::NotVerified(why_not(set, home, layer)),
            };
            all.layers.count(end);
            // Engines take a layer from the first store that has it.
            ends.entry(layer.id()).or_insert(end);
            match end {
                End::Verified => drop(report.verified.insert(layer.id().to_owned())),
                End::NotVerified(why) => {
                    report.not_verified.insert(layer.id().to_owned());
                    reasons.entry(why).or_default().push(layer.id());
                }
                End::Damaged => {}
            }
        }
        notes.extend(reasons.into_iter().map(|(why, layers)| not_verified(set, store, why, &layers)));
    }
    if only.is_some() {
        notes.into_iter().for_each(|note| report.add(note));
        return;
    }
    for (home, store) in checked() {
        let damage = Damage::of(store, report);
        for image in &store.images {
            let below = |top: &str| match set.chain(home, top) {
                RecordedChain::Whole(chain) => chain.iter().all(|id| ends.get(id) == Some(&End::Verified)),
                RecordedChain::Unknown { .. } | RecordedChain::Loop | RecordedChain::Long => false,
            };
            all.images.count(if damage.images.contains(image.title().as_str()) {
                End::Damaged
            } else if image.tops().all(below) {
                End::Verified
            } else {
                End::NotVerified("")
            });
        }
        for file in ["images.json", "layers.json", "volatile-layers.json"] {
            let dir = if file == "images.json" { store.images_dir() } else { store.layers_dir() };
            let file = dir.join(file);
            all.records.count(match set.root.stat(&file) {
                Ok(None) => continue,
                _ if damage.places.contains(&file) => End::Damaged,
                Ok(Some(_)) => End::Verified,
                Err(_) => End::NotVerified(""),
            });
        }
    }
    notes.into_iter().for_each(|note| report.add(note));
    report.verification = Some(all);
}

impl Tally {
    fn count(&mut self, end: End) {
        *match end {
            End::Verified => &mut self.verified,
            End::Damaged => &mut self.damaged,
            End::NotVerified(_) => &mut self.not_verified,
        } += 1;
    }
}

/// What errors are about in one store.
struct Damage {
    layers: HashSet<String>,
    images: HashSet<String>,
    places: HashSet<PathBuf>,
}

impl Damage {
    fn of(store: &Catalog, report: &StoreReport) -> Self {
        let errors = || {
            let of_store =
                |finding: &&StoreFinding| finding.severity == Severity::Error && finding.store == store.path;
            report.findings.iter().filter(of_store)
        };
        Self {
            layers: errors().filter_map(|finding| finding.layer.clone()).collect(),
            images: errors().flat_map(|finding| finding.images.clone()).collect(),
            places: errors().filter_map(|finding| finding.path.clone()).collect(),
        }
    }
}

/// Why a layer that is not damaged was not assembled again.
fn why_not(set: &StoreSet<'_>, home: usize, layer: &StoredLayer) -> &'static str {
    let store = &set.stores[home];
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let has = |name: &str| {
        store.driver != "vfs"
            && set.root.stat(&store.layer_dir(layer.id()).join(name)).is_ok_and(|stat| stat.is_some())
    };
    if set.squashed().has(home, layer.id()) {
        "kept in a squash file by podman-hpc"
    } else if has("composefs-data") {
        "stored for composefs"
    } else if has("additionallayer") {
        "from an additional layer store"
    } else if !is_set(&layer.diff_digest) && layer.is_partial() {
        "pulled in parts, without a tar-split or an image that says what it holds"
    } else if !is_set(&layer.diff_digest) {
        "without a digest, as those of containers are"
    } else {
        "not examined"
    }
}

fn not_verified(set: &StoreSet<'_>, store: &Catalog, why: &str, layers: &[&str]) -> StoreFinding {
    let message = match layers {
        [one] => format!("the layer `{}` is {why} and was not verified", short_id(one)),
        _ => format!("{} layers are {why} and were not verified", layers.len()),
    };
    let hint = "pull the image again without that, or make sure that you trust its source";
    let mut finding = StoreFinding::new("not-verified", &store.path, message, hint);
    for layer in layers {
        finding.join(set.users(layer));
    }
    // Nobody would have looked for what is in a container.
    if finding.images.is_empty() { finding.severity(Severity::Note) } else { finding }
}
