#!/bin/sh
# Looks at the disk after a cut: its state, and the findings of deep checks; with a command,
# both again after that was run.
#
#   check.sh [COMMAND]
set -eu
here=$(dirname "$0")
"$here/bind.sh"
look() {
    echo "== state"
    "$here/state.py"
    stores=$("$here/stores.sh")
    echo "== stores"
    # shellcheck disable=SC2086
    [ -z "$stores" ] || storagectl -q check-store --deep --jobs 1 --format json $stores 2>&1 || :
    if [ -s /usr/lib/containers/storage/image-list.txt ]; then
        echo "== embedded"
        storagectl -q verify-images --format json 2>&1 || :
    fi
}
look
if [ -d /srv/controls/skopeo/overlay-images ]; then
    echo "== skopeo"
    storagectl -q check-store --deep --jobs 1 --format json /srv/controls/skopeo 2>&1 || :
fi
[ $# -gt 0 ] || exit 0
case $1 in *REGISTRY*) "$here/registry.sh" ;; esac
status=0
said=$("$here/step.sh" "$1" 2>&1 </dev/null) || status=$?
echo "== again"
echo "$status"
echo "$said"
look
