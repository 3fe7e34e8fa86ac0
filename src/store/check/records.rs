//! Records and lock files: what decides whether engines start at all.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use super::super::harm::{Harm, HarmEffect, content_harms};
use super::catalog::Catalog;
use super::finding::{Scope, StoreFinding, StoreReport};
use super::store_set::{StoreSet, UsingImages};
use crate::engine::Engines;
use crate::limits;
use crate::problem::Severity;
use crate::store::is_id;
use crate::sys::Root;

const NO_IMAGE: &str = "see no image of this store";

pub(super) fn check(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    let store = &set.stores[home];
    let harms = content_harms(set.root, &store.path, &store.driver)?;
    let malformed = |id: &str| harms.iter().any(|harm| harm.id == id || harm.id == "store-malformed");
    let (images_told, layers_told) = (malformed("images-json-malformed"), malformed("layers-json-malformed"));
    let read_only = set.root.is_read_only(&store.path)?;
    for harm in harms {
        report.add(of_harm(&store.path, harm));
    }
    // Nobody seals what engines write to.
    if !read_only && !store.is_used_as_own(set.root)? {
        not_sealable(set.root, store, report)?;
    }
    if !images_told && store.images.is_empty() {
        images_json_missing(set.root, store, report)?;
    }
    if !layers_told && store.layers.is_empty() {
        layers_json_missing(set, home, report);
    }
    ids_twice(store, report);
    Ok(())
}

/// What engines with another driver than the store's meet there: missing lock files.
pub(super) fn check_other_driver(
    root: &Root,
    store: &Path,
    driver: &str,
    report: &mut StoreReport,
) -> io::Result<()> {
    for harm in content_harms(root, store, driver)? {
        report.add(of_harm(store, harm));
    }
    Ok(())
}

fn of_harm(store: &Path, harm: Harm) -> StoreFinding {
    let mut by_hit: Vec<(HarmEffect, Engines)> = Vec::new();
    for profile in Engines::ALL.list() {
        let (hit, engine) = (harm.hits(profile), Engines::one(profile));
        match by_hit.iter_mut().find(|(other, _)| *other == hit) {
            Some((_, engines)) => *engines = engines.or(engine),
            None => by_hit.push((hit, engine)),
        }
    }
    let mut finding = StoreFinding::new(harm.id, store, harm.message, harm.hint).at(&harm.place);
    finding.images.extend(harm.image);
    by_hit.into_iter().fold(finding, |finding, (hit, engines)| match hit {
        HarmEffect::Everything => finding.fails(engines, Scope::All),
        HarmEffect::Layers => finding.fails(engines, Scope::Layers),
        HarmEffect::Listing => finding.fails(engines, Scope::Listing),
        HarmEffect::NoImage => finding.silently(engines, NO_IMAGE),
        HarmEffect::Nothing => finding,
    })
}

/// A store that is read-only one day needs both lock files then.
fn not_sealable(root: &Root, store: &Catalog, report: &mut StoreReport) -> io::Result<()> {
    let mut missing = Vec::new();
    for lock in [store.images_dir().join("images.lock"), store.layers_dir().join("layers.lock")] {
        if root.stat(&lock)?.is_none() {
            let name = lock.strip_prefix(&store.path).expect("it is in the store").display().to_string();
            missing.push(format!("`{name}`"));
        }
    }
    if !missing.is_empty() {
        let message = format!(
            "{} missing; engines cannot create lock files on a read-only mount",
            missing.join(" and ")
        );
        let hint = "run `storagectl init-store` on it before it is sealed";
        report.add(StoreFinding::new("not-sealable", &store.path, message, hint));
    }
    Ok(())
}

fn images_json_missing(root: &Root, store: &Catalog, report: &mut StoreReport) -> io::Result<()> {
    let names = match root.list(&store.images_dir()) {
        Ok(names) => names.unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(()),
        Err(error) => return Err(error),
    };
    let count = names.iter().filter(|name| name.to_str().is_some_and(is_id)).count();
    if count > 0 {
        let file = store.images_dir().join("images.json");
        let what = match root.read_up_to(&file, limits::RECORDS)? {
            None => "is missing",
            // A list without images was written as such: a build or an engine ended between
            // their files and the list, and what it left is in nobody's way.
            Some((text, _)) if text.trim_ascii_start().starts_with(b"[") => return Ok(()),
            Some(_) => "is empty",
        };
        let message = format!("its images.json {what}, although there are files of {count} images");
        let hint = "restore this file, or build the store again";
        let finding = StoreFinding::new("images-json-missing", &store.path, message, hint).at(file);
        report.add(finding.silently(Engines::ALL, NO_IMAGE));
    }
    Ok(())
}

fn layers_json_missing(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) {
    let store = &set.stores[home];
    let lost: UsingImages = store
        .images
        .iter()
        .filter(|image| image.tops().any(|top| set.recorded(home, top).is_none()))
        .map(super::super::records::StoredImage::title)
        .collect();
    if lost.is_empty() {
        return;
    }
    let message = "its layers.json is missing or empty, although its images have layers";
    let hint = "restore this file, or build the store again";
    let finding = StoreFinding::new("layers-json-missing", &store.path, message, hint)
        .at(store.layers_dir().join("layers.json"))
        .fails(Engines::PODMAN4, Scope::Listing)
        .fails(Engines::ALL.without(Engines::PODMAN4), Scope::Image);
    report.add(finding.concerns(lost));
}

fn ids_twice(store: &Catalog, report: &mut StoreReport) {
    let put = |report: &mut StoreReport, rule, id: &str, file: &Path, silently, is_same: bool| {
        let message =
            format!("its {} has the id `{id}` twice", file.file_name().unwrap_or_default().display());
        let hint = "build the store again; no engine writes that";
        let finding =
            StoreFinding::new(rule, &store.path, message, hint).at(file).silently(Engines::ALL, silently);
        // Which of the two is used makes no difference then.
        report.add(if is_same { finding.severity(Severity::Warning) } else { finding });
    };
    let mut seen = HashSet::new();
    for image in &store.images {
        if !seen.insert(image.id()) {
            let file = store.images_dir().join("images.json");
            put(report, "image-id-twice", image.id(), &file, "use the last of the two", false);
        }
    }
    let mut seen = HashMap::new();
    // What is in volatile-layers.json again does not count.
    for layer in &store.layers[..store.kept_layers] {
        if let Some(first) = seen.insert(layer.id(), layer) {
            let file = store.layers_dir().join("layers.json");
            put(report, "layer-id-twice", layer.id(), &file, "use one of the two", first == layer);
        }
    }
}
