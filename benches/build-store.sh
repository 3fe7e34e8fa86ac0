#!/bin/sh
# Compares `storagectl build-store` with `skopeo copy` in a loop, and with mksquashfs
# behind it. Makes the images once, about 1.5 GiB in the user's cache. Says what was
# expected and what was missed; fails only if something does not run. Arguments are
# build-store.py's: --rounds N, --json FILE, --images DIR.
set -eu
if [ "$(id -u)" != 0 ]; then
    echo "error: the benchmark of build-store needs root, for stores with owners" >&2
    echo >&2
    echo "hint: run it with sudo" >&2
    exit 1
fi
exec python3 "$(dirname "$0")/build-store.py" "$@"
