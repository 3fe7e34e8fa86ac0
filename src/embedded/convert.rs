//! From one layout to another, while a list that is there leads to every image.
//!
//! An image whose directory has another name in the new layout gets a second one, whose files are
//! other names of the same. Then the list names those, which any list may; then it is renamed to that
//! of the new layout, and at last the first directories go. Whoever reads in between, and after a
//! kill, finds one list and by it every image. Where scripts of two layouts have made two lists,
//! the new one is complete before the other goes.

use std::io;
use std::path::Path;

use super::layout::EmbeddedLayout;
use super::list::{ImageList, ListEntry};
use super::run::EmbedRun;
use crate::problem::Problem;
use crate::sys::{FileKind, Root};

/// What a directory is to become.
pub(super) struct Conversion {
    /// The list that all of its images are in, with the directories that they have.
    pub(super) list: ImageList,
    /// The lists that there are.
    lists: Vec<ImageList>,
    /// The entries whose directories get another name, by their places in the list.
    renames: Vec<(usize, String)>,
}

impl Conversion {
    /// What it takes to give the directory `dir` the layout `to`.
    ///
    /// # Errors
    /// As [`ImageList::parse`], or if a list cannot be read.
    pub(super) fn plan(root: &Root, dir: &Path, to: EmbeddedLayout) -> Result<Self, Problem> {
        let mut lists = ImageList::all_in(root, dir)?;
        // What a list of that layout says comes first.
        lists.sort_by_key(|list| list.layout != to);
        let comments: Vec<String> = lists.iter().flat_map(|list| list.head.iter().cloned()).collect();
        let mut list = ImageList { head: to.head(&comments), ..ImageList::new(to) };
        let is_there = |entry: &ListEntry| -> Result<bool, Problem> {
            let manifest = dir.join(&entry.directory).join("manifest.json");
            let shown = root.show(&manifest).display().to_string();
            Ok(root.stat(&manifest).map_err(Problem::cannot("look at", shown))?.is_some())
        };
        for entry in lists.iter().flat_map(|list| &list.entries) {
            match list.entries.iter_mut().find(|other| other.reference == entry.reference) {
                None => list.entries.push(entry.clone()),
                Some(other) if !is_there(other)? && is_there(entry)? => *other = entry.clone(),
                Some(_) => {}
            }
        }
        list.remarks = lists.iter().flat_map(|list| list.remarks.iter().cloned()).collect();
        // A name that no layout gives is somebody's choice.
        let is_by_a_rule = |entry: &ListEntry| {
            EmbeddedLayout::ALL.iter().any(|layout| layout.directory(&entry.reference) == entry.directory)
        };
        let mut renames = Vec::new();
        for (index, entry) in list.entries.iter().enumerate() {
            let name = to.directory(&entry.reference);
            let is_free = list.entries.iter().all(|other| other.directory != name);
            if is_free && is_by_a_rule(entry) && has_files_alone(root, &dir.join(&entry.directory))? {
                renames.push((index, name));
            }
        }
        Ok(Self { list, lists, renames })
    }

    /// Whether anything is to be done.
    pub(super) fn changes(&self) -> bool {
        !self.renames.is_empty() || self.lists.iter().any(|list| list.layout != self.list.layout)
    }

    /// Does it, and returns the list that is there then.
    ///
    /// # Errors
    /// The system's answer. What was done until then is a step of the way.
    pub(super) fn carry_out(self, at: &EmbedRun) -> Result<ImageList, Problem> {
        let cannot = |error: io::Error| Problem::io("write to", &at.shown_path(), &error);
        let changes = self.changes();
        let Self { mut list, lists, renames } = self;
        for (index, name) in &renames {
            let entry = &mut list.entries[*index];
            second_directory(at, &entry.directory, name).map_err(cannot)?;
            entry.directory.clone_from(name);
        }
        let to = list.layout.list();
        if let ([only], true) = (lists.as_slice(), changes) {
            let from = only.layout.list();
            if from != to {
                at.write_list(&ImageList { layout: only.layout, head: Vec::new(), ..list.clone() })?;
                at.rename(from, to).map_err(cannot)?;
            }
        }
        if changes {
            at.write_list(&list)?;
        }
        if lists.len() > 1 {
            let mut others = EmbeddedLayout::LISTS.iter().filter(|name| **name != to);
            others.try_for_each(|name| at.remove(name)).map_err(cannot)?;
        }
        // Also those that a killed run has left.
        let by_rules = list
            .entries
            .iter()
            .flat_map(|entry| EmbeddedLayout::ALL.map(|layout| layout.directory(&entry.reference)));
        for former in by_rules {
            let is_listed = list.entries.iter().any(|entry| entry.directory == former);
            if !is_listed && is_directory(&at.root, &at.path_in_tree(&former)).map_err(cannot)? {
                at.discard(&former)?;
            }
        }
        Ok(list)
    }
}

/// Whether the directory at `path` has nothing that no image has. One that is missing has not.
fn has_files_alone(root: &Root, path: &Path) -> Result<bool, Problem> {
    let shown = root.show(path).display().to_string();
    let look = || -> io::Result<bool> {
        if !is_directory(root, path)? {
            return Ok(true);
        }
        for name in root.list(path)?.unwrap_or_default() {
            let stat = root.stat_or_link(&path.join(&name))?;
            if name.to_str().is_none() || stat.is_none_or(|stat| stat.kind != FileKind::File) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    look().map_err(Problem::cannot("look at", shown))
}

fn is_directory(root: &Root, path: &Path) -> io::Result<bool> {
    Ok(root.stat_or_link(path)?.is_some_and(|stat| stat.kind == FileKind::Directory))
}

/// Makes `new` a directory with the files of the image in the directory `old`, if that is there.
fn second_directory(at: &EmbedRun, old: &str, new: &str) -> io::Result<()> {
    let from = at.path_in_tree(old);
    let Some(dir) = at.root.stat_or_link(&from)?.filter(|stat| stat.kind == FileKind::Directory) else {
        // It is fetched to where it belongs.
        return Ok(());
    };
    let staged = format!("{new}.new");
    let to = at.place(&staged);
    let mut writer = at.directory_writer()?;
    writer.create_directory(to.as_bytes())?;
    for name in at.root.list(&from)?.unwrap_or_default() {
        let name = name.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        at.links.link_or_copy(at, &mut writer, &format!("{old}/{name}"), &format!("{to}/{name}"))?;
    }
    let mtime = (dir.mtime.0, u32::try_from(dir.mtime.1).unwrap_or_default());
    writer.set_mode_and_time(to.as_bytes(), dir.mode, mtime)?;
    at.publish_as_is(&staged, new)
}
