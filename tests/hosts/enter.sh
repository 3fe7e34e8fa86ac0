#!/bin/sh
# Runs a command in a copy of the root of another release, as a machine of its own as far as
# mounts and processes go: what it changes there, and what is left running, goes with it. The
# paths that are named are there, too, and are this machine's.
#
#   tests/hosts/enter.sh [--overlay] ROOT [PATH…] -- COMMAND…
#
# With --overlay, changes are kept in memory, and no overlay can be made of what is there.
set -eu
if [ -z "${STORAGECTL_ENTERED:-}" ]; then
    if [ "$1" = --overlay ]; then
        STORAGECTL_ENTERED=1 exec unshare -mpf --kill-child --propagation private "$0" "$@"
    fi
    # Not an overlay: engines in it make overlays, and tests one of the whole.
    copy=$(mktemp -d "$1.XXXXXX")
    trap 'rm -rf "$copy"' EXIT
    cp -a "$1/." "$copy"
    shift
    STORAGECTL_ENTERED=1 unshare -mpf --kill-child --propagation private "$0" "$copy" "$@"
    exit
fi
unset STORAGECTL_ENTERED
if [ "$1" = --overlay ]; then
    shift
    mount -t tmpfs none /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" none /mnt/root
    cd /mnt/root
else
    mount --bind "$1" "$1"
    cd "$1"
fi
shift
mount -t proc none proc
for dir in dev sys; do mount --rbind "/$dir" "$dir"; done
for dir in run tmp; do mount -t tmpfs -o mode=1777 none "$dir"; done
cp /etc/resolv.conf etc/resolv.conf
# What this machine trusts, for the package indexes that it reaches.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
while [ "$1" != -- ]; do
    mkdir -p "./$1"
    mount --rbind "$1" "./$1"
    shift
done
shift
mkdir .before
pivot_root . .before
cd /
umount -l /.before
rmdir /.before
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
