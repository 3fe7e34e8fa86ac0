//! Rules about objects of OpenShift.

use super::finding::{Expected, Sink};
use crate::conf::clean;
use crate::provision::container_runtime_config::{MOST, refusal};
use crate::provision::document::Node;
use crate::provision::read::{Format, Read};

const ROLE: &str = "machineconfiguration.openshift.io/role";

pub(super) fn check(read: &Read, expected: &Expected, sink: &mut Sink) {
    let root = &read.doc.root;
    let openshift = read.config.as_ref().is_some_and(|config| config.is_openshift());
    if read.format == Format::MachineConfig || openshift {
        for (path, what) in [(&["metadata", "name"][..], "a name"), (&["metadata", "labels", ROLE], "a role")]
        {
            if root.at(path).and_then(Node::raw).is_none_or(str::is_empty) {
                sink.whole(
                    "metadata-missing",
                    format!("the object does not have {what}"),
                    "the operator ignores or refuses it",
                    format!("add `{}`", path.join(".")),
                );
            }
        }
    }
    if read.format == Format::MachineConfig && read.config.is_none() {
        sink.whole("no-store", "the object has no `spec.config`", "the nodes get no store", "add a store");
    }
    if read.format == Format::ContainerRuntimeConfig {
        stores(root, expected, sink);
    }
}

/// The list of a ContainerRuntimeConfig.
fn stores(root: &Node, expected: &Expected, sink: &mut Sink) {
    let list = root.at(&["spec", "containerRuntimeConfig", "additionalImageStores"]);
    let items = list.map(Node::items).unwrap_or_default();
    if items.is_empty() {
        sink.whole(
            "no-store",
            "the object has no `additionalImageStores`",
            "the nodes get no store",
            "add one to `spec.containerRuntimeConfig`",
        );
    }
    if let Some(list) = list.filter(|_| items.len() > MOST) {
        let message = format!("there are {} stores, and the API accepts {MOST}", items.len());
        sink.at("store-refused", list.span.clone(), message, "the object is refused", "list fewer");
    }
    let mut listed: Vec<String> = Vec::new();
    for item in items {
        let path = item.get("path").unwrap_or(item);
        let shown = path.raw().unwrap_or_default();
        if let Some(why) = refusal(shown) {
            let message = format!("the API refuses `{shown}`: a path {why}");
            sink.at(
                "store-refused",
                path.span.clone(),
                message,
                "the object is refused",
                "rename the directory",
            );
            continue;
        }
        let store = clean(shown);
        super::stores::place(&store, "/var/lib/containers/storage", path.span.clone(), sink);
        if listed.contains(&store) {
            let message = format!("`{store}` is listed twice");
            let effect = "the object is refused, or each of its images listed twice";
            sink.at("store-twice", path.span.clone(), message, effect, "remove one of the two");
        }
        listed.push(store);
    }
    super::stores::lost(&listed, expected, sink);
}
