//! A host with a real CRI-O, that is booted, loses its power and is booted again.
//!
//! A boot is a mount and process namespace over this machine's files, with an empty
//! /run. When its first process ends, the kernel kills all others with SIGKILL, and
//! what was in memory is gone: that is the power cut. What is on the disk (/etc of the
//! engines, their storage, CRI-O's state) is in a scratch directory and stays.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::hosts::engines;
use crate::support::{STORAGECTL, finish, path_with_podman_4, run, text};

/// Places that outlast a power cut.
const DISKS: [&str; 8] = [
    "/etc/containers",
    "/etc/crio",
    "/etc/systemd/system",
    "/usr/lib/containers/app",
    "/var/lib/containers",
    "/var/lib/crio",
    "/var/lib/images",
    "/var/lib/other",
];

/// What CRI-O needs to start where there is no more than it and Debian's crun.
pub(crate) const CRIO_CONF: &str = "\
[crio.runtime]
cgroup_manager = 'cgroupfs'
conmon_cgroup = 'pod'
default_runtime = 'crun'
disable_hostport_mapping = true
pinns_path = '/bin/true'
seccomp_profile = ''
[crio.runtime.runtimes.crun]
runtime_path = '/usr/bin/crun'
monitor_path = '/usr/bin/conmon'
[crio.network]
plugin_dirs = ['/usr/lib/cni']
[crio.nri]
enable_nri = false
";

/// The host.
pub(crate) struct Node {
    scratch: tempfile::TempDir,
}

