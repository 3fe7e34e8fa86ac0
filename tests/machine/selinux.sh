#!/bin/sh
# Every command that writes, every unit and every kind of store, with SELinux enforcing. The
# second boot of the same disk shows what the units do at boot with what the first has left.
#
#   tests/machine/selinux.sh RELEASE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
release=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

tree=$work/tree
"$here/image.sh" "$tree/root/image" localhost/app:1
# What is embedded and packed are other images: engines know an image in several stores by its id.
for tag in 1 2 3; do
    "$here/image.sh" "$tree/root/images/$tag" "127.0.0.1:5000/app:$tag"
done
# The machine needs no network beyond itself.
install -D -m 0755 "$(command -v docker-registry)" "$tree/usr/local/bin/docker-registry"
mkdir -p "$tree/root/registry" "$tree/etc/containers/registries.conf.d"
cat >"$tree/root/registry/config.yml" <<'END'
version: 0.1
storage: {filesystem: {rootdirectory: /root/registry/data}}
http: {addr: "127.0.0.1:5000"}
END
cat >"$tree/etc/containers/registries.conf.d/registry.conf" <<'END'
[[registry]]
location = "127.0.0.1:5000"
insecure = true
END
cp "$here/inside/commands.yaml" "$tree/root/packages.yaml"

echo "== every command that writes"
"$here/boot.sh" --memory 1536 --tree "$tree" --disk "$work/disk" "$release" \
    "$here/inside/commands" || failed=1
echo "== the next boot"
"$here/boot.sh" --memory 1536 --disk "$work/disk" "$release" "$here/inside/next-boot" || failed=1
exit "$failed"
