#!/usr/bin/env bash
# Looks for inputs that break a property: fuzz/run.sh SECONDS [PROPERTY...]
#
# libFuzzer needs nothing but the stable compiler: what it wants to know of a run is put into
# the program by LLVM's own pass, whose options cargo-fuzz gives, too.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
cargo=${CARGO:-cargo}
built=${CARGO_TARGET_DIR:-target}/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')

RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares" \
    "$cargo" build --locked --quiet --release --manifest-path fuzz/Cargo.toml --target "$triple" --target-dir "$built"
program=$built/$triple/release/storagectl-fuzz

[ $# -gt 0 ] || set -- $(sed -n 's/.*Property { name: "\([a-z-]*\)".*/\1/p' fuzz/properties/src/lib.rs)
status=0
for property; do
    mkdir -p "$built/corpus/$property" "$built/found"
    log=$built/$property.log
    # What it needs is bounded: 10 seconds and 1 GiB for an input of at most 64 KiB.
    if STORAGECTL_PROPERTY=$property "$program" "$built/corpus/$property" "fuzz/corpus/$property" \
        -dict=fuzz/words.dict -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
        -len_control=20 -print_final_stats=1 -artifact_prefix="$built/found/$property-" \
        >"$log" 2>&1; then
        outcome="holds"
    else
        outcome="broken, see $log"
        status=1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    echo "$property: ${runs:-0} inputs, ${covered:-0} places reached, ${peak:-?} MiB, $outcome"
done
exit $status
