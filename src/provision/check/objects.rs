//! Rules about objects of OpenShift.

use std::collections::HashSet;

use super::finding::{ExpectedNode, ProvisionFindings};
use crate::conf::clean;
use crate::provision::container_runtime_config::{IMAGE_STORES, LISTS, refusal};
use crate::provision::document::Node;
use crate::provision::pinned_image_set::{self, IMAGES};
use crate::provision::read::{DocumentFormat, ParsedDocument};

const ROLE: &str = "machineconfiguration.openshift.io/role";

pub(super) fn check(read: &ParsedDocument, expected: &ExpectedNode, findings: &mut ProvisionFindings) {
    let root = &read.doc.root;
    let openshift = read.config.as_ref().is_some_and(|config| config.is_openshift());
    if matches!(read.format, DocumentFormat::MachineConfig | DocumentFormat::PinnedImageSet) || openshift {
        for (path, what) in [(&["metadata", "name"][..], "a name"), (&["metadata", "labels", ROLE], "a role")]
        {
            if what == "a role" && is_rendered(root) {
                continue;
            }
            if root.at(path).and_then(Node::raw).is_none_or(str::is_empty) {
                findings.add_whole(
                    "metadata-missing",
                    format!("the object does not have {what}"),
                    "the operator ignores or refuses it",
                    format!("add `{}`", path.join(".")),
                );
            }
        }
    }
    if read.format == DocumentFormat::MachineConfig && read.config.is_none() {
        findings.add_whole(
            "no-store",
            "the object has no `spec.config`",
            "the nodes get no store",
            "add a store",
        );
    }
    if read.format == DocumentFormat::ContainerRuntimeConfig {
        stores(root, expected, findings);
    }
    if read.format == DocumentFormat::PinnedImageSet {
        images(root, findings);
    }
}

/// The list of a PinnedImageSet.
fn images(root: &Node, findings: &mut ProvisionFindings) {
    const EFFECT: &str = "the object is refused";
    let Some(list) = root.at(&IMAGES).filter(|list| !list.items().is_empty()) else {
        let hint = "name images in `spec.pinnedImages`";
        return findings.add_whole("no-images", "the object pins no image", EFFECT, hint);
    };
    let (count, most) = (list.items().len(), pinned_image_set::MOST);
    if count > most {
        let message = format!("there are {count} images, and the API accepts {most}");
        findings.add("image-refused", list.span.clone(), message, EFFECT, "write two objects");
    }
    let mut seen = HashSet::new();
    for item in list.items() {
        let name = item.get("name").unwrap_or(item);
        let shown = name.raw().unwrap_or_default();
        let is_first = seen.insert(shown);
        if let Some(why) = pinned_image_set::refusal(shown) {
            let message = format!("the API refuses `{shown}`: the name {why}");
            findings.add("image-refused", name.span.clone(), message, EFFECT, pinned_image_set::RIGHT);
        } else if !is_first {
            let message = format!("`{shown}` is pinned twice");
            findings.add("image-twice", name.span.clone(), message, EFFECT, "remove one of the two");
        }
    }
}

/// Whether the operator has made an object of those of a pool, which it names in another way
/// (`generateRenderedMachineConfig` in its pkg/controller/render).
pub(in crate::provision) fn is_rendered(root: &Node) -> bool {
    let owners = root.at(&["metadata", "ownerReferences"]).map(Node::items).unwrap_or_default();
    owners.iter().any(|owner| owner.get("kind").and_then(Node::raw) == Some("MachineConfigPool"))
        || root
            .at(&["metadata", "name"])
            .and_then(Node::raw)
            .is_some_and(|name| name.starts_with("rendered-"))
}

/// The lists of a ContainerRuntimeConfig.
fn stores(root: &Node, expected: &ExpectedNode, findings: &mut ProvisionFindings) {
    let node = root.at(&["spec", "containerRuntimeConfig"]);
    let list = |name: &str| node.and_then(|node| node.get(name)).filter(|list| !list.is_null());
    if LISTS.iter().all(|(name, _)| list(name).is_none_or(|list| list.items().is_empty())) {
        findings.add_whole(
            "no-store",
            "the object has no `additionalImageStores`",
            "the nodes get no store",
            "add one to `spec.containerRuntimeConfig`",
        );
    }
    let mut images = Vec::new();
    for (name, most) in LISTS {
        let Some(list) = list(name) else {
            continue;
        };
        let count = list.items().len();
        if count > most {
            let message = format!("there are {count} `{name}`, and the API accepts {most}");
            findings.add("store-refused", list.span.clone(), message, "the object is refused", "list fewer");
        }
        let stores = paths(list, name, findings);
        if name == IMAGE_STORES[2] {
            images = stores;
        }
    }
    super::stores::check_lost(&images, expected, findings);
}

/// The paths of a list that the API takes.
fn paths(list: &Node, name: &str, findings: &mut ProvisionFindings) -> Vec<String> {
    let mut listed: Vec<String> = Vec::new();
    for item in list.items() {
        let path = item.get("path").unwrap_or(item);
        let shown = path.raw().unwrap_or_default();
        if let Some(why) = refusal(shown) {
            let message = format!("the API refuses `{shown}`: a path {why}");
            findings.add(
                "store-refused",
                path.span.clone(),
                message,
                "the object is refused",
                "rename the directory",
            );
            continue;
        }
        let store = clean(shown);
        if name == IMAGE_STORES[2] {
            super::stores::check_place(&store, "/var/lib/containers/storage", path.span.clone(), findings);
        }
        if listed.contains(&store) {
            let message = format!("`{store}` is listed twice in `{name}`");
            let effect = "the object is refused, or each of its images listed twice";
            findings.add("store-twice", path.span.clone(), message, effect, "remove one of the two");
        }
        listed.push(store);
    }
    listed
}
