#!/bin/sh
# Shows what power cuts leave of what storagectl writes. Records one run of commands in the
# virtual machine, write by write, on three file systems; then makes cuts of it on this host,
# each of which is mounted and looked at. A line a file system; docs/power-cuts.md explains them.
#
#   tests/machine/power-cuts.sh
#
# CUTS is how many for each file system, SEED which, FILESYSTEMS on which ones; CUT=xfs/17 makes that one again, says what is
# found and keeps the disk; COMMAND=build-store makes cuts only while such commands run. A run that
# was recorded with the same program is kept. HERE=1 records it with this host's kernel, which
# takes a minute where the machine takes an hour without kvm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
if [ "$(id -u)" != 0 ]; then
    echo "error: disks can be mounted by root alone" >&2
    exit 1
fi
if [ -z "${STORAGECTL_OWN_MOUNTS:-}" ]; then
    STORAGECTL_OWN_MOUNTS=1 exec unshare -m --propagation private "$0" "$@"
fi
cd "$project"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
cargo build --locked --quiet --release
cargo test --locked --quiet --test power_cuts --no-run
STORAGECTL_PROGRAM=${STORAGECTL_PROGRAM:-$target/release/storagectl}
export STORAGECTL_PROGRAM
filesystems=${FILESYSTEMS:-ext4 xfs btrfs}
machine=$("$here/make.sh" trixie)
key=$({ cat "$STORAGECTL_PROGRAM" "$0" "$here"/power-cuts/*; echo "$machine ${HERE:-}"; } | sha256sum | cut -c1-12)
record=$target/power-cuts/$key

# In blocks of 512 bytes: the partition with the file system, and that which notes what has ended.
start=2048 length=1433600 end=1439744

# Makes a disk of an MBR and a file system in its first partition.
disk() { # FILESYSTEM FILE
    truncate -s $((end * 512)) "$2"
    {
        head -c 446 /dev/zero
        printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\340\025\0'
        printf '\0\0\0\0\332\0\0\0\0\350\025\0\0\020\0\0'
        head -c 32 /dev/zero
        printf '\125\252'
    } | dd of="$2" conv=notrunc status=none
    loop=$(losetup --find --show --offset $((start * 512)) --sizelimit $((length * 512)) "$2")
    made=0
    "mkfs.$1" -q "$loop" >/dev/null || made=$?
    losetup --detach "$loop"
    # That is done when the last who looks at it has closed it.
    while losetup --associated "$2" | grep -q .; do sleep 0.1; done
    return "$made"
}

# What the machine is given: the steps, the images, and a registry; and what may be any engine,
# so that all that read configuration in another way are served.
tree() { # DIRECTORY
    mkdir -p "$1/usr/local/lib/power-cuts" "$1/usr/local/bin" "$1/usr/bin"
    cp "$here"/power-cuts/* "$1/usr/local/lib/power-cuts/"
    cp "$(command -v docker-registry)" "$1/usr/local/bin/"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec /usr/bin/podman "$@"\n' >"$1/usr/local/bin/podman"
    chmod 755 "$1/usr/local/bin/podman"
    # Where the units are decides what doctor advises.
    "$here/install.sh" "$STORAGECTL_PROGRAM" "$1"
    STORAGECTL_INPUTS=$1/usr/local/lib/power-cuts \
        cargo test --locked --quiet --test power_cuts -- --ignored --exact inputs::images >/dev/null
}

# Runs the steps on one file system, in a machine of its own.
machine() { # FILESYSTEM
    disk=$record/$1
    truncate -s 64M "$disk.states"
    "$here/boot.sh" --tree "$record/tree" trixie "$here/power-cuts/guest.sh" -- \
        -drive "file=$disk.states,format=raw,if=none,id=states" -device virtio-blk-pci,drive=states,serial=states \
        -blockdev "driver=file,node-name=disk,filename=$disk.disk,cache.no-flush=on" \
        -blockdev "driver=file,node-name=log,filename=$disk.log,cache.no-flush=on" \
        -blockdev "driver=blklogwrites,node-name=logged,file=disk,log=log" \
        -device "virtio-blk-pci,drive=logged,serial=$1,write-cache=on,request-merging=off,discard=off,write-zeroes=off,physical_block_size=4096" ||
        return
    tar -C "$record" -xf "$disk.states" --no-same-owner
}

# Records what is run on one file system.
record() { # FILESYSTEM
    disk=$record/$1
    rm -rf "$disk" "$disk".*
    disk "$1" "$disk.start"
    "$here/power-cuts/enter.sh" "$record/root" "$record/tree" "$disk.start" "$1" seed.sh
    cp --sparse=always "$disk.start" "$disk.disk"
    truncate -s 0 "$disk.log"
    if [ -n "${HERE:-}" ]; then
        "$here/power-cuts/here.sh" "$record/root" "$record/tree" "$record" "$1" "$start" "$length"
    else
        machine "$1"
    fi
    STORAGECTL_RECORD=$record STORAGECTL_FILESYSTEMS=$1 \
        cargo test --locked --quiet --test power_cuts -- --ignored --exact recorded::the_log_is_whole >/dev/null
    rm -f "$disk.disk" "$disk.states"
    touch "$disk.whole"
}

mkdir -p "$record/root"
find "$target/power-cuts" -mindepth 1 -maxdepth 1 -type d ! -name "$key" -exec rm -rf --one-file-system {} +
mount -o loop,ro,noload "$machine/disk" "$record/root"
if [ ! -d "$record/tree" ]; then
    rm -rf "$record/tree.new"
    mkdir "$record/tree.new"
    tree "$record/tree.new"
    mv "$record/tree.new" "$record/tree"
fi
# At the same time, since each takes one processor.
recording=''
for filesystem in $filesystems; do
    [ ! -e "$record/$filesystem.whole" ] || continue
    (record "$filesystem") &
    recording="$recording $!"
done
failed=0
for process in $recording; do wait "$process" || failed=$?; done
[ "$failed" = 0 ] || exit "$failed"

env STORAGECTL_RECORD="$record" STORAGECTL_CUTS="${CUTS:-1000}" STORAGECTL_SEED="${SEED:-1}" \
    STORAGECTL_FILESYSTEMS="$filesystems" \
    ${CUT:+STORAGECTL_CUT="$CUT"} ${COMMAND:+STORAGECTL_COMMAND="$COMMAND"} \
    cargo test --locked --quiet --test power_cuts -- --ignored --exact --nocapture \
    recorded::nothing_is_lost_by_us_and_something_by_each_control
