#!/bin/sh
# What only a kernel of its own can show: boots, and SELinux enforcing. One line a part, and the
# names of what fails.
#
#   tests/machine/run.sh [RELEASE [PART…]]
#
# Without parts, all of them: `selinux`, `boots`, `crio`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
if [ "$(id -u)" != 0 ]; then
    echo "error: the root of the machine needs root, to be made and labelled" >&2
    exit 1
fi
"$here/../requirements.sh" machine
release=${1:-trixie}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- selinux boots crio

cd "$project"
cargo build --locked --quiet --release
STORAGECTL_PROGRAM=$(realpath "${CARGO_TARGET_DIR:-target}/release/storagectl")
export STORAGECTL_PROGRAM
machine=$("$here/make.sh" "$release")
versions=$(grep -E '^(linux-image-[0-9][^ ]*|podman|selinux-policy-default|systemd) ' "$machine/packages" |
    sed 's/^linux-image-[^ ]*/linux/; s/[-+~:].*//' | paste -sd, | sed 's/,/, /g')
echo "$release: $versions; qemu with $("$here/accelerator.sh" "$machine")"

failed=0
for part in "$@"; do
    log=$(mktemp)
    begin=$(date +%s)
    if "$here/$part.sh" "$release" >"$log" 2>&1; then result=passed; else result=FAILED failed=1; fi
    counts=$(awk '/^[0-9]+ checks, [0-9]+ failed$/ { checks += $1; failed += $3; boots++ }
        END { printf "%d boots, %d checks, %d failed", boots, checks, failed }' "$log")
    echo "$part: $result: $counts, $(($(date +%s) - begin)) s"
    grep -E '^(FAILED|note|storagectl.s share)' "$log" | sed 's/^/  /' || true
    if [ "$result" = passed ]; then rm -f "$log"; else echo "  see $log"; fi
done
exit "$failed"
