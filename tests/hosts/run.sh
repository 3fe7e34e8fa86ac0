#!/bin/sh
# Runs tests in roots of newer releases of Debian, with their rpm, podman, skopeo, ostree and
# systemd: one line a release, and the names of what fails.
#
#   tests/hosts/run.sh [FILTER…]
#
# Without a filter all tests that need programs, and those of dnf, which `make check` leaves out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/storagectl
if [ "$(id -u)" != 0 ]; then
    echo "error: roots of other releases need root, to be made and entered" >&2
    exit 1
fi

cd "$project"
engines=$(tests/engines/build.sh)
tests/engines/build.sh legacy-crio reader-4 reader-5 reader-6 >/dev/null
cargo test --locked --quiet --test real --no-run
program=$(cargo test --locked --test real --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
cargo=$(dirname "$(command -v cargo)")
failed=0
for release in trixie sid; do
    root=$("$here/make.sh" "$release")
    log=$(mktemp)
    begin=$(date +%s)
    # The compiler and what it has fetched are this machine's: one test builds from the archive.
    # So is the checkout, in which nothing is to be left.
    if "$here/enter.sh" "$root" "$project" "$cache" "$engines" "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}" -- \
        sh -c 'cd /tmp && program=$1 && export PATH="$PATH:$2" STORAGECTL_ENGINES="$3" && shift 3 && exec "$program" "$@"' \
        sh "$(realpath "$program")" "$cargo" "$engines" --test-threads 2 --include-ignored "$@" >"$log" 2>&1; then
        result=passed
    else
        result=FAILED failed=1
    fi
    versions=$(chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' rpm dnf dnf5 podman skopeo ostree systemd 2>/dev/null |
        sed 's/[-+~].*//' | paste -sd, | sed 's/,/, /g')
    counts=$(sed -n 's/^test result: [a-zA-Z]*\. \([0-9]*\) passed; \([0-9]*\) failed.*/\1 tests passed, \2 failed/p' "$log")
    echo "$release ($versions): $result: ${counts:-see $log}, $(($(date +%s) - begin)) s"
    sed -n 's/^test \(.*\) \.\.\. FAILED$/  \1/p' "$log"
    [ "$result" != passed ] || rm -f "$log"
done
exit "$failed"
