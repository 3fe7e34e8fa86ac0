#!/bin/sh
# Makes the store $1, and $1-control, which belong to the user 4321, with the engine $2: of
# what root's stores $3 and $3-control hold. $4 is where user.sh is.
set -e
store=$1 engine=$2 original=$3 user=$4
mount -t tmpfs none /mnt
cp -a "$original" /mnt/store
cp -a "$original-control" /mnt/control
save() {
    podman --root "/mnt/$1" --runroot "/mnt/run-$1" save -q -m -o "/mnt/$1.tar" $2
    chmod 0644 "/mnt/$1.tar"
}
save store 'localhost/app:2 localhost/other:1 localhost/app:1 localhost/base:1'
save control localhost/control:1
for helper in netavark aardvark-dns; do
    printf '#!/bin/sh\n' >/mnt/$helper
    chmod +x /mnt/$helper
done
printf '[engine]\nhelper_binaries_dir = ["/mnt"]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n' \
    >/mnt/containers.conf
chmod 0755 /mnt
export CONTAINERS_CONF=/mnt/containers.conf
for made in store control; do
    mkdir /mnt/made-$made
    chown 4321:4321 /mnt/made-$made
    unshare -m "$user" "$engine" --storage-driver overlay --root /mnt/made-$made --runroot /run/u/r \
        load -q -i /mnt/$made.tar >/dev/null
    ( cd /mnt/made-$made && rm -rf db.sql libpod networks volumes overlay-containers storage.lock userns.lock )
done
cp -a /mnt/made-store "$store"
cp -a /mnt/made-control "$store-control"
