#!/bin/sh
# Runs all of `steps` on one disk, in the machine: after each it prints the state into a file
# and notes on the second partition of the same disk that it has ended, without a flush, which
# would keep what the command itself did not.
#
#   record.sh PARTITIONS DIRECTORY
#
# PARTITIONS is what the names of the disk's partitions begin with.
set -eu
here=$(dirname "$0")
partition=$1 states=$2
mark() {
    echo "ended $1" | dd of="${partition}2" bs=512 seek="$1" conv=sync,notrunc oflag=direct status=none
}
mkdir -p /data "$states"
mount "${partition}1" /data
"$here/bind.sh"
"$here/state.py" >"$states/0"
mark 0
number=0
while read -r _ command; do
    number=$((number + 1))
    "$here/step.sh" "$command" </dev/null >"$states/said" 2>&1 || {
        echo "error: \`$command\` ended with $?:" >&2
        cat "$states/said" >&2
        exit 1
    }
    mark "$number"
    "$here/state.py" >"$states/$number"
done <<STEPS
$(grep -v -e '^#' -e '^$' "$here/steps")
STEPS
sync
