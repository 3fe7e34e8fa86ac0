#!/bin/sh
# Installs storagectl below DIR as `make install` does, stripped, and without completions, which nobody
# types there.
#
#   tests/machine/install.sh PROGRAM DIR
set -eu
project=$(cd "$(dirname "$0")/../.." && pwd)
completions=$(mktemp -d)
trap 'rm -rf "$completions"' EXIT
touch "$completions/storagectl" "$completions/_storagectl" "$completions/storagectl.fish"
make -s --no-print-directory -C "$project" install-built PREFIX=/usr DESTDIR="$2" PROGRAM="$1" \
    COMPLETIONS="$completions" >&2
# Most of a debug build is for debuggers.
strip "$2/usr/bin/storagectl" 2>/dev/null || true
