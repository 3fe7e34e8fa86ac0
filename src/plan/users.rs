//! The normal users of a host.

use std::path::{Path, PathBuf};

use super::host::Host;
use crate::limits;
use crate::sys::{Account, Mounts, accounts};

/// A normal user with a home directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The id.
    pub uid: u32,
    /// The home directory, inside the tree.
    pub home: PathBuf,
    /// Whether the home directory is not there until somebody looks: the boot does not wait for
    /// it.
    pub is_automounted: bool,
}

/// The normal users, by /etc/passwd.
pub fn users(host: &Host) -> Vec<User> {
    let passwd = host.root.read_up_to(Path::new("/etc/passwd"), limits::LINES).ok().flatten();
    let passwd = passwd.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let mounts = if host.root.is_tree() { Mounts::default() } else { Mounts::read() };
    let has_home = |account: &Account<'_>| account.home.len() > 1 && account.home.starts_with('/');
    let normal = accounts(&passwd).filter(|account| account.uid != 0 && has_home(account));
    let user = |account: Account<'_>| User {
        name: account.name.to_owned(),
        uid: account.uid,
        home: account.home.into(),
        is_automounted: mounts.is_automount(Path::new(account.home)),
    };
    normal.map(user).collect()
}
