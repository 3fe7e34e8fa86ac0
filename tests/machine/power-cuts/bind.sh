#!/bin/sh
# Puts what is on the disk at /data in the place of the system's own, in this mount namespace.
set -eu
for dir in etc/containers etc/storagectl usr/lib/containers usr/lib/storagectl usr/lib/sysimage \
    var/lib/containers var/lib/storagectl srv; do
    mkdir -p "/$dir" "/data/$dir"
    mount --bind "/data/$dir" "/$dir"
done
