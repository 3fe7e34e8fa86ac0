#!/bin/sh
# Runs a command for which cargo keeps what it compiles outside the checkout, where the engines are
# kept, too: a fresh clone compiles this crate alone.
#
#   tests/kept-build.sh COMMAND [ARGUMENT…]
#
# A checkout in which cargo has been used by itself has its own, and so does CARGO_BUILD_BUILD_DIR.
set -eu
if [ -n "${CARGO_BUILD_BUILD_DIR:-}" ] || [ -d "${CARGO_TARGET_DIR:-target}/debug/deps" ]; then
    exec "$@"
fi
kept=${XDG_CACHE_HOME:-${HOME:?}/.cache}/storagectl/build
mkdir -p "$(dirname "$kept")"
export CARGO_BUILD_BUILD_DIR="$kept"
# What is compiled for another checkout is of no use for the next change of this one.
export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"
# Tests keep files there as well, so one checkout is tested at a time.
flock --nonblock "$kept.lock" true || echo "waiting: another checkout is tested" >&2
# In KiB: a checkout elsewhere adds its programs, nearly 1 GiB, and cargo removes nothing.
enough=$((8 * 1048576))
exec flock --close "$kept.lock" sh -euc '
    size=$(du -sk "$CARGO_BUILD_BUILD_DIR" 2>/dev/null | cut -f1) || :
    [ "${size:-0}" -lt "$0" ] || rm -rf "$CARGO_BUILD_BUILD_DIR"
    exec "$@"' "$enough" "$@"
