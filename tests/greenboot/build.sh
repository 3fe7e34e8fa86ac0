#!/bin/sh
# Builds greenboot's runner of health checks and prints its path. What was built once is kept, outside
# the checkout: in $STORAGECTL_GREENBOOT, or in the user's cache.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
kept=${STORAGECTL_GREENBOOT:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/storagectl/greenboot}

made_from() {
    cat "$sources/build.sh" "$sources/Cargo.toml" "$sources/Cargo.lock" "$sources/src/main.rs" | sha256sum | cut -c 1-16
}

mkdir -p "$kept"
# One at a time: test processes that start together share what the first one builds.
exec 9>"$kept/.lock"
flock 9
if [ ! -x "$kept/run-health-checks" ] || [ "$(cat "$kept/.made-from" 2>/dev/null)" != "$(made_from)" ]; then
    echo "building greenboot's runner, once; kept in $kept" >&2
    # cargo tells its children where things are.
    env -u CARGO_TARGET_DIR -u RUSTFLAGS nice cargo build --quiet --locked --manifest-path "$sources/Cargo.toml" \
        --target-dir "$kept/target" >&2
    mv "$kept/target/debug/run-health-checks" "$kept/run-health-checks"
    rm -rf "$kept/target"
    made_from >"$kept/.made-from"
fi
echo "$kept/run-health-checks"
