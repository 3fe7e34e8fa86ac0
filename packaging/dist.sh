#!/bin/sh
# Makes the program for each processor, and packages of it for rpm and dpkg, in DIR beside the
# sources that `make archive` has put there: one line a processor.
#
#   packaging/dist.sh DIR VERSION [x86_64|aarch64|ppc64le|s390x…]
#
# scriptlets/storagectl.spec is the description of all packages, and `make install` the list of
# their files. SOURCE_DATE_EPOCH is the time of all that is made. STORAGECTL_BUILT is a program
# that is there already, for one processor.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
dist=$(realpath "$1") version=$2
shift 2
: "${SOURCE_DATE_EPOCH:?is the time of all that is made}"
this=$(uname -m)
left=''
if [ $# -eq 0 ]; then
    set -- "$this"
    for other in x86_64 aarch64 ppc64le s390x; do
        [ "$other" != "$this" ] || continue
        if [ "$(id -u)" = 0 ] && command -v mmdebstrap >/dev/null; then set -- "$@" "$other"; else left="$left $other"; fi
    done
fi
for program in rpmbuild dpkg-deb; do
    if ! command -v "$program" >/dev/null; then
        echo "error: \`$program\` is missing, which makes packages" >&2
        echo >&2
        echo "hint: \`apt-get install rpm dpkg\`, or their like" >&2
        exit 1
    fi
done

# Builds the program for a processor, and says where it is.
build() {
    if [ "$1" = "$this" ] && ! command -v mmdebstrap >/dev/null; then
        target=$(rustc -vV | sed -n 's/^host: //p')
        RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
            cargo build --quiet --locked --release --target "$target" --target-dir "$project/target/processors"
    else
        target=$(echo "$1" | sed 's/ppc64le/powerpc64le/')-unknown-linux-gnu
        "$project/tests/processors/cargo.sh" "$1" build --quiet --release
    fi >&2
    echo "$project/target/processors/$target/release/storagectl"
}

work=$dist/work
for processor in "$@"; do
    if [ -n "${STORAGECTL_BUILT:-}" ]; then built=$STORAGECTL_BUILT; else built=$(build "$processor"); fi
    program=$dist/storagectl-$version-$processor
    install -m 0755 "$built" "$program"
    # Those of this machine's program, which come first, are everybody's.
    completions=$work/completions
    if [ ! -d "$completions" ]; then
        mkdir -p "$completions"
        "$program" completions bash >"$completions/storagectl"
        "$program" completions zsh >"$completions/_storagectl"
        "$program" completions fish >"$completions/storagectl.fish"
    fi
    rm -rf "$work/root" "$work/top"
    # cargo and make tell their children where things are.
    env -u MAKEFLAGS -u MAKELEVEL -u CARGO_TARGET_DIR make -s -C "$dist/storagectl-$version" install-built \
        DESTDIR="$work/root" PREFIX=/usr PROGRAM="$program" COMPLETIONS="$completions"
    rpmbuild -bb --nodeps --quiet --target "$processor" --define "_topdir $work/top" --define "_rpmdir $dist" \
        --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' --define 'dist %{nil}' \
        --define "prebuilt $work/root" --define "sources $dist/storagectl-$version" \
        --define '_buildhost reproducible' --define 'use_source_date_epoch_as_buildtime 1' \
        --define 'clamp_mtime_to_source_date_epoch 1' --define '_binary_payload w9.gzdio' --define '_rpmformat 4' \
        --define '_rpmmacrodir /usr/lib/rpm/macros.d' --define '_docdir_fmt %%{NAME}' \
        "$dist/storagectl-$version/scriptlets/storagectl.spec" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        exit 1
    }
    for package in "$dist"/storagectl-"$version"-*."$processor".rpm "$dist"/storagectl-rpm-macros-"$version"-*.rpm; do
        "$here/deb.sh" "$package" "$dist"
    done
    echo "$processor: $(du -h "$program" | cut -f 1) program, $(du -h "$dist/storagectl-$version"-*."$processor".rpm | cut -f 1) rpm"
done
rm -rf "$work"
[ -z "$left" ] || echo "not made, since root and mmdebstrap are needed for their compilers:$left"
