//! A host that was made up: what is on its disk, and what its engines are started with.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use storagectl::engine::Environment;

use super::command::Command;

/// Who runs an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    Root,
    User,
}

impl Identity {
    pub(super) fn uid(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::User => 1000,
        }
    }

    pub(super) fn home(self) -> &'static str {
        match self {
            Self::Root => "/root",
            Self::User => "/home/u",
        }
    }
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    File(Vec<u8>),
    Link(String),
    Directory,
}

/// One path of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) content: Content,
    /// `None` is what files and directories usually have.
    pub(super) mode: Option<u32>,
}

/// What any system has beside its [`Node`]s: directories and their modes.
const SYSTEM: [(&str, u32); 16] = [
    ("/etc/containers", 0o755),
    ("/usr/share/containers", 0o755),
    ("/usr/bin", 0o755),
    ("/var/lib", 0o755),
    ("/var/tmp", 0o1777),
    ("/run", 0o755),
    ("/root", 0o700),
    ("/home/u", 0o700),
    ("/run/user/1000", 0o700),
    ("/srv", 0o755),
    ("/tmp", 0o1777),
    // Stores.
    ("/a", 0o755),
    ("/b", 0o755),
    ("/c", 0o755),
    ("/d e", 0o755),
    ("/opt/s", 0o755),
];

/// The stores that every host has.
pub(super) const STORES: [&str; 5] = ["/a", "/b", "/c", "/d e", "/opt/s"];

/// A program that every host has.
pub(super) const PROGRAM: &str = "/usr/bin/fuse-overlayfs";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) nodes: Vec<Node>,
    /// What is set, or not set, otherwise than usual, for whoever runs an engine.
    pub(super) variables: BTreeMap<String, Option<String>>,
    /// What is done to it, one after the other.
    pub(super) commands: Vec<Command>,
}

impl Host {
    pub(super) fn file(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let path = path.into();
        self.nodes.push(Node { path, content: Content::File(bytes.into()), mode: None });
    }

    /// The whole environment of an engine.
    pub(super) fn variables(&self, identity: Identity) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([("HOME".to_owned(), identity.home().to_owned())]);
        if identity == Identity::User {
            variables.insert("XDG_RUNTIME_DIR".to_owned(), "/run/user/1000".to_owned());
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => variables.insert(name.clone(), value.clone()),
                None => variables.remove(name),
            };
        }
        variables
    }

    pub(super) fn environment(&self, identity: Identity) -> Environment {
        Environment::new(identity.uid(), self.variables(identity))
    }

    /// Makes the host below `tree`, which is empty. What cannot be made beside the rest is
    /// left out, as what stands below a file.
    pub(super) fn make(&self, tree: &Path) {
        fs_err::set_permissions(tree, PermissionsExt::from_mode(0o755)).unwrap();
        for (path, mode) in SYSTEM {
            let at = tree.join(&path[1..]);
            fs_err::create_dir_all(&at).unwrap();
            fs_err::set_permissions(&at, PermissionsExt::from_mode(mode)).unwrap();
            own(tree, &at);
        }
        let users = "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n";
        fs_err::write(tree.join("etc/passwd"), users).unwrap();
        fs_err::write(tree.join(&PROGRAM[1..]), "").unwrap();
        for node in &self.nodes {
            let _ = make_node(tree, node);
        }
        // Last, since nobody else than root could get below some of them.
        for node in &self.nodes {
            let at = inside(tree, &node.path);
            let is_link = at.symlink_metadata().is_ok_and(|found| found.is_symlink());
            if let (Some(mode), false) = (node.mode, is_link)
                && reached(tree, &at)
            {
                let _ = fs_err::set_permissions(&at, PermissionsExt::from_mode(mode));
            }
        }
    }
}

/// Where a path of the host is on the test machine; `..` and the like are no parts of it.
fn inside(tree: &Path, path: &str) -> PathBuf {
    let parts = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_)));
    tree.join(parts.collect::<PathBuf>())
}

/// Whether no symlink leads out of the tree on the way to `at`.
fn reached(tree: &Path, at: &Path) -> bool {
    let mut above = at.parent();
    while let Some(dir) = above.filter(|dir| *dir != tree) {
        if !dir.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return false;
        }
        above = dir.parent();
    }
    true
}

fn make_node(tree: &Path, node: &Node) -> std::io::Result<()> {
    let at = inside(tree, &node.path);
    let mut parents: Vec<&Path> = at.ancestors().skip(1).take_while(|dir| *dir != tree).collect();
    parents.reverse();
    for dir in parents {
        match dir.symlink_metadata() {
            Ok(found) if found.is_dir() => continue,
            Ok(_) => return Ok(()),
            Err(_) => fs_err::create_dir(dir)?,
        }
        own(tree, dir);
    }
    if at == tree {
        return Ok(());
    }
    match at.symlink_metadata() {
        Ok(found) if found.is_dir() && node.content == Content::Directory => return Ok(()),
        Ok(found) if found.is_dir() => fs_err::remove_dir_all(&at)?,
        Ok(_) => fs_err::remove_file(&at)?,
        Err(_) => {}
    }
    match &node.content {
        Content::File(bytes) => fs_err::write(&at, bytes)?,
        Content::Link(target) => symlink(target, &at)?,
        Content::Directory => fs_err::create_dir(&at)?,
    }
    own(tree, &at);
    Ok(())
}

/// Gives the user what is his.
fn own(tree: &Path, at: &Path) {
    let user = Some(Identity::User.uid());
    let his = ["home/u", "run/user/1000"].iter().any(|dir| at.starts_with(tree.join(dir)));
    if his {
        let is_link = at.symlink_metadata().is_ok_and(|found| found.is_symlink());
        let _ = if is_link { lchown(at, user, user) } else { chown(at, user, user) };
    }
}

/// Empties a directory.
pub(super) fn clear(tree: &Path) {
    for entry in fs_err::read_dir(tree).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            fs_err::remove_dir_all(path).unwrap();
        } else {
            fs_err::remove_file(path).unwrap();
        }
    }
}
