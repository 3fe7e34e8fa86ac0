#!/bin/sh
# cargo for a processor, with the compilers of a root of their own: what it builds needs no
# library of the machine that it runs on, and is in target/processors/TARGET.
#
#   tests/processors/cargo.sh aarch64|ppc64le|s390x|x86_64 COMMAND…
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
case $1 in
ppc64le) machine=powerpc64le ;;
aarch64 | s390x | x86_64) machine=$1 ;;
*)
    echo "error: there is no compiler for the processor \`$1\`" >&2
    exit 2
    ;;
esac
command=$2
shift 2
target=$machine-unknown-linux-gnu
variable=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')
home=${CARGO_HOME:-$HOME/.cargo}
linker=$machine-linux-gnu-gcc
# A release is for a kernel, and not for qemu.
case "$machine $*" in
*--release*) ;;
s390x*) linker=$here/s390x-link.sh ;;
esac
root=$("$here/../hosts/make.sh" processors)
# The network is this machine's alone.
cargo fetch --locked --quiet --manifest-path "$project/Cargo.toml"
# No path of this machine is in what is built.
flags="-C target-feature=+crt-static --remap-path-prefix=$home=/cargo --remap-path-prefix=$project=/storagectl"
exec "$here/../hosts/enter.sh" --overlay "$root" "$project" "$home" -- env \
    CARGO_HOME="$home" CARGO_TARGET_DIR="$project/target/processors" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 \
    "${variable}_LINKER=$linker" "${variable}_RUSTFLAGS=$flags" \
    CARGO_PROFILE_DEV_OPT_LEVEL="${CARGO_PROFILE_DEV_OPT_LEVEL:-1}" \
    sh -c 'cd "$1" && shift && exec cargo "$@"' sh "$project" "$command" --offline --locked --target "$target" "$@"
