//! Where declarations are.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::Root;

/// Where packages declare stores.
pub const VENDOR: &str = "/usr/lib/storagectl/stores.d";
/// Where programs declare stores until the next boot.
const RUN: &str = "/run/storagectl/stores.d";
/// Where the administrator does.
const ADMIN: &str = "/etc/storagectl/stores.d";

/// The directories of the declarations that count for one configuration: the system's, or
/// a normal user's, laid out as those of systemd's user-tmpfiles.d are.
#[derive(Debug, Clone)]
pub struct SearchPath {
    /// Where packages declare.
    pub vendor: PathBuf,
    /// Where programs do until the next boot; a user may have none.
    pub run: Option<PathBuf>,
    /// Where whoever owns the configuration does.
    pub admin: PathBuf,
    /// Whether they are a normal user's.
    pub of_user: bool,
}

impl SearchPath {
    /// Those of the system in `root`.
    pub fn of_system(root: &Root) -> io::Result<Self> {
        // In an ostree tree without /etc, what will be there is in /usr/etc.
        let is_default = root.is_tree() && root.stat(Path::new("/etc"))?.is_none();
        let admin =
            if is_default { Path::new("/usr").join(ADMIN.trim_start_matches('/')) } else { ADMIN.into() };
        Ok(Self { vendor: VENDOR.into(), run: Some(RUN.into()), admin, of_user: false })
    }

    /// Those of a user with these directories (`XDG_DATA_HOME`, `XDG_RUNTIME_DIR` and
    /// `XDG_CONFIG_HOME` in the XDG base directory specification).
    pub fn of_user(data: &Path, runtime: Option<&Path>, config: &Path) -> Self {
        let own = |dir: &Path| dir.join("storagectl/stores.d");
        Self { vendor: own(data), run: runtime.map(own), admin: own(config), of_user: true }
    }

    /// The directories: a file in one counts instead of one of the same name in those
    /// before it.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.vendor), self.run.as_ref(), Some(&self.admin)].into_iter().flatten().map(PathBuf::as_path)
    }
}
