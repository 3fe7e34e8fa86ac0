#!/bin/sh
# Compares `storagectl check-store` with the engines' own checks and with the limit that
# hashing sets. Makes two stores once, some GiB in the user's cache. Says what was
# expected and what was missed; fails only if something does not run. Arguments are
# check-store.py's: --rounds N, --json FILE, --stores DIR.
set -eu
if [ "$(id -u)" != 0 ]; then
    echo "error: the benchmark of check-store needs root, for stores with owners" >&2
    echo >&2
    echo "hint: run it with sudo" >&2
    exit 1
fi
exec python3 "$(dirname "$0")/check-store.py" "$@"
