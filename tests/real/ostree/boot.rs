//! A deployment as a running system: what its programs do and see.

use std::path::Path;
use std::process::{Command, Output};

use super::sysroot::Sysroot;
use crate::hosts::engines::{self, with_helpers};
use crate::support::{STORAGECTL, finish, text};

/// Makes a deployment ($1) the system, as ostree-prepare-root does: /usr can only be
/// read, /var ($2) is that of all deployments. Of the test machine come the programs
/// and libraries. The mounts go with the process.
const ENTER: &str = r#"set -e
cd "$1"
mount --bind "$1" "$1"
cd "$1"
mount --bind "$2" var
mkdir -p var/opt var/lib/containers var/tmp var/roothome
mount --bind -o ro usr usr
for dir in $3; do mount --bind "/$dir" "$dir"; done
# Not the machine's engines: which the system has cannot be told.
for engine in podman buildah skopeo crio; do
  [ ! -e "usr/bin/$engine" ] || mount --bind /dev/null "usr/bin/$engine"
done
mount --rbind /dev dev
mount --rbind /proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev/shm
# Each version of an engine has storage of its own, and none of the last boot.
mount -t tmpfs tmpfs var/lib/containers
mkdir run/program
touch run/program/it
mount --bind "$4" run/program/it
made=run seen=/run
HELPERS
shift 4
exec chroot . /run/program/it "$@"
"#;

/// The directories, without the first `/`, from which programs come.
pub(super) fn program_dirs() -> Vec<String> {
    let fixed = ["usr/bin", "usr/sbin", "usr/lib64", "usr/libexec"].map(str::to_owned);
    let found = fs_err::read_dir("/usr/lib").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().ok()?;
        (name.contains("-linux-gnu") || name == "podman").then(|| format!("usr/lib/{name}"))
    });
    let mut dirs: Vec<String> = fixed.into_iter().chain(found).collect();
    dirs.retain(|dir| Path::new("/").join(dir).is_dir());
    dirs
}

/// Runs a program as on the system that boots from `sysroot`.
pub(super) fn on(sysroot: &Sysroot, program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &with_helpers(ENTER), "sh"]).arg(sysroot.deployment()).arg(sysroot.var());
    command.arg(program_dirs().join(" ")).arg(program).args(args);
    command.env_clear().envs([
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("CONTAINERS_CONF", "/run/containers.conf"),
    ]);
    finish(&mut command)
}

/// storagectl on that system; it has to succeed.
#[track_caller]
pub(super) fn storagectl(sysroot: &Sysroot, args: &[&str]) -> String {
    let output = on(sysroot, Path::new(STORAGECTL), args);
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    text(&output)
}

/// The stores that an engine on that system sees, once it has started and listed
/// its images.
#[track_caller]
pub(super) fn stores(sysroot: &Sysroot, engine: &str) -> Vec<String> {
    let output = on(sysroot, &engines::program(engine), &["--log-level=debug", "images"]);
    assert!(output.status.success(), "{engine} does not start: {}", text(&output));
    let log = String::from_utf8_lossy(&output.stderr);
    let values = log.lines().filter_map(|line| Some(line.split_once("overlay: imagestore=")?.1));
    values.flat_map(|value| engines::paths(value.trim_end_matches('"'))).collect()
}
