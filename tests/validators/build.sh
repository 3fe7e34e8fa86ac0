#!/bin/sh
# Builds the programs that judge what `storagectl generate` writes, from the Go module
# proxy, and prints the directory that has them. What was built once is kept, outside
# the checkout: in $STORAGECTL_VALIDATORS, or in the user's cache.
#
#   butane              Butane, as it was before it became a part of Ignition
#   ignition-validate   of a current Ignition; Debian's is an older one
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
validators=${STORAGECTL_VALIDATORS:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/storagectl/validators}

# The hash of what a program is made from: its version in go.mod, this script.
made_from() {
    cat "$sources/build.sh" "$sources/$1"/* | sha256sum | cut -c 1-16
}

# Builds a program to a file that does not count, then gives it its name.
build() (
    echo "building $1, once; kept in $validators" >&2
    case $1 in
        butane) package=github.com/coreos/butane/internal ;;
        *) package=github.com/coreos/ignition/v2/validate ;;
    esac
    cd "$sources/$1"
    # Exactly the versions and hashes of go.mod and go.sum, with priority for others.
    CGO_ENABLED=0 GOFLAGS='-mod=readonly -buildvcs=false' GOWORK=off nice go build -p 2 -trimpath \
        -ldflags '-s -w' -o "$validators/.$1.new" "$package"
    mv "$validators/.$1.new" "$validators/$1"
    made_from "$1" >"$validators/.$1.made-from"
)

fresh() {
    [ -x "$validators/$1" ] && [ "$(cat "$validators/.$1.made-from" 2>/dev/null)" = "$(made_from "$1")" ]
}

mkdir -p "$validators"
# One at a time: test processes that start together share what the first one builds.
exec 9>"$validators/.lock"
flock 9
for program in butane ignition-validate; do
    fresh "$program" || build "$program"
done
echo "$validators"
