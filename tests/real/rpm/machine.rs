//! A system of its own for each test: a tree in which rpm runs scriptlets, and
//! which podman takes for the host.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use super::packages::{Hooks, Packages, rpm};
use crate::hosts::engines::with_helpers;
use crate::hosts::program;
use crate::support::{IMAGE, SHELL, copy_store, finish, run, text};

/// Runs podman with the tree's directories in the place of the host's, so that
/// it reads the tree's storage.conf and stores under the paths by which engines
/// on that system would. The mounts go with the process.
const ENGINE: &str = r#"set -e
for dir in opt var run etc/containers usr/share/containers; do
  mount --bind "$1/$dir" "/$dir"
done
mount -t overlay -o lowerdir="$1/usr/lib:/usr/lib" none /usr/lib
mount -t tmpfs tmpfs /dev/shm
# Each version needs storage of its own.
mkdir -p /var/lib/containers /run/containers
for dir in /var/lib/containers /run/containers; do mount -t tmpfs tmpfs "$dir"; done
mount -t cgroup2 none /sys/fs/cgroup
made=/dev/shm/engine seen=/dev/shm/engine
HELPERS
# Not in the tree.
printf 'network_config_dir = "%s/networks"\n' "$made" >>"$made/containers.conf"
export CONTAINERS_CONF=$made/containers.conf
exec "$2" images --format '{{.Repository}}:{{.Tag}}'
"#;

/// Runs a command as rpm-ostree runs scriptlets: /var can be read only, but for
/// /var/tmp.
const OSTREE: &str = r#"set -e
mount --bind "$1/var" "$1/var"
mount -o remount,bind,ro "$1/var"
mount -t tmpfs tmpfs "$1/var/tmp"
shift
exec "$@"
"#;

/// A system of its own.
pub(crate) struct Machine {
    dir: tempfile::TempDir,
    packages: Arc<Packages>,
    hooks: Hooks,
}

impl Machine {
    /// A system with storagectl, an administrator's empty store at /opt/site, and
    /// no storage.conf. Its packages have the scriptlets `hooks`.
    pub(crate) fn new(hooks: Hooks) -> Self {
        let packages = Packages::shared();
        let tree = packages.tree();
        Self::from(packages, hooks, &tree)
    }

    /// The same without storagectl.
    pub(crate) fn without_storagectl(hooks: Hooks) -> Self {
        let packages = Packages::shared();
        let tree = packages.bare_tree();
        Self::from(packages, hooks, &tree)
    }

    fn from(packages: Arc<Packages>, hooks: Hooks, tree: &std::path::Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("cp").arg("-a").arg(tree).arg(dir.path().join("root")));
        Self { dir, packages, hooks }
    }

    /// A path on that system, as the test sees it.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join("root").join(inside.trim_start_matches('/'))
    }

    /// Whether there is something at a path on that system.
    pub(crate) fn has(&self, inside: &str) -> bool {
        self.path(inside).try_exists().unwrap()
    }

    /// A file's text, `None` if there is no such file.
    pub(crate) fn read(&self, inside: &str) -> Option<String> {
        self.has(inside).then(|| fs_err::read_to_string(self.path(inside)).unwrap())
    }

    /// Writes a file.
    pub(crate) fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// The names in a directory, sorted; none if there is no such directory.
    pub(crate) fn list(&self, inside: &str) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.path(inside)) else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Puts an image into a store, as an administrator might.
    pub(crate) fn fill_store(&self, inside: &str) {
        let copy = self.dir.path().join("images");
        copy_store(&copy);
        let images = copy.join("overlay-images/images.json");
        let named = fs_err::read_to_string(&images).unwrap().replace(IMAGE, &image(inside));
        fs_err::write(&images, named).unwrap();
        run(Command::new("sh")
            .arg("-c")
            .arg("cp -a \"$0\"/overlay* \"$1\"")
            .arg(&copy)
            .arg(self.path(inside)));
    }

    /// rpm on that system. Names such as `app-1` become the files of the packages.
    pub(crate) fn rpm(&self, arguments: &[&str]) -> Output {
        finish(&mut self.rpm_command(arguments))
    }

    /// rpm on that system, as far as scriptlets can tell under rpm-ostree.
    pub(crate) fn rpm_ostree(&self, arguments: &[&str]) -> Output {
        self.write("/run/ostree-booted", "");
        let rpm = self.rpm_command(arguments);
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", OSTREE, "sh"]).arg(self.path("/"));
        command.arg(rpm.get_program()).args(rpm.get_args()).env("SYSTEMD_OFFLINE", "1");
        finish(&mut command)
    }

    /// What storagectl-apply.service does when that system starts.
    pub(crate) fn boot(&self) {
        let booted = self.path("/run/systemd/system");
        fs_err::create_dir_all(&booted).unwrap();
        run(Command::new("chroot").arg(self.path("/")).args(["/usr/bin/storagectl", "apply", "--boot"]));
        fs_err::remove_dir_all(self.path("/run/systemd")).unwrap();
    }

    /// The file of a package.
    pub(super) fn package(&self, package: &str) -> PathBuf {
        let file = self.packages.file(self.hooks, package);
        file.unwrap_or_else(|| panic!("there is no package {package}"))
    }

    fn rpm_command(&self, arguments: &[&str]) -> Command {
        let mut command = rpm(&self.path("/"));
        for argument in arguments {
            match self.packages.file(self.hooks, argument) {
                Some(file) => command.arg(file),
                None => command.arg(argument),
            };
        }
        command
    }

    /// The images of stores that podman 4 on that system lists, sorted; what it says if it
    /// does not start.
    pub(crate) fn images(&self) -> Result<Vec<String>, String> {
        self.images_of(program("podman-4"))
    }

    /// The same with another podman.
    pub(crate) fn images_of(&self, podman: impl AsRef<OsStr>) -> Result<Vec<String>, String> {
        let mut command = Command::new("unshare");
        command
            .arg("-m")
            .args(SHELL)
            .args(["-c", &with_helpers(ENGINE), "sh"])
            .arg(self.path("/"))
            .arg(podman);
        for variable in ["CONTAINERS_STORAGE_CONF", "CONTAINERS_CONF", "STORAGE_DRIVER", "XDG_CONFIG_HOME"] {
            command.env_remove(variable);
        }
        let output = finish(&mut command);
        if !output.status.success() {
            return Err(text(&output));
        }
        let mut images: Vec<String> =
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        images.sort();
        Ok(images)
    }
}

/// What the image in the store at `path` is called.
pub(crate) fn image(path: &str) -> String {
    format!("localhost{path}:1")
}
