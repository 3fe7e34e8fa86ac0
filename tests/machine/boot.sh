#!/bin/sh
# Boots the virtual machine of a release, with SELinux enforcing, storagectl installed as
# `make install` does it, and a script, which runs as root when the boot has ended. What the
# script prints is printed, and its exit status is this one's.
#
#   tests/machine/boot.sh [OPTION…] RELEASE SCRIPT [-- QEMU-OPTION…]
#
#   --tree DIR      lay the files of DIR over the root before it boots, too
#   --disk FILE     go on with the disk that a boot before left in FILE; made if it is not there
#   --append WORDS  more words for the kernel's command line
#   --console FILE  keep what the console showed
#   --memory MIB    1024 without it
#   --timeout SECS  7200 without it
#
# STORAGECTL_PROGRAM is the program that is installed; without it, the newest of
# target/release and target/debug. Exit status 124: it took too long. 125: the machine stopped
# before the script had ended; the end of its console is printed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
tree='' disk='' append='' console='' memory=1024 timeout=7200
while :; do
    case ${1:-} in
    --tree) tree=$2 ;;
    --disk) disk=$2 ;;
    --append) append=$2 ;;
    --console) console=$2 ;;
    --memory) memory=$2 ;;
    --timeout) timeout=$2 ;;
    *) break ;;
    esac
    shift 2
done
if [ $# -lt 2 ]; then
    echo "usage: $0 [OPTION…] RELEASE SCRIPT [-- QEMU-OPTION…]" >&2
    exit 2
fi
release=$1 script=$2
shift 2
[ "${1:-}" != -- ] || shift

if [ -z "${STORAGECTL_PROGRAM:-}" ]; then
    target=${CARGO_TARGET_DIR:-$project/target}
    # shellcheck disable=SC2012
    STORAGECTL_PROGRAM=$(ls -t "$target/release/storagectl" "$target/debug/storagectl" 2>/dev/null | head -1)
    if [ -z "$STORAGECTL_PROGRAM" ]; then
        echo "error: there is no program to install in the machine" >&2
        echo >&2
        echo "hint: \`cargo build\` first" >&2
        exit 2
    fi
fi
machine=$("$here/make.sh" "$release")
accelerator=$("$here/accelerator.sh" "$machine")
work=$(mktemp -d "${TMPDIR:-/tmp}/machine.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP INT TERM
[ -n "$console" ] || console=$work/console
[ -n "$disk" ] || disk=$work/disk
[ -e "$disk" ] || qemu-img create -q -f qcow2 -b "$machine/disk" -F raw "$disk"

# What this boot gets, as an archive that is the whole of a disk.
install -D -m 0755 "$script" "$work/tree/usr/local/lib/machine/test"
install -m 0644 "$here/inside/checks.sh" "$work/tree/usr/local/lib/machine/checks.sh"
"$here/install.sh" "$STORAGECTL_PROGRAM" "$work/tree"
# Where other things run, too, an emulated processor needs minutes for what a real one does in seconds.
mkdir -p "$work/tree/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultTimeoutStartSec=30min\nDefaultTimeoutStopSec=30min\nDefaultDeviceTimeoutSec=30min\n' \
    >"$work/tree/etc/systemd/system.conf.d/machine.conf"
[ -z "$tree" ] || cp -R --preserve=mode,links "$tree/." "$work/tree"
tar -C "$work/tree" --owner=0 --group=0 --numeric-owner -cf "$work/files" .

# Disks have their names in this order, and those of more options come behind.
status=0
timeout "$timeout" nice qemu-system-x86_64 -machine "q35,accel=$accelerator" -smp 1 -m "$memory" \
    -nodefaults -no-reboot -display none -serial "file:$console" -serial "file:$work/result" \
    -kernel "$machine/vmlinuz" -initrd "$machine/initrd" \
    -append "root=/dev/vda rw console=ttyS0 panic=-1 mitigations=off tsc=reliable no_timer_check security=selinux selinux=1 enforcing=1 $append" \
    -drive "file=$disk,if=none,id=root,format=qcow2,cache=unsafe,discard=unmap" \
    -drive "file=$work/files,if=none,id=files,format=raw,readonly=on" \
    -device virtio-blk-pci,drive=root -device virtio-blk-pci,drive=files "$@" >&2 || status=$?
sed '/^exit status: [0-9]*$/d' "$work/result"
result=$(sed -n 's/^exit status: \([0-9]*\)$/\1/p' "$work/result" | tail -1)
if [ -n "$result" ]; then
    exit "$result"
elif [ "$status" = 124 ]; then
    echo "error: the machine was not done within $timeout s" >&2
else
    echo "error: the machine stopped before the test had ended" >&2
    status=125
fi
tail -n 30 "$console" >&2
exit "$status"
