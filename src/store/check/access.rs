//! Who may read and who may write: modes and owners, judged by what they say and
//! not by what this process may, since root may everything.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::super::MARKER;
use super::super::writable::{writer_besides_owner, writers};
use super::catalog::{Catalog, is_one_name};
use super::finding::{Scope, StoreFinding, StoreReport};
use super::followed;
use super::images::file_name;
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::problem::Severity;
use crate::sys::{Directory, FileKind, Stat, SubtreeNode};

/// What was seen on the way through a store.
struct Seen<'a> {
    store: &'a Path,
    owner: u32,
    /// What normal users cannot read, the count, and how far that reaches.
    closed: Vec<PathBuf>,
    closed_count: usize,
    scope: Scope,
    /// What others can write to, who, and the count.
    open: Option<(PathBuf, String)>,
    open_count: usize,
    /// Symlinks where engines make none: the first, and the count.
    symlink: Option<PathBuf>,
    symlink_count: usize,
}

/// What engines look at, and what fails for a normal user's if they cannot.
const PARTS: [(&str, Scope); 2] = [("images", Scope::All), ("layers", Scope::Layers)];

pub(super) fn check(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    let store = &set.stores[home];
    let root = set.root;
    if !root.has_modes(&store.path)? {
        return Ok(());
    }
    let Some(stat) = root.stat(&store.path)? else {
        return Ok(());
    };
    let mut seen = Seen {
        store: &store.path,
        owner: stat.uid,
        closed: Vec::new(),
        closed_count: 0,
        scope: Scope::Silent,
        open: None,
        open_count: 0,
        symlink: None,
        symlink_count: 0,
    };
    for step in root.trail(&store.path)? {
        seen.readable(&step.path, &step.stat, Scope::All);
    }
    for (part, scope) in PARTS {
        let path = store.path.join(format!("{}-{part}", store.driver));
        if root.read_link(&path)?.is_some() {
            seen.symlink_count += 1;
            seen.symlink.get_or_insert_with(|| path.clone());
        }
        let Some(tree) = root.subtree(&path)? else {
            continue;
        };
        let top = tree.top()?;
        seen.visit(&top, ".", &path, scope)?;
        seen.visit(&top, &format!("{part}.lock"), &path, scope)?;
        seen.visit(&top, &format!("{part}.json"), &path, scope)?;
        if part == "layers" {
            seen.visit(&top, "volatile-layers.json", &path, scope)?;
            for layer in store.layers.iter().filter(|layer| is_one_name(layer.id())) {
                seen.visit(&top, &format!("{}.tar-split.gz", layer.id()), &path, Scope::Saving)?;
            }
            continue;
        }
        for image in store.images.iter().filter(|image| is_one_name(image.id())) {
            seen.symlink(&top, image.id(), &path)?;
            let Some(dir) = followed::directory(set.root, &tree, &path, image.id())? else {
                continue;
            };
            let path = path.join(image.id());
            seen.visit(&dir, ".", &path, Scope::Listing)?;
            for key in image.big_data_names.iter().flatten() {
                if let Some(name) = file_name(key).to_str().filter(|name| is_one_name(name)) {
                    seen.visit(&dir, name, &path, Scope::Listing)?;
                }
            }
        }
    }
    layers(set, home, &mut seen)?;
    add_findings(set, home, seen, report)
}

fn layers(set: &StoreSet<'_>, home: usize, seen: &mut Seen<'_>) -> io::Result<()> {
    let store = &set.stores[home];
    let dir = if store.driver == "vfs" { store.path.join("vfs/dir") } else { store.path.join(&store.driver) };
    let Some(tree) = set.root.subtree(&dir)? else {
        return Ok(());
    };
    let top = tree.top()?;
    seen.visit(&top, ".", &dir, Scope::Image)?;
    if store.driver == "vfs" {
        return Ok(());
    }
    seen.visit(&top, "l", &dir, Scope::Image)?;
    for layer in store.layers.iter().filter(|layer| is_one_name(layer.id())) {
        let path = dir.join(layer.id());
        seen.symlink(&top, layer.id(), &dir)?;
        let Some(inner) = followed::directory(set.root, &tree, &dir, layer.id())? else {
            continue;
        };
        // The content of an additional layer store is a symlink.
        if inner.node(OsStr::new("additionallayer"))?.is_none() {
            seen.symlink(&inner, "diff", &path)?;
        }
        for name in [".", "link", "lower", "lower-layers"] {
            seen.visit(&inner, name, &path, Scope::Image)?;
        }
    }
    Ok(())
}

