#!/bin/sh
# Builds the programs that judge what `storagectl generate` writes, from the Go module
# proxy, and prints the directory that has them. What was built once is kept, outside
# the checkout: in $STORAGECTL_VALIDATORS, or in the user's cache.
#
#   butane              Butane, as it was before it became a part of Ignition
#   ignition-validate   of a current Ignition; Debian's is an older one
#   quadlet-5, quadlet-6  the generators of the podmans that tests/engines builds
#   crd-validate        what an API server says of an object, by the definition of its kind
#   openshift-api/      the definitions of OpenShift's kinds, and the API's own tests of them
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
validators=${STORAGECTL_VALIDATORS:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/storagectl/validators}

# Where the go.mod of a program is.
module() {
    case $1 in
        quadlet-*) echo "$sources/../engines/podman-${1#quadlet-}" ;;
        *) echo "$sources/$1" ;;
    esac
}

# The hash of what a program is made from: its version in go.mod, this script.
made_from() {
    cat "$sources/build.sh" "$(module "$1")"/* | sha256sum | cut -c 1-16
}

# Builds a program to a file that does not count, then gives it its name.
build() (
    echo "building $1, once; kept in $validators" >&2
    cd "$(module "$1")"
    export GOFLAGS='-mod=readonly -buildvcs=false' GOWORK=off
    if [ "$1" = openshift-api ]; then
        go mod download github.com/openshift/api
        api=$(go list -m -f '{{.Dir}}' github.com/openshift/api)/machineconfiguration/v1
        rm -rf "$validators/$1"
        mkdir "$validators/$1"
        cp "$api"/zz_generated.crd-manifests/*.yaml "$validators/$1"
        cp -R "$api/tests" "$validators/$1/tests"
        chmod -R u+w "$validators/$1"
        made_from "$1" >"$validators/.$1.made-from"
        return
    fi
    case $1 in
        crd-validate) package=. ;;
        butane) package=github.com/coreos/butane/internal ;;
        quadlet-5) package=github.com/containers/podman/v5/cmd/quadlet ;;
        quadlet-6) package=go.podman.io/podman/v6/cmd/quadlet ;;
        *) package=github.com/coreos/ignition/v2/validate ;;
    esac
    # Exactly the versions and hashes of go.mod and go.sum, with priority for others.
    CGO_ENABLED=0 nice go build -p 2 -trimpath \
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
for program in butane ignition-validate quadlet-5 quadlet-6 crd-validate openshift-api; do
    fresh "$program" || build "$program"
done
echo "$validators"
