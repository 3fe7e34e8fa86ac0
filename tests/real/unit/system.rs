//! A system of its own that the real systemd boots.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rpm::strip_program;
use crate::support::{copy_store, run};

/// Makes a control group for the system, in the directory $1, and boots it there. What
/// systemd makes in a group goes with it.
const BOOT: &str = r#"set -e
mkdir -p "$1/groups" "$1/root"
mount -t cgroup2 none "$1/groups"
group=$1/groups/storagectl-test-$$
mkdir "$group"
status=0
sh -c 'echo $$ >"$0/cgroup.procs"; shift
  exec timeout -k 2 120 unshare --cgroup --mount --pid --fork --kill-child --uts --ipc sh "$@"' \
  "$group" "$@" || status=$?
find "$group" -depth -type d -exec rmdir {} +
exit $status
"#;

/// The first process: makes the root directory and becomes systemd. The programs and
/// systemd's units are those of the test machine, with what `make install` installed
/// over them. /etc, /var and /result stay when the system is gone.
const INIT: &str = r#"set -e
cd "$1/root"
mount -t tmpfs -o mode=755 none .
cd "$1/root"
mkdir usr etc var run tmp proc sys dev root result old
# A system with the directory `upper` can write to /usr, and keeps it.
[ ! -e "$1/upper" ] || writable=,upperdir=$1/upper,workdir=$1/work
mount -t overlay -o "lowerdir=$1/usr:/usr$writable" none usr
mount --bind "$1/etc" etc
mount --bind "$1/var" var
mount --bind "$1/result" result
[ ! -e "$1/sysroot" ] || { mkdir sysroot; mount --bind "$1/sysroot" sysroot; }
for link in bin sbin lib lib64; do ln -s usr/$link $link; done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 none dev
for device in null zero full random urandom tty; do
  touch dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/shm dev/pts
mknod dev/loop-control c 10 237
for number in $(seq 0 63); do mknod dev/loop$number b 7 $number; done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 none run
[ ! -e etc/read-only ] || mount -o remount,bind,ro etc
busybox pivot_root . old
umount -l /old
exec env -i PATH=/usr/sbin:/usr/bin container=other \
  /usr/lib/systemd/systemd --system --unit=test.target --log-target=journal --show-status=no </dev/null
"#;

/// Everything that is asked of systemd when the system has started.
const DONE: &str = "[Unit]
After=test.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'journalctl -b --no-pager -o cat > /result/journal; \
 systemctl show -p Id,Result,ConditionResult,ActiveState,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic \
 storagectl-apply.service storagectl-copy-images.service crio.service basic.target local-fs.target var.mount systemd-tmpfiles-setup.service podman.socket > /result/units'
";

/// A system that has not booted yet.
pub(crate) struct System {
    dir: tempfile::TempDir,
}

impl System {
    /// A system with storagectl as `make install` installs it, and an image store at
    /// /usr/lib/app/images that a package declares.
    pub(crate) fn new() -> Self {
        let system = Self { dir: tempfile::tempdir().unwrap() };
        install(system.dir.path(), "/usr");
        copy_store(&system.path("usr/lib/app/images"));
        system.write("usr/lib/storagectl/stores.d/app.toml", "[[store]]\npath = \"/usr/lib/app/images\"\n");
        system.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        system.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        system.write("etc/group", "root:x:0:\n");
        system.write("etc/os-release", "NAME=test\nID=test\n");
        system.unit("test.target", "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=done.service\n");
        system.unit("done.service", DONE);
        system
    }

    /// A path of the system, before or after it ran; of `/usr`, what is over the
    /// test machine's.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub(crate) fn write(&self, inside: &str, text: &str) {
        let file = self.path(inside);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, text).unwrap();
    }

    pub(crate) fn read(&self, inside: &str) -> String {
        fs_err::read_to_string(self.path(inside)).unwrap()
    }

    /// A unit of the administrator's.
    pub(crate) fn unit(&self, name: &str, text: &str) {
        self.write(&format!("etc/systemd/system/{name}"), text);
    }

    pub(crate) fn link(&self, inside: &str, target: &str) {
        let link = self.path(inside);
        fs_err::create_dir_all(link.parent().unwrap()).unwrap();
        fs_err::os::unix::fs::symlink(target, link).unwrap();
    }

    /// Starts a unit, the system's or the administrator's, with the target. What is asked in the end
    /// waits for it: a target does not wait for units without default dependencies.
    pub(crate) fn start(&self, unit: &str) {
        let own = self.path(&format!("etc/systemd/system/{unit}")).exists();
        let target = if own { format!("../{unit}") } else { format!("/usr/lib/systemd/system/{unit}") };
        self.link(&format!("etc/systemd/system/test.target.wants/{unit}"), &target);
        self.unit(&format!("done.service.d/{unit}.conf"), &format!("[Unit]\nAfter={unit}\n"));
    }

    /// Boots, waits for all units, and shuts down.
    #[track_caller]
    pub(crate) fn boot(&self) -> Booted {
        let init = self.path("init");
        fs_err::write(&init, INIT).unwrap();
        let result = self.path("result");
        if result.is_dir() {
            fs_err::remove_dir_all(&result).unwrap();
        }
        fs_err::create_dir(&result).unwrap();
        fs_err::create_dir_all(self.path("var")).unwrap();
        run(Command::new("unshare")
            .args(["-m", "sh", "-c", BOOT, "sh"])
            .arg(self.dir.path())
            .arg(&init)
            .arg(self.dir.path()));
        let [journal, units] = ["result/journal", "result/units"].map(|file| self.read(file));
        Booted { journal, units }
    }
}

/// What systemd said when a system had started.
pub(crate) struct Booted {
    pub(crate) journal: String,
    units: String,
}

impl Booted {
    /// A property of a unit.
    #[track_caller]
    pub(crate) fn property(&self, unit: &str, property: &str) -> &str {
        let of_unit = self.units.split("\n\n").find(|part| part.contains(&format!("Id={unit}\n")));
        let line =
            of_unit.and_then(|part| part.lines().find_map(|line| line.strip_prefix(&format!("{property}="))));
        line.unwrap_or_else(|| panic!("no {property} of {unit}:\n{}\n{}", self.units, self.journal))
    }

    /// When a unit began to start, in microseconds.
    #[track_caller]
    pub(crate) fn began(&self, unit: &str) -> u64 {
        self.property(unit, "InactiveExitTimestampMonotonic").parse().unwrap()
    }

    /// When it had started.
    #[track_caller]
    pub(crate) fn active(&self, unit: &str) -> u64 {
        self.property(unit, "ActiveEnterTimestampMonotonic").parse().unwrap()
    }
}

/// `make install` to `dir`, of the program that was built for this test.
pub(crate) fn install(dir: &Path, prefix: &str) {
    let built = dir.join("built/release/storagectl");
    fs_err::create_dir_all(built.parent().unwrap()).unwrap();
    strip_program(&built);
    let mut make = Command::new("make");
    make.args(["-C", env!("CARGO_MANIFEST_DIR"), "install", "CARGO=true", &format!("PREFIX={prefix}")]);
    make.arg(format!("DESTDIR={}", dir.display()));
    make.arg(format!("CARGO_TARGET_DIR={}", dir.join("built").display()));
    run(&mut make);
}
