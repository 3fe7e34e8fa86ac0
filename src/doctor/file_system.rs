//! Whether the file systems on which engines write can keep what layers have.
//!
//! `Init` in the library's drivers/overlay/overlay.go decides. Where the kernel's overlay cannot be
//! mounted, engines take fuse-overlayfs if it is in PATH, as if it were the `mount_program`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::problems::problem;
use crate::conf::Leaf;
use crate::engine::{Engines, Reading};
use crate::judgement::Judgement;
use crate::plan::Host;
use crate::problem::Problem;

/// File systems on which the overlay driver refuses to work without a mount program, by their numbers
/// in statfs(2).
const REFUSED: [(i64, &str); 3] = [(0x794c_7630, "overlay"), (0x6175_6673, "aufs"), (0xf15f, "ecryptfs")];

/// File systems of other machines (`isNetworkFileSystem`), those that are met.
const NETWORK: [(i64, &str); 7] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
];

/// Where an engine finds the program that it takes of itself.
const PROGRAMS: [&str; 3] =
    ["/usr/bin/fuse-overlayfs", "/usr/local/bin/fuse-overlayfs", "/bin/fuse-overlayfs"];

/// What helps: the storage is moved.
const MOVE: &str = "set `graphroot` to a directory on ext4, XFS or Btrfs, or install fuse-overlayfs; `storagectl show-config --origin` shows where it is set";

/// What is wrong with the file systems of the engines' own storages, each told once.
pub(super) fn file_systems(host: &Host, judgements: &[Rc<Judgement>]) -> Vec<Problem> {
    // What a tree lies on is not what its host will have.
    if host.root.is_tree() {
        return Vec::new();
    }
    let mut found: Vec<(PathBuf, Engines, FileSystemFault)> = Vec::new();
    for judgement in judgements.iter().filter(|judgement| judgement.driver == "overlay") {
        let engine = Engines::one(judgement.reading.profile);
        for path in judgement.own_storage().parts() {
            let Some(fault) = fault(host, path, &judgement.reading) else { continue };
            match found.iter_mut().find(|(other, ..)| other == path) {
                Some((_, engines, _)) => *engines = engines.or(engine),
                None => found.push((path.to_owned(), engine, fault)),
            }
        }
    }
    found.into_iter().map(|(path, engines, fault)| fault.problem(host, &path, engines)).collect()
}

/// What a file system lacks.
#[derive(Debug, PartialEq, Eq)]
enum FileSystemFault {
    /// The driver refuses it.
    Refused(&'static str),
    /// It keeps no owners, modes or symlinks.
    WithoutModes,
    /// It does not tell the types of names, so that whiteouts are not seen.
    WithoutTypes,
    /// It is another machine's.
    Network(&'static str),
}

fn fault(host: &Host, path: &Path, reading: &Reading) -> Option<FileSystemFault> {
    let root = &host.root;
    let kind = root.file_system(path)? & 0xffff_ffff;
    let named = |all: &[(i64, &'static str)]| all.iter().find(|(one, _)| *one == kind).map(|(_, name)| *name);
    if let Some(network) = named(&NETWORK) {
        return Some(FileSystemFault::Network(network));
    }
    let there = path.ancestors().find(|path| matches!(root.stat(path), Ok(Some(_))))?;
    if !root.has_modes(there).unwrap_or(true) {
        return Some(FileSystemFault::WithoutModes);
    }
    let is_there = |path: &&str| matches!(root.stat(Path::new(path)), Ok(Some(_)));
    if has_mount_program(reading) || PROGRAMS.iter().any(is_there) {
        return None;
    }
    if let Some(refused) = named(&REFUSED) {
        return Some(FileSystemFault::Refused(refused));
    }
    (root.has_types(path).ok().flatten() == Some(false)).then_some(FileSystemFault::WithoutTypes)
}

fn has_mount_program(reading: &Reading) -> bool {
    let is_set = |value: &Leaf| matches!(value, Leaf::String(text) if !text.is_empty());
    reading.values.iter().any(|(name, value)| {
        name.starts_with("storage.options.") && name.ends_with("mount_program") && is_set(&value.value)
    })
}

impl FileSystemFault {
    fn problem(self, host: &Host, path: &Path, engines: Engines) -> Problem {
        let shown = host.show(path);
        let of = |what: &str| format!("the file system of `{shown}` {what}");
        let stops = |message: String| {
            let problem = problem("file-system", message, MOVE).because(engines.stop());
            Problem { engines, stops: engines, ..problem }
        };
        match self {
            Self::Refused(kind) => {
                stops(of(&format!("is {kind}, over which the overlay driver does not work")))
            }
            Self::WithoutTypes => stops(of("does not tell what kind of file a name is (`d_type`)")),
            Self::WithoutModes => {
                let effect = "no layer can be unpacked there";
                Problem {
                    engines,
                    ..problem("file-system", of("keeps no owners and modes"), MOVE).because(effect)
                }
            }
            // Root's engine with fuse-overlayfs may get along; those of users stop.
            Self::Network(kind) if !host.is_rootless() => {
                let effect =
                    "layers keep neither owners nor extended attributes there, and locks may not hold";
                let problem = problem("file-system", of(&format!("is {kind}")), MOVE).because(effect);
                Problem { engines, ..problem }
            }
            Self::Network(kind) => stops(of(&format!("is {kind}"))),
        }
    }
}