impl Node {
    /// A host whose own storage has the images main and child, whose additional store
    /// has the image extra, on which child is built, and whose CRI-O has these keys in
    /// `[crio]`.
    pub(crate) fn new(keys: &str) -> Self {
        // On a disk: what is in memory is lost in any case, and doctor says so.
        let node = Self { scratch: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        for disk in DISKS {
            fs_err::create_dir_all(node.at(disk)).unwrap();
        }
        node.write("/etc/crio/crio.conf", CRIO_CONF);
        if !keys.is_empty() {
            node.write("/etc/crio/crio.conf.d/10-test.conf", &format!("[crio]\n{keys}\n"));
        }
        node.write("/etc/containers/policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
        node.lists("'/usr/lib/containers/app'", "");
        node.copy("main", "/var/lib/containers/storage");
        fs_err::remove_dir(node.at("/usr/lib/containers/app")).unwrap();
        node.copy("extra", "/usr/lib/containers/app");
        node
    }

    /// Writes storage.conf with these additional stores, and more keys of `[storage]`.
    pub(crate) fn lists(&self, stores: &str, keys: &str) {
        let text = format!(
            "[storage]\ndriver = 'overlay'\nrunroot = '/run/containers/storage'\n\
             graphroot = '/var/lib/containers/storage'\n{keys}\n\
             [storage.options]\nadditionalimagestores = [{stores}]\n"
        );
        self.write("/etc/containers/storage.conf", &text);
    }

    /// Has `crio wipe` run when the host boots.
    pub(crate) fn with_wipe_unit(self) -> Self {
        self.write("/etc/systemd/system/crio-wipe.service", "[Service]\nExecStart=/usr/bin/crio wipe\n");
        let wants = self.at("/etc/systemd/system/multi-user.target.wants");
        fs_err::create_dir_all(&wants).unwrap();
        let link = wants.join("crio-wipe.service");
        fs_err::os::unix::fs::symlink("/etc/systemd/system/crio-wipe.service", link).unwrap();
        self
    }

    /// Copies storage that podman has made to a place that has none.
    pub(crate) fn copy(&self, name: &str, to: &str) {
        let to = self.at(to);
        fs_err::create_dir_all(to.parent().unwrap()).unwrap();
        run(Command::new("cp").arg("-a").arg(made().join(name)).arg(to));
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// Where a place of the host is outside of it.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        let disk = DISKS.iter().find(|disk| path.starts_with(**disk)).expect("it is on a disk");
        let rest = path[disk.len()..].trim_start_matches('/');
        self.scratch.path().join(disk.trim_start_matches('/').replace('/', "-")).join(rest)
    }

    /// Boots the host, does what `script` says, and cuts the power. Returns what was
    /// printed, on standard output alone.
    #[track_caller]
    pub(crate) fn boot(&self, script: &str) -> String {
        let disks: String = DISKS
            .iter()
            .map(|disk| format!("mkdir -p .{disk}; mount --bind '{}' .{disk}\n", self.at(disk).display()))
            .collect();
        let script = format!(
            "set -e
            mkdir -p '{scratch}/system'
            mount -t tmpfs none '{scratch}/system'
            cd '{scratch}/system'
            mkdir upper work root
            mount -t overlay -o lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work none root
            cd root
            # Only CRI-O is installed, and what copies images.
            rm -f .dockerenv usr/bin/podman usr/bin/buildah usr/local/bin/podman
            {disks}
            mkdir -p before
            touch usr/bin/crio
            mount --bind '{engines}/crio' usr/bin/crio
            mount --rbind /dev dev
            mount --rbind /sys sys
            mount -t proc none proc
            mount -t tmpfs none run
            busybox pivot_root . before
            cd /
            mount --bind /before'{engines}' /mnt
            storagectl() {{ /before'{STORAGECTL}' \"$@\"; }}
            # Starts CRI-O, and waits until it serves or has stopped.
            start() {{
                crio >/run/crio.log 2>&1 & crio=$!
                for i in $(seq 400); do
                    ! crio status info >/run/info 2>&1 || return 0
                    kill -0 $crio 2>/dev/null || return 0
                    sleep 0.1
                done
                echo 'CRI-O neither serves nor stops' >&2
                return 1
            }}
            {script}",
            scratch = self.scratch.path().display(),
            engines = engines().display(),
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "-p", "-f", "bash", "-c", &script]).env_remove("NO_COLOR").env("TERM", "dumb");
        let output = finish(&mut command);
        assert!(output.status.success(), "{script}\n{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The images in a directory with images, as an engine lists them that has no other
    /// store; none if it is gone.
    pub(crate) fn images_in(&self, storage: &str) -> Vec<String> {
        self.images_in_each(&[storage]).remove(0)
    }

    /// The same of several, in their order.
    pub(crate) fn images_in_each(&self, storages: &[&str]) -> Vec<Vec<String>> {
        let list = |storage: &&str| {
            format!(
                "echo '= {storage}'
                if [ -e {storage}/overlay-images/images.json ]; then
                    printf '[storage]\ndriver = \"overlay\"\nrunroot = \"/run/r\"\ngraphroot = \"{storage}\"\n' > /run/conf
                    CONTAINERS_STORAGE_CONF=/run/conf /mnt/containers-storage images
                fi\n"
            )
        };
        let printed = self.boot(&storages.iter().map(list).collect::<String>());
        let mut found = Vec::new();
        for line in printed.lines() {
            if line.starts_with("= ") {
                found.push(Vec::new());
            } else if let Some(name) = line.trim().strip_prefix("name: ") {
                found.last_mut().unwrap().push(name.to_owned());
            }
        }
        assert_eq!(found.len(), storages.len(), "{printed}");
        found
    }
}

/// Storage that podman has made: `main` with the images main and child, `extra` with
/// the image that child is built on, and `other`. Made once, and old enough to be on
/// the disk.
fn made() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doctor-storage-2");
        if !kept.is_dir() {
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let script = "
                cd \"$0\"
                # podman takes no longer path than one of 50 characters for what runs.
                mount -t tmpfs tmpfs /mnt
                engine() { storage=$1; shift; podman --root $PWD/$storage --runroot /mnt/$storage \"$@\"; }
                mkdir -p rootfs/bin
                cp /bin/busybox rootfs/bin/
                for name in main extra other; do
                    echo $name > rootfs/name
                    tar -C rootfs -cf rootfs.tar .
                    engine $name import rootfs.tar localhost/$name:1
                done
                built() { engine main --storage-opt overlay.imagestore=$PWD/extra \"$@\"; }
                container=$(built create --security-opt seccomp=unconfined localhost/extra:1 /bin/true)
                built commit $container localhost/child:1
                built rm $container
                # What podman knows of containers names the places where this was made.
                rm -rf rootfs rootfs.tar */libpod */*.sql";
            run(Command::new("unshare")
                .args(["-m", "bash", "-ec", script])
                .arg(dir.path())
                .env("PATH", path_with_podman_4()));
            run(Command::new("mv").arg("-T").arg(dir.keep()).arg(&kept));
        }
        let records = ["overlay-images", "overlay-layers"].map(|part| format!("{}/*/{part}", kept.display()));
        run(Command::new("sh").args(["-c", "find $0 $1 -exec touch -h -d '1 hour ago' {} +"]).args(records));
        kept
    })
}
