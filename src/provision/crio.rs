//! A drop-in of crio.conf(5): stores that only CRI-O sees, or images that it pins.
//!
//! What CRI-O's `storage_option` lists comes behind what storage.conf does, in every
//! file of crio.conf.d, so that no other file has to be changed for it. podman does not
//! read it.

use std::path::PathBuf;

use super::drop_in::directories;
use super::model::{MAIN_FILE, NodeModel, PlatformFile};
use super::storage_conf::reading;
use crate::conf::{Document, clean, quoted};
use crate::engine::Profile;
use crate::problem::Problem;

/// A model as such a file.
///
/// # Errors
/// A [`Problem`] if CRI-O would not start with it, or not see the stores.
pub fn write(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    let options: String = model
        .stores
        .iter()
        .map(|store| format!("  {},\n", quoted(&format!("{}.imagestore={}", driver(model), store.path))))
        .collect();
    let text = format!("{made_by}# For /etc/crio/crio.conf.d.\n[crio]\nstorage_option = [\n{options}]\n");
    prove(model, &text)?;
    Ok(text)
}

/// The names of images, as they stand in the stores' images.json, as images that the
/// kubelet does not remove: it cannot, since the stores are read-only, but would be told
/// that it had.
///
/// # Errors
/// A [`Problem`] if there are no names.
pub fn write_pins(names: &[String], made_by: &str) -> Result<String, Problem> {
    if names.is_empty() {
        return Err(Problem::new(
            "no-images",
            "none of the stores has an image with a name",
            "give stores that have images, below `--root` if they are in a tree",
        ));
    }
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names.dedup();
    let names: String = names.into_iter().map(|name| format!("  {},\n", quoted(name))).collect();
    Ok(format!("{made_by}# For /etc/crio/crio.conf.d.\n[crio.image]\npinned_images = [\n{names}]\n"))
}

/// What there is to know about pinned images (`Config.UpdateFromDropInFile` in CRI-O's
/// pkg/config/config.go: of all lists but that of storage options the last one counts).
pub const PINS_REPLACE: &str =
    "the last file of crio.conf.d that sets `pinned_images` replaces what the others set";

/// What there is to know about such a file.
pub fn warnings(model: &NodeModel) -> Vec<String> {
    let mut warnings =
        vec!["only CRI-O sees these stores: podman and others do not read its files".to_owned()];
    warnings.extend(directories(model));
    warnings
}

/// The driver, which the options are of.
fn driver(model: &NodeModel) -> String {
    let set = Document::parse(model.base.as_str()).ok();
    set.and_then(|doc| doc.string(&["storage", "driver"]).ok().flatten())
        .filter(|driver| !driver.is_empty())
        .unwrap_or_else(|| "overlay".to_owned())
}

/// Whether CRI-O sees the stores behind those of the platform.
fn prove(model: &NodeModel, text: &str) -> Result<(), Problem> {
    for platform in &model.platform_versions {
        let mut platform = platform.clone();
        if !model.base.is_empty() {
            platform.push((PathBuf::from(MAIN_FILE), model.base.clone()));
        }
        let seen = |files: &[PlatformFile]| {
            let reading = reading(&platform, files, Profile::Crio);
            let paths: Vec<String> = reading.paths().into_iter().map(clean).collect();
            (paths, reading.failure().cloned())
        };
        let (mut wanted, _) = seen(&[]);
        let (after, failure) =
            seen(&[(PathBuf::from("/etc/crio/crio.conf.d/99-stores.conf"), text.to_owned())]);
        if let Some(failure) = failure {
            return Err(Problem::new(
                "engine-stops",
                format!("CRI-O would stop on such a node: {}", failure.message),
                "give a storage.conf with which it starts, with `--base`",
            ));
        }
        wanted.retain(|path| model.stores.iter().all(|store| store.path != *path));
        wanted.extend(model.stores.iter().map(|store| store.path.clone()));
        if after != wanted {
            return Err(Problem::new(
                "store-unseen",
                format!("CRI-O would see {after:?} on such a node, and not {wanted:?}"),
                "list them in storage.conf, with another kind",
            ));
        }
    }
    Ok(())
}
