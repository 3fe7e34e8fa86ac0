#!/bin/sh
# Sees to the programs that the tests need: installs them where it may, and says
# exactly what is missing where it may not. With the argument "bench" also those
# that the benchmark needs; with "machine" those that the virtual machine needs, and no
# others; with "packages" it names all packages and does nothing else.
set -eu

# A program and the Debian package that has it.
needed='
podman podman
buildah buildah
crun crun
conmon conmon
skopeo skopeo
docker-registry docker-registry
fuse-overlayfs fuse-overlayfs
rpm rpm
rpmbuild rpm
strace strace
ostree ostree
systemd-analyze systemd
setfacl acl
setfattr attr
busybox busybox-static
mksquashfs squashfs-tools
bwrap bubblewrap
rofiles-fuse ostree
fusermount fuse3
mkfs.erofs erofs-utils
buildah buildah
skopeo skopeo
unsquashfs squashfs-tools
rpmlint rpmlint
cpio cpio
useradd passwd
setpriv util-linux
python3 python3
setcap libcap2-bin
mkfs.btrfs btrfs-progs
mkfs.ext4 e2fsprogs
chattr e2fsprogs
gcc gcc
make make
git git
ignition-validate ignition
systemd-analyze systemd
systemd-tmpfiles systemd
promtool prometheus
python3 python3
'
bench='
augtool augeas-tools
skopeo skopeo
openssl openssl
ip iproute2
tc iproute2
docker-registry docker-registry
python3 python3
'
machine='
setfattr attr
qemu-system-x86_64 qemu-system-x86
qemu-img qemu-utils
qemu-storage-daemon qemu-utils
mmdebstrap mmdebstrap
mkfs.ext4 e2fsprogs
mkfs.xfs xfsprogs
mkfs.btrfs btrfs-progs
docker-registry docker-registry
busybox busybox-static
strip binutils
gcc gcc
conmon conmon
'
what=${1:-}
if [ "$what" = packages ]; then
    echo "$needed" | while read -r _ package; do echo "$package"; done | sort -u | xargs
    exit
fi
case $what in
bench) needed=$needed$bench ;;
machine) needed=$machine ;;
esac

PATH=$PATH:/usr/sbin:/sbin
missing() {
    echo "$needed" | while read -r program package; do
        [ -z "$program" ] || command -v "$program" >/dev/null 2>&1 || echo "$package"
    done | sort -u | tr '\n' ' '
    if [ "$what" = bench ] && ! /usr/bin/python3 -c 'import tomlkit' 2>/dev/null; then
        echo python3-tomlkit
    fi
    # What python3 needs to install programs from the package index.
    if [ -z "$what" ] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        echo python3-venv
    fi
}

packages=$(missing)
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing: $packages" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $packages >/dev/null
    packages=$(missing)
fi
if [ -n "$packages" ]; then
    echo "error: the tests need these Debian packages (or their like): $packages" >&2
    echo >&2
    echo "hint: run \`make ${what:-check}\` as root, or \`apt-get install $packages\` first" >&2
    exit 1
fi
[ "$what" != machine ] || exit 0
if ! command -v go >/dev/null 2>&1; then
    echo "error: the tests need Go 1.26 or newer, to build the engines that Debian does not have" >&2
    echo >&2
    echo "hint: install the Go toolchain and put its \`bin\` into PATH" >&2
    exit 1
fi
# With which the crate must build, beside the Rust of this machine.
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
if [ -z "$what" ] && ! rustup run "$oldest" cargo --version >/dev/null 2>&1 &&
    ! rustup toolchain install --profile minimal --no-self-update "$oldest" >&2; then
    echo "error: the tests need rustup, to build with Rust $oldest too" >&2
    echo >&2
    echo "hint: install rustup, and run \`rustup toolchain install --profile minimal $oldest\`" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "error: the tests in tests/real need root, for private mounts and rpm scriptlets" >&2
    echo >&2
    echo "hint: \`cargo test --test cmd --test forms --test properties\` runs those that do not" >&2
    exit 1
fi
# Once, for some minutes; the tests would do it too.
[ -n "$what" ] || "$(dirname "$0")/engines/build.sh" >/dev/null
[ -n "$what" ] || "$(dirname "$0")/validators/build.sh" >/dev/null
[ -n "$what" ] || "$(dirname "$0")/python/install.sh" >/dev/null
[ -n "$what" ] || "$(dirname "$0")/greenboot/build.sh" >/dev/null
