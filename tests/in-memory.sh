#!/bin/sh
# Runs a command whose temporary files are in memory, where root may mount that and there is enough
# of it: for what tests write and remove again, a disk costs them a fifth of their time.
#
#   tests/in-memory.sh COMMAND [ARGUMENT…]
#
# A TMPDIR that is set stays what it is: `TMPDIR=/tmp make check` has them on the disk.
set -eu
# In GiB. All tests at once have been seen to need 1.
enough=8
available=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
if [ -n "${TMPDIR:-}" ] || [ "$(id -u)" != 0 ] || [ "${available:-0}" -lt "$enough" ]; then
    exec "$@"
fi
# podman takes no long path.
dir=$(mktemp -d /tmp/mem.XXX)
if ! mount -t tmpfs -o mode=1777,size=$((available / 2))G storagectl-tests "$dir" 2>/dev/null; then
    rmdir "$dir"
    exec "$@"
fi
trap 'umount -l "$dir"; rmdir "$dir"' EXIT
trap 'exit 129' HUP INT TERM
TMPDIR=$dir "$@"
