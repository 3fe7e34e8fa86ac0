#!/bin/sh
# Builds the engines that the tests compare storagectl with, from the Go module
# proxy, and prints the directory that has them. What was built once is kept, outside
# the checkout: in $STORAGECTL_ENGINES, or in the user's cache.
#
#   legacy4, legacy, modern     the storage library's own loader of the configuration
#   podman-4, podman-5, podman-6, crio, containers-storage
#   reader-4, reader-5, reader-6    podman's own libraries for images and stores
#
# With names as arguments, builds only those.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
engines=${STORAGECTL_ENGINES:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/storagectl/engines}
[ $# -gt 0 ] || set -- legacy4 legacy modern containers-storage podman-4 podman-5 podman-6 crio

# The hash of what an engine is made from: its sources, the versions in go.mod, this script.
made_from() {
    cat "$sources/build.sh" "$sources/$1"/* | sha256sum | cut -c 1-16
}

# The package to build, and whether it needs C: podman's database does.
package() {
    case $1 in
        # The overlay driver of its library does.
        reader-4) echo 1 . ;;
        podman-*) sed -n 's/^import _ "\(.*\)"/1 \1/p' "$sources/$1/tools.go" ;;
        crio | containers-storage) sed -n 's/^import _ "\(.*\)"/0 \1/p' "$sources/$1/tools.go" ;;
        *) echo 0 . ;;
    esac
}

# Builds an engine to a file that does not count, then gives it its name.
build() (
    target=$1
    echo "building $target, once; kept in $engines" >&2
    package "$target" | {
        read -r c package
        cd "$sources/$target"
        # Exactly the versions and hashes of go.mod and go.sum, with priority for others.
        CGO_ENABLED=$c GOFLAGS='-mod=readonly -buildvcs=false' GOWORK=off nice go build -p 2 -trimpath \
            -ldflags '-s -w' \
            -tags 'exclude_graphdriver_btrfs exclude_graphdriver_devicemapper containers_image_openpgp' \
            -o "$engines/.$target.new" "$package"
    }
    mv "$engines/.$target.new" "$engines/$target"
    made_from "$target" >"$engines/.$target.made-from"
)

fresh() {
    [ -x "$engines/$1" ] && [ "$(cat "$engines/.$1.made-from" 2>/dev/null)" = "$(made_from "$1")" ]
}

mkdir -p "$engines"
# One at a time: test processes that start together share what the first one builds.
exec 9>"$engines/.lock"
flock 9
for engine; do
    fresh "$engine" || build "$engine"
done
echo "$engines"
