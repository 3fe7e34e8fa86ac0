//! Stages of an osbuild pipeline.
//!
//! `org.osbuild.containers.storage.conf` does not write a file: it merges values into
//! the one of the tree, and prints the result (stages/ in osbuild's repository). Lists
//! are replaced, comments are lost, and there are no drop-ins.
//!
//! `org.osbuild.skopeo` copies images into a store of the tree. It names them by the digest of their
//! configuration, and a source beside the pipelines has to fetch each by the digest of its manifest. Both
//! are resolved by osbuild-mpp, whose `mpp-resolve-images` stands in the stage (tools/osbuild-mpp).

use super::document::{Value, map, text, to_json};
use super::image_name::{check_in_registry, repository};
use super::layout::{Directories, NodeLayout};
use super::model::{MAIN_FILE, NodeModel};
use super::tmpfiles::field;
use crate::conf::{Document, Leaf, LeafAt, OWN_ROOTS_NAME};
use crate::problem::Problem;

/// The drivers that the stage takes.
const DRIVERS: [&str; 6] = ["overlay", "vfs", "devmapper", "aufs", "btrfs", "zfs"];
/// The keys of `storage.options.pull_options` that it takes, `"true"` or `"false"` each.
const PULL_OPTIONS: [&str; 3] = ["enable_partial_images", "use_hard_links", "convert_images"];

/// Stages, and what they leave out.
struct Stages {
    value: Value,
    left_out: Vec<String>,
    /// Files that the stages do not write.
    drop_ins: Vec<String>,
}

/// A model as a list of stages.
///
/// # Errors
/// As [`NodeLayout::of`].
pub fn write(model: &NodeModel, made_by: &str) -> Result<(String, Vec<String>), Problem> {
    let stages = stages(model, made_by)?;
    let mut warnings = vec![
        "the stage replaces the list in the image's storage.conf: stores that only that file lists are lost"
            .to_owned(),
        "the stage drops the comments of the image's storage.conf".to_owned(),
    ];
    for path in stages.drop_ins {
        warnings.push(match path.ends_with(OWN_ROOTS_NAME) {
            true => format!(
                "the stage writes no drop-ins, and without one podman 6 of normal users stops: add `{path}` to the image, with `graphroot = \"\"` and `runroot = \"\"` in `[storage]`"
            ),
            false => format!(
                "the stage writes no drop-ins, and one of the platform's hides the list from engines that read them: add `{path}` to the image, from `generate drop-in`"
            ),
        });
    }
    for name in stages.left_out {
        warnings.push(format!("the stage does not take `{name}`, which is left out"));
    }
    warnings.extend(super::tmpfiles::unlabelled(model, "the stage"));
    if !model.images.is_empty() {
        warnings.push(
            "osbuild-mpp resolves the images and adds their source; osbuild alone refuses their stages"
                .to_owned(),
        );
    }
    if model.images.iter().any(|image| image.contains('@')) {
        warnings.push(
            "the stage refuses the digest of a list of platforms, unless `\"index\": true` stands beside it"
                .to_owned(),
        );
    }
    Ok((to_json(&stages.value, "", "  ") + "\n", warnings))
}

fn stages(model: &NodeModel, made_by: &str) -> Result<Stages, Problem> {
    let layout = NodeLayout::of(&NodeModel { images: Vec::new(), ..model.clone() }, Directories::Made)?;
    let drop_ins = layout.files.iter().filter(|file| file.path != MAIN_FILE).map(|file| file.path.clone());
    let drop_ins = drop_ins.collect();
    let Some(main) = layout.main() else {
        return Err(Problem::new(
            "kind-lacks",
            "the stage writes storage.conf and no drop-in",
            "leave out `--engine modern`, or use `generate drop-in`",
        ));
    };
    let document = Document::parse(main).expect("it was read before");
    let (config, left_out) = config(&document);
    let mut stages = Vec::new();
    let lines: Vec<Value> = model.created().map(directory).collect();
    if !lines.is_empty() {
        let options = map([("filename", text("storagectl-stores.conf")), ("config", Value::List(lines))]);
        stages.push(map([("type", text("org.osbuild.tmpfilesd")), ("options", options)]));
    }
    let comment = made_by.trim_end().trim_start_matches("# ");
    let options = map([
        ("filename", text(MAIN_FILE)),
        ("comment", Value::List(vec![text(comment)])),
        ("config", map([("storage", config)])),
    ]);
    stages.push(map([("type", text("org.osbuild.containers.storage.conf")), ("options", options)]));
    stages.extend(skopeo(model, &document)?);
    Ok(Stages { value: Value::List(stages), left_out, drop_ins })
}

