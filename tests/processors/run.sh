#!/bin/sh
# Builds the program for other processors, runs its tests that need no engine there, which means
# under qemu, and compares what it makes with what this machine's makes: one line a processor.
#
#   tests/processors/run.sh [aarch64|ppc64le|s390x…]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
if [ "$(id -u)" != 0 ]; then
    echo "error: the root with the compilers needs root, to be made and entered" >&2
    exit 1
fi
[ $# -gt 0 ] || set -- aarch64 ppc64le s390x
# Not `bounded`, which measures time and memory, nor `real`, which needs engines.
tests='cmd command_line declared exit_status forms fuzz man original_bytes original_tree properties provision terminal'

cd "$project"
root=$("$here/../hosts/make.sh" processors)
log=$(mktemp -d)
failed=0
for processor in "$@"; do
    begin=$(date +%s)
    built=$log/$processor.built
    # shellcheck disable=SC2046
    if ! "$here/cargo.sh" "$processor" test --no-run --lib $(printf -- '--test %s ' $tests) >"$built" 2>&1; then
        echo "$processor: FAILED: it cannot be built, see $built"
        failed=1
        continue
    fi
    qemu="$root/usr/bin/qemu-$processor"
    programs=$(sed -n 's/.*Executable.*(\(.*\))$/\1/p' "$built" | xargs realpath)
    dir=$(dirname "$(dirname "$(echo "$programs" | head -1)")")
    # The kernel need not know what qemu is for, so a script has the program's name. What
    # cargo finds changed it links again.
    mkdir -p "$dir/$processor"
    if ! head -c 2 "$dir/storagectl" | grep -q '#!'; then mv "$dir/storagectl" "$dir/$processor/storagectl"; fi
    # cargo links it to the one in `deps`.
    rm -f "$dir/storagectl"
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$qemu" "$dir/$processor/storagectl" >"$dir/storagectl"
    chmod +x "$dir/storagectl"
    passed=0 wrong=''
    for program in $programs; do
        name=$(basename "$program" | sed 's/-[0-9a-f]*$//')
        if timeout 1800 "$qemu" "$program" --test-threads 2 >"$log/$processor.$name" 2>&1; then
            passed=$((passed + $(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log/$processor.$name")))
        else
            wrong="$wrong $name"
        fi
    done
    same=$(STORAGECTL_PROCESSORS="$processor=$dir/storagectl" cargo test --locked --quiet --test real processors:: -- \
        --nocapture 2>"$log/$processor.real" | tee -a "$log/$processor.real" |
        sed -n 's/^'"$processor"': \([0-9]* outputs are the same\)$/\1/p')
    [ -n "$same" ] || wrong="$wrong real"
    took="$(($(date +%s) - begin)) s"
    if [ -z "$wrong" ]; then
        echo "$processor ($("$qemu" --version | sed -n 's/.*version \([0-9.]*\).*/qemu \1/p')): passed: $passed tests, $same, $took"
    else
        echo "$processor: FAILED:$wrong, see $log, $took"
        failed=1
    fi
done
[ "$failed" = 1 ] || rm -rf "$log"
exit "$failed"
