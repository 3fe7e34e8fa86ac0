#!/bin/sh
# Boots that go well and boots that do not, as hosts have them: what is mounted late, over the
# network or not at all, and an /etc that cannot be written.
#
#   tests/machine/boots.sh RELEASE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
release=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=${STORAGECTL_PROGRAM:?"the program under test"}
failed=0

# boot SCRIPT [QEMU-OPTION…]
boot() {
    name=$1
    shift
    echo "== $name"
    "$here/boot.sh" --tree "$work/tree" "$release" "$here/inside/$name" -- "$@" || failed=1
}

# What all of these hosts have: a store of a package, an entry that leads nowhere, and every
# unit that starts engines.
host() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/etc/systemd/system/multi-user.target.wants" "$work/tree/etc/systemd/system/sockets.target.wants"
    cd "$work/tree"
    "$program" --quiet init-store --root . --declare app /usr/lib/app/images
    # As `semanage fcontext` has it. With the type of what is below /usr/lib, podman in its own
    # domain may not lock the store, and waits for ever.
    mkdir -p etc/selinux/default/contexts/files
    echo '/usr/lib/app/images(/.*)? system_u:object_r:container_ro_file_t:s0' \
        >etc/selinux/default/contexts/files/file_contexts.local
    mkdir -p etc/containers
    cat >etc/containers/storage.conf <<'END'
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/usr/lib/gone", # by hand
]
END
    ln -s /usr/lib/systemd/system/podman.socket etc/systemd/system/sockets.target.wants/
    for unit in podman-restart.service podman-auto-update.service podman-clean-transient.service; do
        ln -s "/usr/lib/systemd/system/$unit" etc/systemd/system/multi-user.target.wants/
    done
    echo '/dev/vda / ext4 defaults 0 1' >etc/fstab
    # podman may not have it loaded, by Debian's policy, where a unit starts it.
    mkdir etc/modules-load.d
    echo overlay >etc/modules-load.d/overlay.conf
    cd "$here"
}

# disk NAME CONTEXT: a disk of the next boot, with an empty store in its directory `store`.
disk() {
    mkdir "$work/disk"
    "$program" --quiet init-store --root "$work/disk" /store
    find "$work/disk" -exec setfattr -h -n security.selinux -v "$2" {} +
    mkfs.ext4 -q -F -L "$1" -d "$work/disk" "$work/$1" 64M
    rm -rf "$work/disk"
    disks="$disks -drive file=$work/$1,if=virtio,format=raw"
}

host
disks=
# By Debian's policy nothing is mounted on what it has for this directory.
echo '/var/lib/containers -d system_u:object_r:mnt_t:s0' \
    >>"$work/tree/etc/selinux/default/contexts/files/file_contexts.local"
disk containers system_u:object_r:container_var_lib_t:s0
disk remote system_u:object_r:container_ro_file_t:s0
disk late system_u:object_r:container_ro_file_t:s0
mkdir -p "$work/tree/var/lib/containers" "$work/tree/srv/remote" "$work/tree/srv/late"
sed -i 's|^  "/usr/lib/gone".*|&\n  "/srv/remote/store",\n  "/srv/late/store",|' "$work/tree/etc/containers/storage.conf"
cat >>"$work/tree/etc/fstab" <<'END'
LABEL=containers /var/lib/containers ext4 _netdev 0 0
LABEL=remote /srv/remote ext4 _netdev 0 0
LABEL=late /srv/late ext4 nofail,x-systemd.requires=slow.service 0 0
END
cd "$work/tree/etc/systemd/system"
# As network managers have it: with default dependencies, and so after basic.target.
cat >machine-wait-online.service <<'END'
[Unit]
Requires=machine-network.service
After=machine-network.service
Before=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sleep 1
END
cat >machine-network.service <<'END'
[Unit]
Before=network.target
Wants=network.target
[Service]
ExecStart=sleep infinity
END
cat >slow.service <<'END'
[Unit]
Description=A disk that takes long
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sleep 5
END
# podman's units wait for the network at most, and not for their storage on it. Before it is
# mounted they may not look at its directory, and fail.
for unit in podman-restart.service podman-auto-update.service podman-clean-transient.service; do
    mkdir "$unit.d"
    printf '[Unit]\nRequiresMountsFor=/var/lib/containers\n' >"$unit.d/storage.conf"
done
mkdir network-online.target.wants
ln -s ../machine-wait-online.service network-online.target.wants/
cd "$here"
# shellcheck disable=SC2086
boot boot-with-late-disks $disks

host
mkdir -p "$work/tree/srv/missing"
sed -i 's|^  "/usr/lib/gone".*|  "/srv/missing/store", # by hand|' "$work/tree/etc/containers/storage.conf"
echo 'LABEL=missing /srv/missing ext4 x-systemd.device-timeout=5 0 0' >>"$work/tree/etc/fstab"
boot boot-into-emergency-mode

host
sed -i 's/defaults/ro/' "$work/tree/etc/fstab"
boot boot-with-read-only-etc
exit "$failed"
