#!/bin/sh
# Runs "$@" as the normal user 4321, who is root in a user name space of its own, as that
# user's engines are. In a mount name space that nobody else has.
set -e
mount -t tmpfs none /run
mkdir -p /run/u /run/user/4321
for file in passwd group; do cp "/etc/$file" "/run/$file"; done
echo 'user:x:4321:4321::/run/u:/bin/sh' >>/run/passwd
echo 'user:x:4321:' >>/run/group
echo 'user:100000:4000000' >/run/subuid
cp /run/subuid /run/subgid
for file in passwd group subuid subgid; do mount --bind "/run/$file" "/etc/$file"; done
mount -t cgroup2 none /sys/fs/cgroup
# The user need not get to where it is.
program=$1
shift
cp "$program" /run/program
chown 4321:4321 /run/u /run/user/4321
export HOME=/run/u XDG_RUNTIME_DIR=/run/user/4321
export _CONTAINERS_USERNS_CONFIGURED=done _CONTAINERS_ROOTLESS_UID=4321 _CONTAINERS_ROOTLESS_GID=4321
exec setpriv --reuid 4321 --regid 4321 --clear-groups \
    unshare -Urm --map-users=100000,1,4000000 --map-groups=100000,1,4000000 /run/program "$@"