/// What copies the images into the first store, as the tree's engines will look for them. Each has a stage
/// of its own: an image has one name in one.
fn skopeo(model: &NodeModel, document: &Document) -> Result<Vec<Value>, Problem> {
    let Some(store) = model.stores.first() else {
        return Ok(Vec::new());
    };
    let driver = document.string(&["storage", "driver"]).ok().flatten();
    let mut destination = map([("type", text("containers-storage")), ("storage-path", text(&store.path))]);
    if let Some(driver) = driver.filter(|driver| driver != "overlay") {
        destination = destination.with("storage-driver", text(driver));
    }
    let stage = |name: &String| {
        let input = map([
            ("type", text("org.osbuild.containers")),
            ("origin", text("org.osbuild.source")),
            ("mpp-resolve-images", map([("images", Value::List(vec![image(name)?]))])),
        ]);
        Ok(map([
            ("type", text("org.osbuild.skopeo")),
            ("inputs", map([("images", input)])),
            ("options", map([("destination", destination.clone())])),
        ]))
    };
    model.images.iter().map(stage).collect()
}

/// Where an image comes from, and its name in the store. A digest counts and not the tag beside it, as
/// with engines.
fn image(name: &str) -> Result<Value, Problem> {
    check_in_registry(name, "osbuild")?;
    let source = repository(name);
    let image = map([("source", text(source))]);
    let digest = name.split_once('@').map(|(_, digest)| digest);
    let tag = name[source.len()..].strip_prefix(':');
    Ok(match (digest, tag) {
        (Some(digest), _) => {
            image.with("digest", text(digest)).with("name", text(format!("{source}@{digest}")))
        }
        (None, Some(tag)) => image.with("tag", text(tag)).with("name", text(name)),
        (None, None) => image.with("name", text(name)),
    })
}

/// A line of tmpfiles.d, whose fields the stage writes as they are.
fn directory(store: &super::model::NodeStore) -> Value {
    map([
        ("type", text("d")),
        ("path", text(field(&store.path))),
        ("mode", text(format!("{:04o}", store.mode))),
        ("user", text("root")),
        ("group", text("root")),
    ])
}

/// `storage` with all that the stage takes, and the names of the rest.
fn config(document: &Document) -> (Value, Vec<String>) {
    let (mut storage, mut options) = (map([]), map([]));
    let (mut pull, mut overlay) = (map([]), map([]));
    let mut left_out = Vec::new();
    for LeafAt { name, value, .. } in document.leaves() {
        let key = name.rsplit_once('.').map_or(name.as_str(), |(_, key)| key);
        match (name.as_str(), &value) {
            ("storage.driver", Leaf::String(driver)) if DRIVERS.contains(&driver.as_str()) => {
                storage = storage.with(key, text(driver));
            }
            ("storage.graphroot" | "storage.runroot", Leaf::String(path)) => {
                storage = storage.with(key, text(path))
            }
            ("storage.transient_store", Leaf::Boolean(flag)) => {
                storage = storage.with(key, Value::Bool(*flag))
            }
            ("storage.options.additionalimagestores", Leaf::Array(items)) => {
                let path = |item: &Leaf| match item {
                    Leaf::String(path) => Some(text(path)),
                    _ => None,
                };
                options = options.with(key, Value::List(items.iter().filter_map(path).collect()));
            }
            ("storage.options.overlay.mountopt", Leaf::String(value)) => {
                overlay = overlay.with(key, text(value))
            }
            (name, Leaf::String(flag))
                if name
                    .strip_prefix("storage.options.pull_options.")
                    .is_some_and(|key| PULL_OPTIONS.contains(&key))
                    && matches!(flag.as_str(), "true" | "false") =>
            {
                pull = pull.with(key, text(flag));
            }
            // What is empty is as if it were not there.
            (_, Leaf::String(value)) if value.is_empty() => {}
            _ => left_out.push(name.clone()),
        }
    }
    for (key, table) in [("pull_options", pull), ("overlay", overlay)] {
        if !table.is_empty() {
            options = options.with(key, table);
        }
    }
    (storage.with("options", options), left_out)
}
