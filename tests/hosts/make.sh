#!/bin/sh
# Makes the root of a release of Debian, with all programs that the tests need, in
# ~/.cache/storagectl/hosts, and prints its directory. A root that is there is kept, until
# this script changes.
#
#   tests/hosts/make.sh trixie|sid
set -eu
release=$1
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/storagectl/hosts

# What these hosts have and the machine of the tests need not have.
packages="$("$here/../requirements.sh" packages) buildah ca-certificates createrepo-c netavark passt podman
    procps python3-venv skopeo systemd-sysv uidmap"
case $release in
trixie) packages="$packages dnf" options='' ;;
sid)
    packages="$packages dnf5 composefs"
    # Its release file is as old as the mirror's last visit.
    options='--aptopt=Acquire::Check-Valid-Until "false"'
    ;;
*)
    echo "error: no root of \`$release\` is known, but of trixie and sid" >&2
    exit 2
    ;;
esac

key=$(printf '%s %s' "$packages" "$options" | sha256sum | cut -c1-12)
root=$cache/$release-$key
if [ ! -d "$root" ]; then
    if ! command -v mmdebstrap >/dev/null 2>&1; then
        echo "error: \`mmdebstrap\` is missing, which makes the roots of other releases" >&2
        echo >&2
        echo "hint: \`apt-get install mmdebstrap\`" >&2
        exit 1
    fi
    mkdir -p "$cache"
    # A run that was killed may have left mounts behind.
    rm -rf --one-file-system "$cache/$release".new
    include=$(echo "$packages" | xargs | tr ' ' ,)
    if ! mmdebstrap --quiet --variant=minbase ${options:+"$options"} --include="$include" \
        "$release" "$cache/$release.new" >&2; then
        echo "error: the root of $release could not be made" >&2
        exit 1
    fi
    find "$cache" -maxdepth 1 -name "$release-*" -exec rm -rf {} +
    mv "$cache/$release.new" "$root"
fi
echo "$root"
