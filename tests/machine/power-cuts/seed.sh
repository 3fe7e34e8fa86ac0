#!/bin/sh
# Makes what is on a disk before anything is run: a configuration with a drop-in that hides the
# main file from podman 6, empty stores, two storages whose images build on a store that has been
# replaced, of which one is still there, and the controls' files.
set -eu
here=$(dirname "$0")
mkdir -p /data/etc
cp -a /etc/containers /data/etc/
"$here/bind.sh"
mkdir -p /etc/containers/storage.conf.d /srv/stores/declared /srv/documents /srv/sealed /srv/controls /srv/dependents /srv/kept
for store in a b c late packaged vendor; do storagectl --quiet init-store "/srv/stores/$store"; done
cat >/etc/containers/storage.conf <<'CONF'
# The site's own. Do not edit without a ticket.
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
# Images of the base system
additionalimagestores = [
  "/srv/stores/vendor", # first
]
CONF
printf '[storage.options]\nadditionalimagestores = ["/srv/stores/vendor"]\n' >/etc/containers/storage.conf.d/50-site.conf
for file in sed in-place; do
    printf '[storage]\ndriver = "overlay"\n[storage.options]\nadditionalimagestores = ["/srv/0"]\n' >"/srv/controls/$file.conf"
done

image() { echo "localhost/app-$1:1=oci:$here/oci:app-$1"; }
for name in dependents kept; do
    printf '[storage]\ndriver = "overlay"\nrunroot = "/run/%s"\ngraphroot = "/srv/%s/graph"\n[storage.options]\nadditionalimagestores = ["/srv/%s/store"]\n' \
        "$name" "$name" "$name" >"/srv/$name/storage.conf"
    storagectl --quiet build-store -o "/srv/$name/store" "$(image 1)"
    for number in 2 3 5; do
        CONTAINERS_STORAGE_CONF=/srv/$name/storage.conf \
            skopeo copy -q "oci:$here/oci:app-$number" "containers-storage:localhost/app-$number:1"
    done
    mv "/srv/$name/store" "/srv/$name/former"
    storagectl --quiet build-store -o "/srv/$name/store" "$(image 6)"
done
rm -r /srv/dependents/former
cp /srv/dependents/graph/overlay-images/images.json /srv/dependents/images.json
sync
