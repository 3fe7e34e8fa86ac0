//! A host of its own: the test machine under an overlay, with a process 1, an rpm database
//! and storages of its own. No systemd runs there.

use std::path::Path;
use std::process::Command;

use crate::check::engine::Engine;
use crate::hosts::engines::with_helpers;
use crate::support::{RPM_HERE, STORAGECTL, run};

/// Becomes that host; what follows runs on it.
const ENTER: &str = r#"set -e
mkdir -p "$SCRATCH/system"
mount -t tmpfs none "$SCRATCH/system"
cd "$SCRATCH/system"
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work none root
cd root
rm -rf .dockerenv before etc/containers
mkdir before etc/containers
mount -t tmpfs none run
mount -t tmpfs none var/lib
mkdir var/lib/rpm run/host run/packages run/engine
mount --bind "$SCRATCH" run/host
mount --bind "$PACKAGES" run/packages
mount --rbind /dev dev
mount -t tmpfs none dev/shm
mount -t proc none proc
mount -t sysfs -o ro none sys
mount -t cgroup2 none sys/fs/cgroup
touch run/podman
cp "$STORAGECTL" usr/bin/storagectl
mount --bind "$ENGINE" run/podman
made=run seen=/run
HELPERS
mkdir run/runtime; cp "$CRUN" run/runtime/crun
busybox pivot_root . before
umount -l /before
cd /
export CONTAINERS_CONF=/run/containers.conf
printf '{"default": [{"type": "insecureAcceptAnything"}]}\n' >/etc/containers/policy.json
printf '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' >/etc/containers/storage.conf
podman() { /run/podman --runtime /run/runtime/crun "$@"; }
start() { podman run --network none --cgroups=disabled --security-opt seccomp=unconfined --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"; }
images() { podman images --format '{{.Repository}}:{{.Tag}} {{.ReadOnly}}' | sort; }
# From 4.20 on rpm's scriptlets have mounts of their own: another test is about that.
rpm() { rpm_here --define '__transaction_unshare %{nil}' --dbpath /var/lib/rpm --nodeps "$@" 2>&1; }
stores() { storagectl list-stores --format json | tr ',' '\n' | sed '/"unlisted"/,$d' | sed -n 's/.*"path": *"\(.*\)"/\1/p' | sed 's,/run/storagectl/stores/,,' | tr '\n' ' '; }
mounted() { awk '$5 ~ "^/run/storagectl/" {print $5}' /proc/self/mountinfo | sed 's,/run/storagectl/stores/,,' | tr '\n' ' '; }
list() { echo "listed: $(stores)"; echo "mounted: $(mounted)"; }
# What cleans up behind a container is an engine, too.
settled() { while grep -qsx podman /proc/[0-9]*/comm; do sleep 0.1; done; }
# What systemd does when it starts, and for the mount units when it is asked to.
prepare() { systemd-tmpfiles --create --boot /usr/lib/tmpfiles.d/storagectl-*.conf; }
mount_units() {
  for unit in /usr/lib/systemd/system/basic.target.wants/run-storagectl-stores-*.mount; do
    [ -e "$unit" ] || continue
    value() { sed -n "s/^$1=//p" "$unit"; }
    [ "$(basename "$unit")" = "$(systemd-escape --path --suffix=mount "$(value Where)")" ]
    mkdir -p "$(value Where)"
    mountpoint -q "$(value Where)" || mount -t "$(value Type)" -o "$(value Options)" "$(value What)" "$(value Where)"
  done
}
"#;

/// Runs shell on a host of its own, with one podman; it has to succeed.
#[track_caller]
pub(super) fn on_a_host(engine: Engine, scratch: &Path, script: &str) -> String {
    let mut command = Command::new("unshare");
    command.args(["-mpf", "sh", "-c", &format!("{RPM_HERE}{}{script}", with_helpers(ENTER))]);
    command.env("SCRATCH", scratch).env("PACKAGES", super::packages::packages());
    command.env("STORAGECTL", STORAGECTL).env("ENGINE", engine.program()).env("CRUN", crate::build::CRUN);
    for variable in ["CONTAINERS_STORAGE_CONF", "STORAGE_DRIVER", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"] {
        command.env_remove(variable);
    }
    run(&mut command)
}
