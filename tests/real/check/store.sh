#!/bin/sh
# Makes an image store in the directory $1 with buildah: everything in a layer that a
# checker could take for damage. Containers are mounted and changed by hand, so that
# nothing has to run. $2 is a scratch directory, $3 the storage driver.
set -eu
store=$1 scratch=$2 driver=$3
b() { buildah --root "$store" --runroot "$scratch/run" --storage-driver "$driver" "$@"; }

# A container from $1, mounted; its directory is then $m.
from() {
    container=$(b from --pull-never "$1")
    m=$(b mount "$container")
}
commit() {
    b umount "$container" >/dev/null
    b commit --quiet --rm "$container" "$1" >/dev/null
}

from scratch
mkdir -p "$m/bin" "$m/etc" "$m/gone" "$m/opaque/inner" "$m/usr/lib" "$m/tmp" "$m/home/user" "$m/dev"
ln -s usr/lib "$m/lib"
cp /bin/busybox "$m/bin/busybox"
ln "$m/bin/busybox" "$m/bin/sh"
ln -s busybox "$m/bin/cat"
chmod 4755 "$m/bin/busybox"
echo base >"$m/mark"
echo base >"$m/below"
echo gone >"$m/gone/file"
echo hidden >"$m/opaque/inner/hidden"
chmod 1777 "$m/tmp"
chown 1000:1000 "$m/home/user"
chown 3000000:3000001 "$m/usr/lib"
mkfifo "$m/dev/fifo"
mknod "$m/dev/null" c 1 3
head -c 300000 /dev/urandom >"$m/usr/lib/big"
: >"$m/etc/empty"
touch -d @1000000000 "$m/mark" "$m/etc"
# Longer than a tar header has room for, and letters that are not ASCII.
deep="$m/$(printf 'directory-%s/' one two three four five six seven eight nine ten eleven twelve)"
mkdir -p "$deep"
echo long >"$deep/$(printf '%0200d' 0)"
echo umlaut >"$m/etc/Grüße"
printf raw >"$m/etc/$(printf 'not-utf8-\377')"
ln -s "$(printf '%0150d' 0)" "$m/etc/long-target"
cp /bin/busybox "$m/bin/ping"
setcap cap_net_raw+ep "$m/bin/ping"
setfattr -n user.kept -v yes "$m/mark"
commit localhost/base:1

from localhost/base:1
echo app >"$m/mark"
rm -r "$m/gone" "$m/opaque"
mkdir "$m/opaque"
echo new >"$m/opaque/new"
echo lib >"$m/lib/through-a-symlink"
ln "$m/bin/ping" "$m/bin/ping6"
rm "$m/etc/empty"
mkdir "$m/etc/empty"
commit localhost/app:1

from localhost/app:1
echo top >"$m/top"
chmod 0700 "$m/home/user"
commit localhost/app:2
b tag localhost/app:2 localhost/app:latest

# Shares no layer with the others.
from scratch
mkdir "$m/bin"
cp /bin/busybox "$m/bin/sh"
echo other >"$m/mark"
commit localhost/other:1


# Another store, with an image of its own: does it still work when the first does not?
b() { buildah --root "$store-control" --runroot "$scratch/run-control" --storage-driver "$driver" "$@"; }
from scratch
mkdir "$m/bin"
cp /bin/busybox "$m/bin/sh"
echo control >"$m/mark"
commit localhost/control:1

for made in "$store" "$store-control"; do
    umount "$made/$driver" 2>/dev/null || :
    rm -rf "$made/$driver-containers" "$made/storage.lock" "$made/userns.lock" "$made/cache" "$made/libpod"
    # Newer versions put a new name first.
    sed -i 's|"localhost/app:latest","localhost/app:2"|"localhost/app:2","localhost/app:latest"|' \
        "$made/$driver-images/images.json"
done
