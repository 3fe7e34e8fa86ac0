#!/bin/sh
# Runs a script of this directory, as root of the machine's own system, with a disk of a run
# mounted at /data; in namespaces of its own, with which everything goes again.
#
#   enter.sh ROOT TREE IMAGE FILESYSTEM SCRIPT [ARGUMENT…]
#
# ROOT is where the machine's system is mounted, TREE what is laid over it. With `-` for IMAGE no
# disk is mounted. STORAGECTL_BIND is a directory that is there, too, under its own name.
set -eu
if [ -z "${STORAGECTL_ENTERED:-}" ]; then
    STORAGECTL_ENTERED=1 exec unshare -mnpf --kill-child --propagation private "$0" "$@"
fi
unset STORAGECTL_ENTERED
root=$1 tree=$2 image=$3 filesystem=$4 bind=${STORAGECTL_BIND:-}
[ "$image" = - ] || image=$(realpath "$image")
shift 4
options=loop,offset=1048576
# Each cut has the same one.
[ "$filesystem" != xfs ] || options=$options,nouuid
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$tree:$root,upperdir=/mnt/upper,workdir=/mnt/work" none /mnt/root
cd /mnt/root
mkdir -p data
[ "$image" = - ] || mount -t "$filesystem" -o "$options" "$image" data
mount -t proc none proc
for dir in dev sys; do mount --rbind "/$dir" "$dir"; done
for dir in run tmp; do mount -t tmpfs -o mode=1777 none "$dir"; done
if [ -n "$bind" ]; then
    mkdir -p "./$bind"
    mount --bind "$bind" "./$bind"
fi
# As on a system that has booted.
mkdir -p run/systemd/system .before
pivot_root . .before
cd /
umount -l /.before
script=/usr/local/lib/power-cuts/$1
shift
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$script" "$@"
