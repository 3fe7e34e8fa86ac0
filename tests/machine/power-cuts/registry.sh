#!/bin/sh
# Starts a registry with the images of the run; it ends with this machine, or its namespace.
set -eu
here=$(dirname "$0")
ip link set lo up
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: /run/registry}}\nhttp: {addr: "127.0.0.1:5000"}\n' \
    >/run/registry.yml
OTEL_TRACES_EXPORTER=none docker-registry serve /run/registry.yml >/dev/null 2>&1 </dev/null &
number=0
until skopeo copy -q --dest-tls-verify=false "oci:$here/oci:app-1" docker://127.0.0.1:5000/app-1:1 2>/dev/null; do
    number=$((number + 1))
    [ "$number" -lt 60 ] || { echo "error: the registry does not start" >&2 && exit 1; }
    sleep 0.2
done
for number in 2 3 4; do
    skopeo copy -q --dest-tls-verify=false "oci:$here/oci:app-$number" "docker://127.0.0.1:5000/app-$number:1"
done
