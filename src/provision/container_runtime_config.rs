//! ContainerRuntimeConfigs: OpenShift's own setting for additional image stores, with
//! the rules of its API (`StorePath` in openshift/api's machineconfiguration/v1/types.go).

use super::butane::Machine;
use super::document::{Value, map, text, to_yaml};
use super::model::Model;
use crate::problem::Problem;

/// Where the list stands.
pub const IMAGE_STORES: [&str; 3] = ["spec", "containerRuntimeConfig", "additionalImageStores"];

/// How many image stores the API takes.
pub const MOST: usize = 10;
/// The lists of additional stores, and how many of each the API takes (`maxItems` in the same file;
/// OpenShift 4.22, feature gate AdditionalStorageConfig).
pub const LISTS: [(&str, usize); 3] =
    [("additionalLayerStores", 5), ("additionalImageStores", MOST), ("additionalArtifactStores", 10)];
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

/// An object that lists these stores.
///
/// # Errors
/// A [`Problem`] if the API would refuse it.
pub fn value(stores: &[String], machine: &Machine) -> Result<Value, Problem> {
    if stores.len() > MOST {
        return Err(Problem::new(
            "store-refused",
            format!(
                "a ContainerRuntimeConfig accepts at most {MOST} additional image stores, not {}",
                stores.len()
            ),
            "list fewer, or use `generate machineconfig`",
        ));
    }
    for path in stores {
        if let Some(why) = refusal(path) {
            return Err(Problem::new(
                "store-refused",
                format!("OpenShift refuses the store `{path}`: a path {why}"),
                "rename the directory, or use `generate machineconfig`",
            ));
        }
    }
    let pool = format!("pools.operator.machineconfiguration.openshift.io/{}", machine.role);
    let stores = stores.iter().map(|path| map([("path", text(path))])).collect();
    Ok(map([
        ("apiVersion", text("machineconfiguration.openshift.io/v1")),
        ("kind", text("ContainerRuntimeConfig")),
        ("metadata", map([("name", text(&machine.name))])),
        (
            "spec",
            map([
                ("machineConfigPoolSelector", map([("matchLabels", Value::Map(vec![(pool, text(""))]))])),
                ("containerRuntimeConfig", map([("additionalImageStores", Value::List(stores))])),
            ]),
        ),
    ]))
}

/// The same as text.
///
/// # Errors
/// As [`value`].
pub fn write(stores: &[String], machine: &Machine, made_by: &str) -> Result<String, Problem> {
    Ok(format!("{made_by}{}", to_yaml(&value(stores, machine)?, 0)))
}

/// What has to make the directories, since such an object cannot.
pub fn directories(model: &Model) -> Option<String> {
    let paths: Vec<String> = model.created().map(|store| format!("`{}`", store.path)).collect();
    (!paths.is_empty()).then(|| {
        format!(
            "a ContainerRuntimeConfig creates no directories, and CRI-O does not start without {}: create them first, with a MachineConfig",
            paths.join(", ")
        )
    })
}
