//! What a request starts from: files of the person who calls, and of a tree.

use std::io;
use std::path::{Path, PathBuf};

use crate::doctor::UnitState;
use crate::engine::{Profile, VENDOR_FILE};
use crate::limits;
use crate::plan::{Host, VendorCopy};
use crate::problem::Problem;
use crate::provision::ignition::{self, SpecVersion};
use crate::provision::{GivenToNode, MAIN_FILE, NodeFile, NodeLayout, NodeModel, NodeUnit, OWN_UNITS};
use crate::sys::Root;

/// Takes the base and the platform's files from a tree.
pub(super) fn take_from_tree(host: &Host, model: &mut NodeModel) -> anyhow::Result<()> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for profile in Profile::ALL {
        for file in &host.reading(profile).files {
            if !files.iter().any(|(path, _)| *path == file.path) {
                files.push((file.path.clone(), file.text.to_string()));
            }
        }
    }
    let own = crate::engine::main_file(&host.root).map_err(Problem::cannot("look at", "/etc"))?;
    for (path, is_own) in [(own.as_path(), true), (Path::new(VENDOR_FILE), false)] {
        let text = |path: &Path| files.iter().find(|(file, _)| file == path).map(|(_, text)| text.clone());
        if let Some(found) = text(path) {
            // The head of a copy would be wrong on another host.
            model.base = VendorCopy::split(&found).filter(|_| is_own).map_or(found, |(_, rest)| rest);
            break;
        }
    }
    model.has_main = files.iter().any(|(path, _)| *path == own);
    files.retain(|(path, _)| *path != own && path != Path::new(MAIN_FILE));
    model.platform_versions = vec![files];
    Ok(())
}

/// The text of the file that stands for the host's main one.
pub(super) fn main_file_text(host: &Host) -> anyhow::Result<String> {
    let path = host.main_file()?;
    let read = host.root.read(&path).map_err(Problem::cannot("read", host.show(&path)))?;
    text_of(read.map(|(bytes, _)| bytes), &host.show(&path))
}

/// What a node has of all that `given` gives it, and of ours, as a document.
pub(super) fn node_document(host: &Host, given: &GivenToNode) -> anyhow::Result<String> {
    let mut layout = NodeLayout::default();
    for profile in Profile::ALL {
        for file in &host.reading(profile).files {
            let path = file.path.display().to_string();
            let is_new = layout.files.iter().all(|it| it.path != path);
            if is_new && (path.starts_with("/etc/") || path.starts_with("/usr/")) {
                layout.files.push(NodeFile { path, mode: 0o644, text: file.text.to_string() });
            }
        }
    }
    // What normal users' engines read is not among what root's do.
    for entry in given.entries.iter().filter(|entry| entry.name.starts_with("/etc/containers/storage")) {
        let path = Path::new(&entry.name);
        let read = || host.root.read(path).map_err(Problem::cannot("read", host.show(path)));
        if layout.files.iter().all(|it| it.path != entry.name)
            && let Some((bytes, _)) = read()?
        {
            let text = text_of(Some(bytes), &host.show(path))?;
            layout.files.push(NodeFile { path: entry.name.clone(), mode: 0o644, text });
        }
    }
    let mut names: Vec<&str> = OWN_UNITS.into_iter().collect();
    let others = given.units.iter().map(|unit| unit.name.as_str());
    names.extend(others.filter(|name| !OWN_UNITS.contains(name) && !name.contains('/')));
    for name in names {
        let path = Path::new("/etc/systemd/system").join(name);
        let read = host.root.read(&path).map_err(Problem::cannot("read", host.show(&path)))?;
        if let Some((bytes, _)) = read {
            let text = text_of(Some(bytes), &host.show(&path))?;
            let cannot = Problem::cannot("look at", host.show(Path::new("/etc/systemd/system")));
            let state = UnitState::find(&host.root, name, "multi-user.target").map_err(cannot)?;
            let enabled = matches!(state, UnitState::Enabled(_));
            layout.units.push(NodeUnit { name: name.to_owned(), text, enabled });
        }
    }
    Ok(ignition::write(&layout, SpecVersion::NEWEST))
}

/// Reads a file of the person who calls, as text; `-` is standard input.
pub(in crate::cli) fn read_file(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        return Ok(io::read_to_string(io::stdin()).map_err(Problem::cannot("read", "standard input"))?);
    }
    let path = std::path::absolute(file).map_err(Problem::cannot("find", file.display()))?;
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    let read =
        root.read_up_to(&path, limits::GIVEN_DOCUMENT).map_err(Problem::cannot("read", file.display()))?;
    text_of(read.map(|(bytes, _)| bytes), &file.display().to_string())
}

fn text_of(bytes: Option<Vec<u8>>, shown: &str) -> anyhow::Result<String> {
    let Some(bytes) = bytes else {
        let what = format!("cannot read `{shown}`: it does not exist");
        return Err(Problem::new("missing", what, "give the path of a file").into());
    };
    Ok(String::from_utf8(bytes)
        .map_err(|_| Problem::new("not-utf8", format!("`{shown}` is not UTF-8"), "save the file as UTF-8"))?)
}
