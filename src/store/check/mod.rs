//! Whether a store is what it says: a checker that opens no store through an
//! engine, creates and locks nothing, and believes nothing that it reads.
//!
//! The structure is everything that decides whether engines start, list and run:
//! records (`records`), images (`images`), layers on disk (`overlay`,
//! `layers`), who may read and write (`access`, `selinux`) and what stores do
//! to each other (`across`). `deep` reads every byte: layers are assembled again
//! as the tar streams that they came from and compared with their digests, and what
//! stands on the disk with the headers in those streams.
//!
//! What engines do because of each damage was observed with podman 4.3, 5.8 and 6.0;
//! tests/real/check.rs observes it again, and docs/damage-table.md is what came of it.
//!
//! Layers and images need not be named after their content: buildah makes random
//! ids, and a partial pull has no digest. That is not damage.

mod access;
mod across;
mod artifacts;
mod budget;
mod catalog;
mod composefs;
mod deep;
mod diff_ids;
mod finding;
mod followed;
mod images;
mod layers;
mod overlay;
mod progress;
mod records;
mod rules;
mod selinux;
mod squash;
mod store_set;

#[cfg(test)]
mod arbitrary;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

pub use budget::{DeepRecord, RoundProgress, StoreRecord, check_within};
pub use finding::{DamageEffect, Scope, StoreFinding, StoreReport, Tally, Verification};
pub use progress::Progress;
pub use rules::{DamageRule, RULES};
pub(super) use selinux::has_selinux;

use crate::engine::Engines;
use crate::problem::{Problem, Severity};
use crate::store::{StoreStamps, driver_of};
use crate::sys::{FileKind, Root};
use budget::Round;
use catalog::Catalog;
use overlay::OverlayHome;
use store_set::StoreSet;

/// What is to be checked, and how.
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// The stores to check, inside the tree.
    pub stores: Vec<PathBuf>,
    /// All stores in the order in which engines search them.
    pub listed: Vec<PathBuf>,
    /// The engines' own storage, which they search first.
    pub own: Vec<PathBuf>,
    /// The storage driver that engines use.
    pub driver: String,
    /// Which engines count.
    pub engines: Engines,
    /// Whether to read every byte.
    pub deep: bool,
    /// Which layers are read with `deep`, by id; all if not given.
    pub layers: Option<BTreeSet<String>>,
    /// How many layers are read at a time.
    pub jobs: usize,
    /// Rules to leave out, by name.
    pub skip: Vec<String>,
    /// What is known of these stores because engines with the rights of this process may not
    /// read them: [`StoreFinding::unreadable`].
    pub unreadable: Vec<StoreFinding>,
}

impl CheckRequest {
    /// These stores by themselves, for all engines, without reading every byte.
    pub fn quick(stores: Vec<PathBuf>, driver: &str) -> Self {
        Self {
            stores,
            listed: Vec::new(),
            own: Vec::new(),
            driver: driver.to_owned(),
            engines: Engines::ALL,
            deep: false,
            layers: None,
            jobs: 1,
            skip: Vec::new(),
            unreadable: Vec::new(),
        }
    }
}

/// How often it is looked while engines change something.
const ATTEMPTS: usize = 5;

/// Checks stores. `progress` is told how far it is with `--deep`.
///
/// No lock is taken: engines would wait for it. Where something was found and the records
/// have changed meanwhile, what was found may never have been, and it is looked again.
pub fn check(root: &Root, request: &CheckRequest, progress: &Progress) -> StoreReport {
    let stamps = || StoreStamps::of(root, request.stores.iter().map(PathBuf::as_path));
    let mut before = stamps();
    for _ in 1..ATTEMPTS {
        let report = once(root, request, progress, None);
        let is_well = report.findings.is_empty() && report.not_looked.is_empty();
        let now = stamps();
        if is_well || now == before {
            return report;
        }
        before = now;
    }
    once(root, request, progress, None)
}

/// Looks once. With `round` as much is read to the last byte as that takes.
fn once(
    root: &Root,
    request: &CheckRequest,
    progress: &Progress,
    round: Option<&mut Round<'_>>,
) -> StoreReport {
    let mut report = StoreReport::default();
    let mut stores = Vec::new();
    let mut identities = Vec::new();
    let order = request.own.iter().chain(&request.listed).chain(&request.stores);
    let mut known = HashSet::new();
    for path in order.filter(|path| known.insert(path.as_path())) {
        let checked = request.stores.contains(path);
        let stat = root.stat(path);
        let identity = stat.as_ref().ok().and_then(|stat| stat.map(|stat| stat.id));
        // One directory under two names is one store.
        let same = |(_, other): &(PathBuf, Option<(u64, u64)>)| identity.is_some() && *other == identity;
        if let Some(index) = identities.iter().position(same) {
            let store: &mut Catalog = &mut stores[index];
            store.checked |= checked;
            continue;
        }
        if !checked
            && stat.as_ref().map_or(true, |stat| stat.is_none_or(|stat| stat.kind != FileKind::Directory))
        {
            continue;
        }
        let unreadable = request.unreadable.iter().filter(|finding| finding.store == *path);
        report.findings.extend(unreadable.clone().cloned());
        if unreadable.clone().any(|finding| finding.scope() == Scope::All) {
            report.stores.push(path.clone());
            continue;
        }
        let own = request.own.contains(path);
        match open(root, path, request, own, checked, &mut report) {
            Ok(Some(mut catalog)) => {
                catalog.checked = checked;
                catalog.for_root = !own && request.listed.contains(path) && is_roots(root);
                stores.push(catalog);
                identities.push((path.clone(), identity));
            }
            Ok(None) => {}
            Err(error) if checked => {
                report.stores.push(path.clone());
                report.could_not_look(Problem::io("look at", &root.show(path).display().to_string(), &error));
            }
            Err(_) => {}
        }
    }
    let set = StoreSet::new(root, stores);
    let mismatched: Vec<PathBuf> = of_rule(&report, "driver-mismatch");
    structure(&set, &mismatched, &mut report);
    match round {
        Some(round) => deep::check_part(&set, round, progress, &mut report),
        None => {
            if request.deep {
                deep::check(&set, request, progress, &mut report);
            }
            if request.layers.is_none() {
                artifacts::check(&set, request.deep, progress, &mut report);
            }
        }
    }
    finish(&set, request, &mismatched, &mut report);
    report
}

