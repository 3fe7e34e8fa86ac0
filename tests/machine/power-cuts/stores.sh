#!/bin/sh
# Prints the stores that are on the disk, but for those of controls.
find /srv/stores /var/lib/containers -type d -name overlay-images -prune 2>/dev/null | sed 's|/overlay-images$||' | sort
