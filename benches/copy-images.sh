#!/bin/sh
# Compares `storagectl copy-images` with a shell loop around `skopeo copy`, as bootc images
# of MicroShift have it, and `storagectl verify-images` with OpenSSL's SHA-256. Makes the
# images once, about 1.5 GiB in the user's cache, which build-store.sh shares. Says what was
# expected and what was missed; fails only if something does not run. Arguments are
# copy-images.py's: --rounds N, --json FILE, --images DIR.
set -eu
if [ "$(id -u)" != 0 ]; then
    echo "error: the benchmark of copy-images needs root, for stores with owners" >&2
    echo >&2
    echo "hint: run it with sudo" >&2
    exit 1
fi
exec python3 "$(dirname "$0")/copy-images.py" "$@"
