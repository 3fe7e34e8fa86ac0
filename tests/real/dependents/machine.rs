//! A main storage that was used with a store, and the store's next version.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::hosts::program;
use crate::podman::path;
use crate::support::{STORAGECTL, finish, storagectl, text};
use crate::tree::{Tree, tree};

/// Each run is a boot: /run and the engines' locks are new, and the mounts of the
/// one before are gone. `p` is podman, `options` what a container needs here.
const BOOT: &str = r#"set -e
umount -R /sys/fs/cgroup 2>/dev/null || :
mount -t cgroup2 none /sys/fs/cgroup
for dir in /run /var/lib /dev/shm; do mount -t tmpfs none $dir; done
export CONTAINERS_CONF=$DIR/tools/containers.conf
p() { "$PODMAN" "$@"; }
options="--network none --cgroups=disabled --security-opt seccomp=unconfined
  --ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
"#;

/// Two versions of a store: an image whose containers tell its version, and
/// write something of their own.
const STORES: &str = r#"
for version in old new; do
  mkdir -p $DIR/context/bin
  cp /bin/busybox $DIR/context/bin/
  ln -sf busybox $DIR/context/bin/sh
  echo $version >$DIR/context/version
  p --root $DIR/$version --runroot /run/$version --storage-driver $DRIVER build -q -t localhost/base:1 -f - \
    $DIR/context <<'E'
FROM scratch
COPY . /
CMD ["/bin/sh", "-c", "/bin/busybox cat /version; echo mine >/written"]
E
  rm -r $DIR/context
done
mv $DIR/old $DIR/store
"#;

/// The same stores, made by storagectl from the images, which stay as directories.
const OF_IMAGES: &str = r#"
mv $DIR/store $DIR/old
for version in old new; do
  p --root $DIR/$version --runroot /run/$version --storage-driver $DRIVER \
    save -q --format docker-dir -o $DIR/$version.image localhost/base:1
  umount $DIR/$version/overlay || :
  rm -r $DIR/$version
  STORAGECTL build-store -q -o $DIR/$version localhost/base:1=dir:$DIR/$version.image
done
mv $DIR/old $DIR/store
"#;

/// An image and containers that build on the store, and such that do not.
const USE: &str = r#"
export CONTAINERS_STORAGE_CONF=$DIR/storage.conf
mkdir -p $DIR/context/bin
cp /bin/busybox $DIR/context/bin/
echo own >$DIR/context/own
p build -q -t localhost/own:1 -f - $DIR/context <<'E'
FROM scratch
COPY . /
CMD ["/bin/busybox", "cat", "/own"]
E
p build -q -t localhost/child:1 -f - $DIR/context <<'E'
FROM localhost/base:1
COPY own /own
E
p tag localhost/base:1 localhost/alias:1
for image in own child base; do
  p create -q --name from$image $options localhost/$image:1
  p start -a from$image
done
rm -r $DIR/context
"#;

/// podman's runtime here is older than its configuration; it gets along with it
/// if nobody tells. podman knows what a runtime can do by its name.
const RUNTIME: &str = r#"#!/bin/sh
bundle=.
previous=
for argument; do
  case $previous in --bundle | -b) bundle=$argument ;; esac
  previous=$argument
done
if [ -f "$bundle/config.json" ]; then
  sed -i 's/"ociVersion":"[^"]*"/"ociVersion":"1.0.0"/' "$bundle/config.json"
fi
exec /usr/bin/crun "$@"
"#;

pub(super) struct Machine {
    dir: PathBuf,
    podman: PathBuf,
    driver: &'static str,
    _scratch: Option<tempfile::TempDir>,
}

impl Machine {
    /// A machine on which everything is in order.
    pub(super) fn new(podman: &str, driver: &'static str) -> Self {
        Self::with(podman, driver, "")
    }

    /// The same with more keys of its storage; `@DIR@` stands for its directory.
    pub(super) fn with(podman: &str, driver: &'static str, keys: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let machine = Self::at(scratch.path(), podman, driver, keys);
        Self { _scratch: Some(scratch), ..machine }
    }

    /// The same with stores that storagectl has made, of the images `$DIR/old.image` and
    /// `$DIR/new.image`.
    pub(super) fn of_images(podman: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let convert = OF_IMAGES.replace("STORAGECTL", STORAGECTL);
        let machine = Self::set_up(scratch.path(), podman, "overlay", "", &format!("{STORES}{convert}"));
        Self { _scratch: Some(scratch), ..machine }
    }

    /// The same after the store was replaced.
    pub(super) fn replaced(podman: &str, driver: &'static str) -> Self {
        let machine = Self::new(podman, driver);
        machine.replace();
        machine
    }

