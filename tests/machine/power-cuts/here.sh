#!/bin/sh
# Records the run on one file system on this host instead of in the machine, in seconds instead
# of minutes: its kernel writes to a loop device, and that to qemu, which logs. The system is the
# machine's all the same. Loop devices hand over one request after the other, unless they are
# direct, and qemu 7.2 needs that, since it mixes up requests that come at the same time.
#
#   here.sh ROOT TREE RECORD FILESYSTEM START LENGTH
#
# START and LENGTH are of the first partition, in blocks of 512 bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$1 tree=$2 record=$3 filesystem=$4
disk=$record/$filesystem
loop='' server=''
end() {
    [ -z "$loop" ] || losetup --detach "$loop"
    [ -z "$server" ] || { kill "$server" && wait "$server" || :; }
    rm -f "$disk.export"
}
trap end EXIT
trap 'exit 129' HUP INT TERM
touch "$disk.export"
qemu-storage-daemon \
    --blockdev "driver=file,node-name=disk,filename=$disk.disk,cache.no-flush=on" \
    --blockdev "driver=file,node-name=log,filename=$disk.log,cache.no-flush=on" \
    --blockdev driver=blklogwrites,node-name=logged,file=disk,log=log \
    --export "fuse,id=export,node-name=logged,mountpoint=$disk.export,writable=on" &
server=$!
while [ ! -s "$disk.export" ]; do sleep 0.1; done
loop=$(losetup --find --show --partscan "$disk.export")
# Not every kernel reads tables of partitions.
[ -e "${loop}p1" ] || addpart "$loop" 1 "$5" "$6"
[ -e "${loop}p2" ] || addpart "$loop" 2 "$(($5 + $6))" 4096
STORAGECTL_BIND="$record" "$here/enter.sh" "$root" "$tree" - "$filesystem" \
    with-registry.sh "${loop}p" "$record/$filesystem"
