#!/bin/sh
# Compares `storagectl pack rpm` with the steps of MicroShift's paack: pull into a store,
# tar with bzip2, rpmbuild. Uses the images of build-store.sh. Says what was expected and
# what was missed; fails only if something does not run. Arguments are pack.py's:
# --rounds N, --json FILE, --images DIR.
set -eu
if [ "$(id -u)" != 0 ]; then
    echo "error: the benchmark of pack needs root, since what it is compared with does" >&2
    echo >&2
    echo "hint: run it with sudo" >&2
    exit 1
fi
exec python3 "$(dirname "$0")/pack.py" "$@"
