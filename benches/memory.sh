#!/bin/sh
# Runs every command on the worst input that it takes, and writes their peak memory to
# docs/memory.md. Arguments are memory.py's: --program FILE.
set -eu
if [ "$(id -u)" != 0 ]; then
    echo "error: the benchmark of memory needs root, for stores with owners" >&2
    echo >&2
    echo "hint: run it with sudo" >&2
    exit 1
fi
exec python3 "$(dirname "$0")/memory.py" "$@"
