#!/bin/sh
# Makes the root of a release of Debian, with all programs that the tests need, in
# ~/.cache/storagectl/hosts, and prints its directory. A root that is there is kept, until
# this script changes.
#
#   tests/hosts/make.sh trixie|sid|processors
#
# `processors` is a sid with what builds the program for other processors, and runs it.
set -eu
release=$1
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/storagectl/hosts

# What these hosts have and the machine of the tests need not have.
packages="$("$here/../requirements.sh" packages) buildah ca-certificates createrepo-c netavark passt podman
    procps python3-venv skopeo systemd-sysv uidmap"
name=$release
# sid's release file is as old as the mirror's last visit.
stale='--aptopt=Acquire::Check-Valid-Until "false"'
case $name in
trixie) packages="$packages dnf" options='' ;;
sid)
    packages="$packages dnf5 composefs"
    options=$stale
    ;;
processors)
    release=sid
    options="$stale
--architectures=amd64,arm64,ppc64el,s390x"
    packages='cargo gcc libc6-dev qemu-user rustc'
    for arch in arm64:aarch64 ppc64el:powerpc64le s390x:s390x; do
        packages="$packages gcc-${arch#*:}-linux-gnu libc6-dev:${arch%:*} libstd-rust-dev:${arch%:*}"
    done
    ;;
*)
    echo "error: no root of \`$name\` is known, but of trixie, sid and processors" >&2
    exit 2
    ;;
esac

key=$(printf '%s %s' "$packages" "$options" | sha256sum | cut -c1-12)
root=$cache/$name-$key
if [ ! -d "$root" ]; then
    if ! command -v mmdebstrap >/dev/null 2>&1; then
        echo "error: \`mmdebstrap\` is missing, which makes the roots of other releases" >&2
        echo >&2
        echo "hint: \`apt-get install mmdebstrap\`" >&2
        exit 1
    fi
    mkdir -p "$cache"
    # A run that was killed may have left mounts behind.
    rm -rf --one-file-system "$cache/$name".new
    include=$(echo "$packages" | xargs | tr ' ' ,)
    # Each option is a line, in which blanks stand.
    if ! (
        IFS='
'
        # shellcheck disable=SC2086
        mmdebstrap --quiet --variant=minbase $options --include="$include" "$release" "$cache/$name.new" >&2
    ); then
        echo "error: the root of $name could not be made" >&2
        exit 1
    fi
    find "$cache" -maxdepth 1 -name "$name-*" -exec rm -rf {} +
    mv "$cache/$name.new" "$root"
fi
echo "$root"
