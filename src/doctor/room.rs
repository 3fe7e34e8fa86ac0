//! Whether there is room where engines write.

use std::path::{Path, PathBuf};

use super::problems::problem;
use super::storage::HostStorage;
use crate::plan::Host;
use crate::problem::{Problem, size};

/// Less than this is nothing: no layer fits.
const NOTHING: u64 = 16 << 20;

/// Of fewer inodes no layer can be made.
const NO_INODES: u64 = 100;

/// Below one in this many parts little is left; kubelet begins to evict at about as much.
const LITTLE: u64 = 20;

/// Where engines unpack what they pull (`BigFilesTemporaryDir` of the image library).
const UNPACKED: &str = "/var/tmp";

/// What is wrong with the room of the engines' own storages, and of where they unpack.
pub(super) fn room(host: &Host, storages: &[HostStorage]) -> Vec<Problem> {
    // What is free where a tree lies is not what its host will have.
    if host.root.is_tree() {
        return Vec::new();
    }
    let own = storages.iter().filter(|storage| !storage.own_of.is_empty());
    let mut places: Vec<PathBuf> = own.map(|storage| storage.path.clone()).collect();
    if !places.is_empty() {
        places.push(PathBuf::from(UNPACKED));
    }
    let mut found: Vec<Problem> = Vec::new();
    for place in places {
        // Two places of one file system are told once.
        let new = of(host, &place).filter(|new| !found.iter().any(|other| figures(other) == figures(new)));
        found.extend(new);
    }
    found
}

/// What is left, as a message says it.
fn figures(problem: &Problem) -> &str {
    problem.message.split_once(" full: ").map_or("", |(_, figures)| figures)
}

/// The same of the file system of one path.
pub fn of(host: &Host, path: &Path) -> Option<Problem> {
    let free = host.root.free_space(path).ok()?;
    if host.root.is_read_only(path).unwrap_or(true) || free.of_bytes == 0 {
        return None;
    }
    let inodes = free.inodes.zip(free.of_inodes);
    let is_full = free.bytes < NOTHING || inodes.is_some_and(|(free, _)| free < NO_INODES);
    let is_nearly =
        free.bytes < free.of_bytes / LITTLE || inodes.is_some_and(|(free, of)| free < of / LITTLE);
    let id = match (is_full, is_nearly) {
        (true, _) => "disk-full",
        (false, true) => "disk-nearly-full",
        (false, false) => return None,
    };
    let left = format!("{} of {} are free", size(free.bytes), size(free.of_bytes));
    let inodes = inodes.map_or_else(String::new, |(free, of)| format!(", and {free} of {of} inodes"));
    let word = if is_full { "is" } else { "is nearly" };
    let message = format!("the file system of `{}` {word} full: {left}{inodes}", host.show(path));
    let hint = "`storagectl list-images --store` shows which images take how much, and who uses them";
    let effect = match is_full {
        true => "nothing can be pulled, built or copied there",
        false => "a larger image may not fit",
    };
    Some(problem(id, message, hint).because(effect))
}
