#!/bin/sh
# Runs one command of `steps`.
set -eu
# shellcheck disable=SC2034
IN=/usr/local/lib/power-cuts REGISTRY=127.0.0.1:5000
# shellcheck disable=SC2034
SKOPEO=[overlay@/srv/controls/skopeo+/run/skopeo]localhost
image() { echo "localhost/app-$1:1=oci:$IN/oci:app-$1"; }
cd /
eval "$1"
