//! A cloud-config of cloud-init.
//!
//! `bootcmd` and `write_files` run in this order in cloud-init's second stage, which is
//! done before network-online.target is reached, for which CRI-O and the kubelet wait.
//! `runcmd` comes last, when everything may already run.

use super::document::{Value, map, text, to_yaml};
use super::layout::{Directories, NodeLayout};
use super::model::NodeModel;
use super::script;
use crate::problem::Problem;

/// A CRI-O that did not wait for the network has read the old files.
const RESTART: &str = "if systemctl --quiet is-active crio.service; then systemctl restart crio.service; fi";

/// A model as such a document.
///
/// # Errors
/// As [`NodeLayout::of`].
pub fn write(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    let layout = NodeLayout::of(model, Directories::Made)?;
    let mut boot: Vec<Value> = model.created().map(|store| text(script::make(store))).collect();
    boot.extend(script::label(model, true).map(text));
    let mut files: Vec<Value> = layout.files.iter().map(|it| file(&it.path, &it.text)).collect();
    let mut run = vec![text(RESTART)];
    // Labels are made by bootcmd.
    for unit in layout.units.iter().filter(|unit| unit.name != super::units::LABEL) {
        files.push(file(&format!("/etc/systemd/system/{}", unit.name), &unit.text));
        run.push(text("systemctl daemon-reload"));
        run.push(text(format!("systemctl enable {}", unit.name)));
        run.push(text(format!("systemctl start --no-block {}", unit.name)));
    }
    let mut whole = map([]);
    for (key, items) in [("bootcmd", boot), ("write_files", files), ("runcmd", run)] {
        if !items.is_empty() {
            whole = whole.with(key, Value::List(items));
        }
    }
    // The first line says what it is.
    Ok(format!(
        "#cloud-config\n{made_by}# All but runcmd is done before CRI-O and the kubelet start, which wait for the network.\n{}",
        to_yaml(&whole, 0)
    ))
}

/// A file, which replaces the one that may be there.
fn file(path: &str, content: &str) -> Value {
    map([
        ("path", text(path)),
        ("owner", text("root:root")),
        // Bare it would be a number.
        ("permissions", text("0644")),
        ("content", text(content)),
    ])
}
