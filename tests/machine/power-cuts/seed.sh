#!/bin/sh
# Makes what is on a disk before anything is run: a configuration with a drop-in that hides the
# main file from podman 6, empty stores, a storage whose images build on a store that has been
# replaced, and the controls' files.
set -eu
here=$(dirname "$0")
mkdir -p /data/etc
cp -a /etc/containers /data/etc/
"$here/bind.sh"
mkdir -p /etc/containers/storage.conf.d /srv/stores/declared /srv/documents /srv/sealed /srv/controls /srv/dependents
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
printf '[storage]\ndriver = "overlay"\nrunroot = "/run/dependents"\ngraphroot = "/srv/dependents/graph"\n[storage.options]\nadditionalimagestores = ["/srv/dependents/store"]\n' \
    >/srv/dependents/storage.conf
storagectl --quiet build-store -o /srv/dependents/store "$(image 1)"
for number in 2 3 5; do
    CONTAINERS_STORAGE_CONF=/srv/dependents/storage.conf \
        skopeo copy -q "oci:$here/oci:app-$number" "containers-storage:localhost/app-$number:1"
done
rm -r /srv/dependents/store
storagectl --quiet build-store -o /srv/dependents/store "$(image 6)"
cp /srv/dependents/graph/overlay-images/images.json /srv/dependents/images.json
sync