/// Whether the configuration of `root` is that of root's engines: of a tree it is.
fn is_roots(root: &Root) -> bool {
    root.is_tree() || rustix::process::geteuid().is_root()
}

/// The stores with a finding of this rule.
fn of_rule(report: &StoreReport, id: &str) -> Vec<PathBuf> {
    let findings = report.findings.iter().filter(|finding| finding.id == id);
    findings.map(|finding| finding.store.clone()).collect()
}

/// Looks whether there is a store, and reads its records.
fn open(
    root: &Root,
    path: &Path,
    request: &CheckRequest,
    own: bool,
    checked: bool,
    report: &mut StoreReport,
) -> io::Result<Option<Catalog>> {
    if checked {
        let gone = |id, message: &str, hint: &str| {
            let finding = StoreFinding::new(id, path, message, hint);
            if request.driver == "vfs" {
                finding.silently(Engines::ALL, "make it, empty")
            } else {
                finding.fails(Engines::ALL, Scope::All)
            }
        };
        match root.stat(path)?.map(|stat| stat.kind) {
            Some(FileKind::Directory) => {}
            None => {
                let hint = "create it, install the package that it belongs to, or remove it from the list";
                report.add(gone("store-missing", "the store does not exist", hint));
                report.stores.push(path.to_owned());
                return Ok(None);
            }
            Some(_) => {
                let hint = "give the directory of the store, mount it there, or remove it from the list";
                report.add(gone("store-not-directory", "the store is not a directory", hint));
                report.stores.push(path.to_owned());
                return Ok(None);
            }
        }
    }
    let driver = driver_of(root, path, &request.driver)?;
    if checked && driver != request.driver {
        let message =
            format!("the store was created by the driver {driver}, and engines here use {}", request.driver);
        let hint = "make the store again with that driver, or set the other in storage.conf";
        let finding = StoreFinding::new("driver-mismatch", path, message, hint);
        report.add(finding.silently(Engines::ALL, "see no image of this store"));
        records::check_other_driver(root, path, &request.driver, report)?;
    }
    Catalog::read(root, path, &driver, own).map(Some)
}

fn structure(set: &StoreSet<'_>, mismatched: &[PathBuf], report: &mut StoreReport) {
    let mut homes = Vec::new();
    for store in &set.stores {
        homes.push(OverlayHome::read(set, store, report).unwrap_or_else(|error| {
            if store.checked {
                report.could_not_look(set.could_not_look(&store.path.join(&store.driver), &error));
            }
            OverlayHome::closed()
        }));
    }
    for (home, store) in set.stores.iter().enumerate().filter(|(_, store)| store.checked) {
        report.stores.push(store.path.clone());
        report.images += store.images.len();
        report.layers += store.layers.len();
        let look = |report: &mut StoreReport, check: &dyn Fn(&mut StoreReport) -> io::Result<()>| {
            if let Err(error) = check(report) {
                report.could_not_look(set.could_not_look(&store.path, &error));
            }
        };
        match across::not_mounted(set.root, &store.path, report) {
            Ok(false) => {}
            // What is under a mount point is of no interest.
            Ok(true) => continue,
            Err(error) => report.could_not_look(set.could_not_look(&store.path, &error)),
        }
        if !mismatched.contains(&store.path) {
            look(report, &|report| records::check(set, home, report));
        }
        look(report, &|report| images::check(set, home, report));
        if store.driver == "vfs" {
            look(report, &|report| layers::vfs(set, home, report));
        } else {
            overlay::check(set, home, &homes, report);
        }
        look(report, &|report| layers::check(set, home, report));
        look(report, &|report| access::check(set, home, report));
        look(report, &|report| selinux::check(set, home, report));
        look(report, &|report| across::check(set, home, report));
    }
}

fn finish(set: &StoreSet<'_>, request: &CheckRequest, mismatched: &[PathBuf], report: &mut StoreReport) {
    report.add_rest();
    for finding in &mut report.findings {
        // Engines do not see what is in the store of another driver.
        if mismatched.contains(&finding.store) && !matches!(finding.id, "driver-mismatch" | "lock-missing") {
            finding.effects.clear();
        }
    }
    report.findings.retain_mut(|finding| {
        !request.skip.iter().any(|id| id == finding.id) && finding.restrict(request.engines)
    });
    // What one engine stops on may be nothing to the others.
    for finding in &mut report.findings {
        if finding.effects.is_empty() && finding.severity == Severity::Error {
            finding.problem.severity = Severity::Warning;
        }
        finding.complete(set.root);
    }
    let order: Vec<PathBuf> = set.stores.iter().map(|store| store.path.clone()).collect();
    report.stores.sort_by_key(|path| order.iter().position(|store| store == path));
    report.sort();
}