    /// Sets a machine up in `dir`.
    pub(super) fn at(dir: &Path, podman: &str, driver: &'static str, keys: &str) -> Self {
        Self::set_up(dir, podman, driver, keys, STORES)
    }

    fn set_up(dir: &Path, podman: &str, driver: &'static str, keys: &str, stores: &str) -> Self {
        let machine = Self { dir: dir.to_owned(), podman: program(podman), driver, _scratch: None };
        let tools = dir.join("tools");
        let conf = format!(
            "[engine]\nruntime = \"{0}/crun\"\ncgroup_manager = \"cgroupfs\"\nhelper_binaries_dir = [\"{0}\"]\n\
             events_logger = \"none\"\n",
            path(&tools)
        );
        fs_err::create_dir_all(&tools).unwrap();
        fs_err::write(tools.join("containers.conf"), conf).unwrap();
        for (name, script) in
            [("crun", RUNTIME), ("netavark", "#!/bin/sh\n"), ("aardvark-dns", "#!/bin/sh\n")]
        {
            fs_err::write(tools.join(name), script).unwrap();
            std::fs::set_permissions(tools.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let conf = format!(
            "[storage]\ndriver = \"{driver}\"\nrunroot = \"/run/storage\"\ngraphroot = \"{0}/graph\"\n{1}\n\
             [storage.options]\nadditionalimagestores = [\"{0}/store\"]\n",
            path(dir),
            keys.replace("@DIR@", path(dir))
        );
        fs_err::write(dir.join("storage.conf"), conf).unwrap();
        machine.must(stores);
        let used = machine.must(USE);
        assert!(used.contains("\nold\n") && used.contains("\nown\n"), "containers have run: {used}");
        machine
    }

    /// Replaces the store by its next version.
    pub(super) fn replace(&self) {
        fs_err::rename(self.store(), self.dir.join("away")).unwrap();
        fs_err::rename(self.dir.join("new"), self.store()).unwrap();
    }

    /// Puts the first version of the store back.
    pub(super) fn replace_back(&self) {
        fs_err::rename(self.store(), self.dir.join("new")).unwrap();
        fs_err::rename(self.dir.join("away"), self.store()).unwrap();
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    pub(super) fn graph(&self) -> PathBuf {
        self.dir.join("graph")
    }

    /// Where images are kept, if [`Machine::with`] says so.
    pub(super) fn image_store(&self) -> PathBuf {
        self.dir.join("images")
    }

    pub(super) fn tree(&self) -> Tree {
        tree(&self.graph())
    }

    /// Boots and runs a script, in which `p` is podman and `clean` the command
    /// under test.
    pub(super) fn boot(&self, script: &str) -> Output {
        let clean = format!("clean() {{ '{STORAGECTL}' --config $DIR/storage.conf clean-dependents; }}\n");
        let mut command = Command::new("unshare");
        command
            .args(["-m", "-p", "-f", "--mount-proc", "sh", "-c", &format!("{BOOT}{clean}{script}")])
            .env("DIR", &self.dir)
            .env("PODMAN", &self.podman)
            .env("DRIVER", self.driver);
        finish(&mut command)
    }

    /// [`Machine::boot`] for a script that must succeed; what it printed.
    #[track_caller]
    pub(super) fn must(&self, script: &str) -> String {
        let output = self.boot(script);
        assert!(output.status.success(), "{script}\n{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// [`Machine::boot`] for one command of podman's; see [`Machine::must`].
    #[track_caller]
    pub(super) fn podman(&self, args: &str) -> String {
        self.must(&in_use(args))
    }

    /// Boots and runs one command of podman's.
    pub(super) fn try_podman(&self, args: &str) -> Output {
        self.boot(&in_use(args))
    }

    /// The names of all images, sorted.
    #[track_caller]
    pub(super) fn images(&self) -> Vec<String> {
        let listed = self.podman("images --format '{{.Repository}}:{{.Tag}}'");
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// The names of all containers, sorted.
    #[track_caller]
    pub(super) fn containers(&self) -> Vec<String> {
        let listed = self.podman("ps --all --format '{{.Names}}'");
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// `storagectl clean-dependents`, with more arguments.
    pub(super) fn clean(&self, args: &[&str]) -> Command {
        let conf = self.dir.join("storage.conf");
        storagectl(&[&["--config", path(&conf), "clean-dependents"], args].concat())
    }
}

fn in_use(args: &str) -> String {
    format!("export CONTAINERS_STORAGE_CONF=$DIR/storage.conf\np {args}")
}