impl Seen<'_> {
    fn visit(&mut self, dir: &Directory, name: &str, path: &Path, scope: Scope) -> io::Result<()> {
        let Some(node) = dir.node(OsStr::new(name))? else {
            return Ok(());
        };
        let path = if name == "." { path.to_owned() } else { path.join(name) };
        self.seen(&path, &node);
        self.readable(&path, &node.stat, scope);
        self.writable(path, &node.stat);
        Ok(())
    }

    fn symlink(&mut self, dir: &Directory, name: &str, path: &Path) -> io::Result<()> {
        if let Some(node) = dir.node(OsStr::new(name))? {
            self.seen(&path.join(name), &node);
        }
        Ok(())
    }

    fn seen(&mut self, path: &Path, node: &SubtreeNode) {
        if node.stat.kind == FileKind::Symlink {
            self.symlink_count += 1;
            self.symlink.get_or_insert_with(|| path.to_owned());
        }
    }

    fn readable(&mut self, path: &Path, stat: &Stat, scope: Scope) {
        let wanted = match stat.kind {
            FileKind::Directory => 0o001,
            FileKind::File => 0o004,
            FileKind::Symlink | FileKind::Other => 0,
        };
        if stat.mode & wanted != wanted {
            self.closed_count += 1;
            self.scope = self.scope.min(scope);
            if self.closed.len() < 3 {
                self.closed.push(path.to_owned());
            }
        }
    }

    fn writable(&mut self, path: PathBuf, stat: &Stat) {
        let foreign = stat.uid != 0 && stat.uid != self.owner;
        let who = if foreign {
            Some(format!("user {}, who owns it,", stat.uid))
        } else if stat.kind == FileKind::Symlink {
            None
        } else {
            writers(stat)
        };
        if let Some(who) = who {
            self.open_count += 1;
            self.open.get_or_insert((path, who));
        }
    }
}

fn add_findings(set: &StoreSet<'_>, home: usize, seen: Seen<'_>, report: &mut StoreReport) -> io::Result<()> {
    let store = &set.stores[home];
    let inside = |path: &Path| match path.strip_prefix(seen.store) {
        Ok(inner) if !inner.as_os_str().is_empty() => format!("its `{}`", inner.display()),
        _ => format!("`{}`", set.root.show(path).display()),
    };
    if store.for_root && seen.owner != 0 {
        let message = format!("it belongs to user {}, and root's engines have it listed", seen.owner);
        let hint = "build it again as root, for example with `storagectl build-store`, and list that";
        let finding = StoreFinding::new("store-of-user", &store.path, message, hint);
        let what = "run what that user puts there, with files that belong to that user";
        report.add(finding.silently(Engines::ALL, what));
    }
    let writer = writer_besides_owner(set.root, &store.path)?.map(|writer| (writer.dir, writer.who));
    if let Some((path, who)) = writer.or(seen.open) {
        let more = if seen.open_count > 1 {
            format!(", and so are {} others", seen.open_count - 1)
        } else {
            String::new()
        };
        let message =
            format!("{} can be written to by {who} and so may hold planted images{more}", inside(&path));
        let hint = "let only its owner write to it: `chmod go-w`, and `chown root` if another user owns it";
        let finding = StoreFinding::new("store-writable", &store.path, message, hint).at(path);
        report.add(finding.silently(Engines::ALL, "run what others put there"));
    }
    if let Some(path) = seen.symlink {
        let more = match seen.symlink_count {
            1 => String::new(),
            count => format!(", and so are {} others", count - 1),
        };
        let target = set.root.read_link(&path)?.unwrap_or_default();
        let message = format!("{} is a symlink to `{}`{more}", inside(&path), target.display());
        let hint = "replace it with what it leads to; a copied or sealed store would not have it";
        let finding = StoreFinding::new("symlink", &store.path, message, hint).at(path);
        report.add(finding.silently(Engines::ALL, "follow it, wherever it leads"));
    }
    let Some(first) = seen.closed.first() else {
        return Ok(());
    };
    let message = match seen.closed_count {
        1 => format!("{} cannot be read by everyone", inside(first)),
        count => format!("{} and {} others cannot be read by everyone", inside(first), count - 1),
    };
    let hint = "if normal users' engines are to use it, run `storagectl init-store` on it";
    let mut finding = StoreFinding::new("not-for-users", &store.path, message, hint)
        .at(first.clone())
        .fails(Engines::ALL, seen.scope);
    finding.for_users = true;
    let meant = meant_for_users(set, store)?;
    report.add(finding.severity(if meant { Severity::Warning } else { Severity::Note }));
    Ok(())
}

/// Engines make stores for root alone. Whether one is meant for more is said by its marker,
/// or by somebody having opened the half of it.
pub(super) fn meant_for_users(set: &StoreSet<'_>, store: &Catalog) -> io::Result<bool> {
    let marked = set.root.stat(&store.path.join(MARKER))?.is_some();
    let lock = set.root.stat(&store.images_dir().join("images.lock"))?;
    let half_open = set.root.stat(&store.images_dir())?.is_some_and(|stat| stat.mode & 0o001 != 0)
        && lock.is_some_and(|stat| stat.mode & 0o004 != 0)
        && !store.own;
    Ok(marked || half_open)
}
