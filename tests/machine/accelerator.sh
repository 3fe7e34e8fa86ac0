#!/bin/sh
# Prints how qemu is to run the machine in DIR: `kvm` where that boots its kernel, else `tcg`.
# A device that is there says little: in nested machines it may take no kernel past its first
# instructions. The answer is kept until the host boots anew.
#
#   tests/machine/accelerator.sh DIR
set -eu
machine=$1
answer=/run/storagectl-machine-accelerator
if [ ! -e "$answer" ]; then
    accelerator=tcg
    if [ -w /dev/kvm ]; then
        console=$(mktemp)
        # There is no root, so a kernel that comes as far as that ends.
        timeout 20 qemu-system-x86_64 -machine q35,accel=kvm -smp 1 -m 512 -nodefaults -no-reboot \
            -display none -serial "file:$console" -kernel "$machine/vmlinuz" \
            -append "console=ttyS0 panic=-1" >/dev/null 2>&1 || true
        ! grep -q 'Kernel panic - not syncing: VFS' "$console" || accelerator=kvm
        rm -f "$console"
    fi
    echo "$accelerator" >"$answer"
fi
cat "$answer"
