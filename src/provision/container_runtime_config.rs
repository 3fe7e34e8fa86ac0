//! ContainerRuntimeConfigs: OpenShift's own setting for additional image stores, with
//! the rules of its API (`StorePath` in openshift/api's machineconfiguration/v1/types.go).

use super::butane::Machine;
use super::document::{Value, map, text, to_yaml};
use super::model::NodeModel;
use crate::problem::Problem;

/// Where the list stands.
pub const IMAGE_STORES: [&str; 3] = ["spec", "containerRuntimeConfig", "additionalImageStores"];

/// How many image stores the API takes.
pub const MOST: usize = 10;
/// The lists of additional stores, and how many of each the API takes (`maxItems` in the same file;
/// OpenShift 4.22, feature gate AdditionalStorageConfig).
pub const LISTS: [(&str, usize); 3] =
    [("additionalLayerStores", 5), ("additionalImageStores", MOST), ("additionalArtifactStores", 10)];
/// What the label of a pool starts with.
pub const POOL: &str = "pools.operator.machineconfiguration.openshift.io/";
/// How long a path may be.
pub const LONGEST: usize = 256;

/// What the API would say to a path; `None` if it takes it.
pub fn refusal(path: &str) -> Option<&'static str> {
    let letter = |it: char| it.is_ascii_alphanumeric() || matches!(it, '/' | '.' | '_' | '-');
    if !path.starts_with('/') || path.len() < 2 {
        Some("must be absolute, and not `/`")
    } else if path.len() > LONGEST {
        Some("must have at most 256 characters")
    } else if !path.chars().all(letter) {
        Some("must have only letters, digits, `/`, `.`, `_` and `-`")
    } else if path.contains("//") {
        Some("must not have `//`")
    } else {
        None
    }
}

/// The stores of an object that are none of images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OtherStores {
    /// `additionalLayerStores`.
    pub layers: Vec<String>,
    /// `additionalArtifactStores`.
    pub artifacts: Vec<String>,
}

impl OtherStores {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.artifacts.is_empty()
    }
}

/// An object that lists these stores.
///
/// # Errors
/// A [`Problem`] if the API would refuse it.
pub fn value(images: &[String], others: &OtherStores, machine: &Machine) -> Result<Value, Problem> {
    let mut lists = map([]);
    for ((name, most), stores) in LISTS.into_iter().zip([&others.layers[..], images, &others.artifacts]) {
        if let Some(list) = list(name, most, stores)? {
            lists = lists.with(name, list);
        }
    }
    let pool = format!("{POOL}{}", machine.role);
    Ok(map([
        ("apiVersion", text("machineconfiguration.openshift.io/v1")),
        ("kind", text("ContainerRuntimeConfig")),
        ("metadata", map([("name", text(&machine.name))])),
        (
            "spec",
            map([
                ("machineConfigPoolSelector", map([("matchLabels", Value::Map(vec![(pool, text(""))]))])),
                ("containerRuntimeConfig", lists),
            ]),
        ),
    ]))
}

/// One of the lists, which the API does not take empty.
fn list(name: &str, most: usize, stores: &[String]) -> Result<Option<Value>, Problem> {
    const OTHER: &str = "`generate machineconfig`";
    let refused = |message: String, hint: String| Err(Problem::new("store-refused", message, hint));
    if stores.len() > most {
        let count = stores.len();
        let message = format!("a ContainerRuntimeConfig accepts at most {most} `{name}`, not {count}");
        return refused(message, format!("list fewer, or use {OTHER}"));
    }
    for (index, path) in stores.iter().enumerate() {
        if let Some(why) = refusal(path) {
            let message = format!("OpenShift refuses the store `{path}`: a path {why}");
            return refused(message, format!("rename the directory, or use {OTHER}"));
        }
        if stores[..index].contains(path) {
            let message = format!("OpenShift refuses `{path}` twice in `{name}`");
            return refused(message, "give it once".to_owned());
        }
    }
    let items: Vec<Value> = stores.iter().map(|path| map([("path", text(path))])).collect();
    Ok((!items.is_empty()).then_some(Value::List(items)))
}

/// The same as text.
///
/// # Errors
/// As [`value`].
pub fn write(
    images: &[String],
    others: &OtherStores,
    machine: &Machine,
    made_by: &str,
) -> Result<String, Problem> {
    Ok(format!("{made_by}{}", to_yaml(&value(images, others, machine)?, 0)))
}

/// What has to make the directories, since such an object cannot.
pub fn directories(model: &NodeModel, others: &OtherStores) -> Option<String> {
    let stores = model.created().map(|store| &store.path);
    let paths: Vec<String> =
        stores.chain(&others.layers).chain(&others.artifacts).map(|path| format!("`{path}`")).collect();
    (!paths.is_empty()).then(|| {
        format!(
            "a ContainerRuntimeConfig creates no directories, and CRI-O does not start without {}: create them first, with a MachineConfig",
            paths.join(", ")
        )
    })
}
