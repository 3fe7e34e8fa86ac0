//! A node to be: a tree over the test machine's own, in which things are run.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use storagectl::provision::{Configuration, Directories, NodeLayout, NodeModel};

use crate::generations::seen;
use crate::hosts::engines;
use crate::podman::IMAGE_LINE;
use crate::support::{self, IMAGE, copy_store, finish, text};

/// Where SELinux keeps how paths are labelled.
const LABELS: &str = "/etc/selinux/targeted/contexts/files";

/// Runs the script $2 on the node in $1 and keeps what it changed. The test machine is
/// seen behind the node's tree, with podman 4 and CRI-O; nothing of it is changed.
const ENTER: &str = r#"set -e
cd "$1"
mount -t tmpfs none system
cd system
mkdir upper work root
mount -t overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" none root
cp -a "$1/tree/." root/
mkdir -p root/var/lib/containers
for dir in dev sys; do mount --rbind /$dir root/$dir; done
mount -t proc none root/proc
mount -t tmpfs none root/run
mount -t tmpfs none root/var/lib/containers
mkdir root/run/job root/run/bin
mount --bind "$1/job" root/run/job
for engine in podman-4 crio; do
  touch root/run/bin/$engine
  mount --bind "$3/$engine" root/run/bin/$engine
done
ln -s podman-4 root/run/bin/podman
for dir in ${4-}; do mkdir -p "root$dir"; mount --bind "$dir" "root$dir"; done
status=0
chroot root /bin/sh -c "cd /; $2" || status=$?
cp -a upper/. "$1/tree/"
exit $status
"#;

/// A node, and what it shall have.
pub(super) struct Node {
    dir: tempfile::TempDir,
    model: NodeModel,
    seen: Option<PathBuf>,
}

impl Node {
    /// A node of a model's platform: with the files of its newest version and its stores.
    pub(super) fn new(model: &NodeModel) -> Self {
        let node = Self { dir: tempfile::tempdir().unwrap(), model: model.clone(), seen: None };
        for dir in ["tree", "job", "system"] {
            fs_err::create_dir(node.dir.path().join(dir)).unwrap();
        }
        for (path, text) in model.platform_versions.last().into_iter().flatten() {
            node.put(path, text);
        }
        let stores = &Configuration::of(model).unwrap().stores;
        for store in stores.iter().filter(|path| model.created().all(|store| store.path != **path)) {
            fs_err::create_dir_all(node.path(store)).unwrap();
        }
        if model.labelled().next().is_some() {
            // Debian's own has no SELinux.
            fs_err::create_dir_all(node.path(LABELS)).unwrap();
            node.put("/usr/sbin/restorecon", "#!/bin/sh\n");
            fs_err::set_permissions(node.path("/usr/sbin/restorecon"), PermissionsExt::from_mode(0o755))
                .unwrap();
        }
        node
    }

    /// The same with a directory of the test machine's, under its own path.
    pub(super) fn with(self, dir: &Path) -> Self {
        Self { seen: Some(dir.to_owned()), ..self }
    }

    /// Its root directory.
    pub(super) fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    /// What stands there as `/run/job` while a script runs.
    pub(super) fn job(&self) -> PathBuf {
        self.dir.path().join("job")
    }

    /// A path of the node, as it is seen from outside.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.tree().join(path.as_ref().strip_prefix("/").unwrap())
    }

    /// Writes a file of the node.
    pub(super) fn put(&self, path: impl AsRef<Path>, text: &str) {
        let path = self.path(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// Runs a script on the node.
    #[track_caller]
    pub(super) fn run(&self, script: &str) -> String {
        let output = self.finish(script);
        assert!(output.status.success(), "{script}\n{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn finish(&self, script: &str) -> Output {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", ENTER, "sh"]).arg(self.dir.path()).arg(script);
        command.arg(engines()).args(&self.seen).stdin(Stdio::null());
        command.env_clear().env("PATH", "/run/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        finish(command.env("HOME", "/run").env("LC_ALL", "C.UTF-8").env("SYSTEMD_OFFLINE", "1"))
    }

    /// Makes the stores, for documents that only list them.
    pub(super) fn make_stores(&self) {
        for store in self.model.created() {
            fs_err::create_dir_all(self.path(&store.path)).unwrap();
        }
    }

    /// Lays out a file of tmpfiles.d, as systemd does.
    #[track_caller]
    pub(super) fn tmpfiles(&self, lines: &str) {
        fs_err::write(self.job().join("tmpfiles.conf"), lines).unwrap();
        let file = fs_err::File::open(self.job().join("tmpfiles.conf")).unwrap();
        let mut command = Command::new("systemd-tmpfiles");
        command.arg("--create").arg("--root").arg(self.tree()).arg("-");
        support::run(command.stdin(Stdio::from(file.into_parts().0)));
    }

    /// Checks that the node has become what the model says: its files to the byte, its
    /// directories, and that every generation's library sees exactly its stores.
    #[track_caller]
    pub(super) fn check(&self, what: &str) {
        let wanted = Configuration::of(&self.model).unwrap();
        for (path, text) in &wanted.files {
            let found = fs_err::read_to_string(self.path(path)).unwrap();
            assert_eq!(found, *text, "{what}: {}", path.display());
            let mode = fs_err::metadata(self.path(path)).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o644, "{what}: {}", path.display());
        }
        self.check_stores(what);
    }

    /// Checks that stores are labelled, and that the units are there and started at boot.
    #[track_caller]
    pub(super) fn check_units(&self, what: &str) {
        if self.model.labelled().next().is_some() {
            let rules = fs_err::read_to_string(self.path(LABELS).join("file_contexts.subs")).unwrap();
            assert_eq!(rules, "/var/images /var/lib/containers/storage\n", "{what}");
        }
        let layout = NodeLayout::of(&self.model, Directories::Made).unwrap();
        for unit in layout.units.iter().filter(|unit| unit.name != "storagectl-label.service") {
            let dirs = ["/etc/systemd/system", "/usr/lib/systemd/system"].map(|dir| self.path(dir));
            let dir =
                dirs.iter().find(|dir| dir.join(&unit.name).exists()).unwrap_or_else(|| panic!("{what}"));
            assert_eq!(fs_err::read_to_string(dir.join(&unit.name)).unwrap(), unit.text, "{what}");
            let enabled = self.run(&format!("systemctl is-enabled {}", unit.name));
            assert_eq!(enabled, "enabled\n", "{what}");
        }
    }

    /// As [`Node::check`], for a file that does not come out to the byte.
    #[track_caller]
    pub(super) fn check_stores(&self, what: &str) {
        let wanted = Configuration::of(&self.model).unwrap();
        for store in self.model.created() {
            let mode = fs_err::metadata(self.path(&store.path)).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, store.mode, "{what}: {}", store.path);
        }
        for engine in ["legacy4", "legacy", "modern"] {
            assert_eq!(seen(engine, &self.tree()), wanted.stores, "{what}: {engine}");
        }
    }

    /// Checks that podman starts on the node, and sees an image in each store that was made.
    #[track_caller]
    pub(super) fn check_podman(&self, what: &str) {
        for store in self.model.created() {
            let dir = self.path(&store.path);
            fs_err::remove_dir_all(&dir).unwrap();
            copy_store(&dir);
        }
        let listed = self.run(&format!("podman images --format '{IMAGE_LINE}'"));
        let wanted = format!("{IMAGE} true\n").repeat(self.model.created().count());
        assert_eq!(listed, wanted, "{what}");
    }
}
