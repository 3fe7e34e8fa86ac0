#!/bin/sh
# Makes a virtual machine of a release of Debian with SELinux enforcing, in
# ~/.cache/storagectl/machine, and prints its directory: `disk` (ext4, all files labelled),
# `vmlinuz` and `initrd`. A machine that is there is kept, until what it is made of changes.
# tests/machine/boot.sh boots it.
#
#   tests/machine/make.sh trixie|sid
set -eu
release=$1
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/storagectl/machine

packages='attr auditd btrfs-progs buildah busybox-static ca-certificates crun dbus dosfstools e2fsprogs erofs-utils
    initramfs-tools iproute2 jq kmod linux-image-amd64 netavark nftables passt podman policycoreutils
    policycoreutils-python-utils procps python3 rpm setools skopeo squashfs-tools strace
    systemd-sysv udev uidmap util-linux-extra xfsprogs zstd'
case $release in
trixie) options='' ;;
# Its release file is as old as the mirror's last visit.
sid) options='--aptopt=Acquire::Check-Valid-Until "false"' ;;
*)
    echo "error: no machine of \`$release\` is known, but of trixie and sid" >&2
    exit 2
    ;;
esac

# Installs the policy. That of sid turns off a module that it does not have, which its newer
# semodule refuses.
# shellcheck disable=SC2016
policy='
    apt-get install -y -qq --download-only --no-install-recommends selinux-policy-default
    dpkg --unpack /var/cache/apt/archives/selinux-policy-default_*.deb
    script=/var/lib/dpkg/info/selinux-policy-default.postinst
    for module in $(sed -n "s/^notdefault=\"\(.*\)\"/\1/p" $script); do
        grep -qx "$module" /usr/share/selinux/default/.modules || sed -i "/^notdefault=/s/\<$module\>//" $script
    done
    apt-get install -y -qq --no-install-recommends --fix-broken'

key=$(cat "$0" "$here"/guest/* | sha256sum | cut -c1-12)
machine=$cache/$release-$key
if [ ! -d "$machine" ]; then
    mkdir -p "$cache"
    exec 9>"$cache/.lock"
    flock 9
fi
if [ ! -d "$machine" ]; then
    new=$cache/$release.new
    root=$new/root
    # A run that was killed may have left mounts behind.
    rm -rf --one-file-system "$new"
    mkdir "$new"
    # The initial file system has the few drivers of this machine, or each boot unpacks hundreds.
    # shellcheck disable=SC2016
    if ! mmdebstrap --quiet --variant=minbase ${options:+"$options"} \
        --include="$(echo "$packages" | xargs | tr ' ' ,)" \
        --setup-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d" "$1/etc/selinux"' \
        --setup-hook='printf "MODULES=list\nCOMPRESS=zstd\n" >"$1/etc/initramfs-tools/conf.d/machine"' \
        --setup-hook='printf "virtio_pci\nvirtio_blk\next4\n" >"$1/usr/share/initramfs-tools/modules.d/machine"' \
        --setup-hook='printf "SELINUX=enforcing\nSELINUXTYPE=default\n" >"$1/etc/selinux/config"' \
        --customize-hook="chroot \"\$1\" sh -ec '$policy'" \
        "$release" "$root" >&2; then
        echo "error: the root of the machine could not be made of $release" >&2
        exit 1
    fi
    echo machine >"$root/etc/hostname"
    echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
    echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
    # What a first boot does for new packages is done.
    touch "$root/etc/.updated" "$root/var/.updated"
    # Nothing runs that has not been started by a test.
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer podman-auto-update.timer; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    install -m 0755 "$here/guest/lay-over" "$root/etc/initramfs-tools/scripts/local-bottom/lay-over"
    install -m 0755 "$here/guest/machine-test" "$root/usr/local/sbin/machine-test"
    install -m 0644 "$here/guest/machine-test.service" "$root/etc/systemd/system/machine-test.service"
    for target in multi-user emergency; do
        mkdir -p "$root/etc/systemd/system/$target.target.wants"
        ln -s ../machine-test.service "$root/etc/systemd/system/$target.target.wants/machine-test.service"
    done
    # Of the drivers, those that the machine has no device for cost each boot time and memory.
    for modules in "$root"/usr/lib/modules/*/kernel; do
        find "$modules/drivers" -mindepth 1 -maxdepth 1 ! -name block ! -name md ! -name net ! -name virtio \
            -exec rm -rf {} +
        find "$modules/drivers/net" -mindepth 1 -maxdepth 1 -type d -exec rm -rf {} +
        rm -rf "$modules/sound" "$modules/arch"
        version=$(basename "$(dirname "$modules")")
        chroot "$root" depmod "$version"
        chroot "$root" update-initramfs -u -k "$version" >&2
    done
    cp -L "$root/vmlinuz" "$new/vmlinuz"
    cp -L "$root/initrd.img" "$new/initrd"
    rm -rf "$root"/boot/* "$root"/initrd.img* "$root"/vmlinuz* "$root"/var/cache/apt/archives/*.deb
    chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' >"$new/packages"

    chroot "$root" setfiles -m -F /etc/selinux/default/contexts/files/file_contexts / >&2
    mkfs.ext4 -q -F -L machine -d "$root" "$new/disk" 8G >&2
    rm -rf --one-file-system "$root"
    find "$cache" -maxdepth 1 -name "$release-*" -exec rm -rf {} +
    mv "$new" "$machine"
fi
echo "$machine"
